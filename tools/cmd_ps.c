/* cmd_ps.c - "hakmemctl ps": the processes that run on libhakmem now. */
#include <config.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "processes.h"

static void print_text(const struct process *process)
{
  const struct figures_slot *figures = &process->figures;
  printf("%7d %-8s %9" PRIu64, process->id, process->published ? figures->release : "-",
         process->resident / 1024);
  if (process->published)
    printf(" %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %7" PRIu64, figures->live_bytes / 1024,
           figures->held_bytes / 1024, figures->live_peak / 1024, process->age_ms / 1000);
  else
    printf(" %9s %9s %9s %7s", "-", "-", "-", "-");
  printf(" %s%s\n", process->name, process->library[0] == 'l' ? " (library)" : "");
}

static void print_json(const struct process *process, bool first)
{
  const struct figures_slot *figures = &process->figures;
  printf("%s\n  {\"pid\": %d, \"program\": ", first ? "" : ",", process->id);
  json_string(stdout, process->name);
  printf(", \"as\": \"%s\", \"rss\": %" PRIu64 ", \"version\": ", process->library, process->resident);
  if (process->published)
    json_string(stdout, figures->release);
  else
    fputs("null", stdout);
  printf(", \"published\": %s", process->published ? "true" : "false");
  if (process->published)
    printf(", \"live_bytes\": %" PRIu64 ", \"held_bytes\": %" PRIu64 ", \"live_peak\": %" PRIu64
           ", \"age_ms\": %" PRIu64,
           figures->live_bytes, figures->held_bytes, figures->live_peak, process->age_ms);
  putchar('}');
}

static int run(const struct command *self, int argc, char **argv)
{
  bool json = false;
  if (tool_json_option(self, argc, argv, &json) != TOOL_OK || tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  unsigned count, forbidden;
  struct process *processes = processes_find(&count, &forbidden);
  if (processes == NULL)
    return tool_error("/proc cannot be read");
  fputs(json ? "[" : "    PID VERSION        RSS      LIVE      HELD      PEAK     AGE PROGRAM\n", stdout);
  for (unsigned i = 0; i < count; i++)
    if (json)
      print_json(&processes[i], i == 0);
    else
      print_text(&processes[i]);
  if (json)
    puts("\n]");
  if (forbidden != 0)
    tool_warning("%u more may not be looked at%s", forbidden, geteuid() != 0 ? "; root sees all" : "");
  free(processes);
  return TOOL_OK;
}

const struct command command_ps = {
  .name = "ps",
  .arguments = "[--json]",
  .help = "list the processes that run on libhakmem now, with their memory",
  .details =
    "Memory in KiB, the age of the figures in seconds; \"-\" where a process publishes none\n(HAKMEM_STATS_DIR).\n"
    "      --json               as a JSON array, memory in bytes\n",
  .run = run
};
