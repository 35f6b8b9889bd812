/* cmd_stat.c - "hakmemctl stat": the figures that one process publishes. */
#include <config.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "counters.h"
#include "hakmemctl.h"
#include "processes.h"
#include "tally.h"

_Static_assert((int)COUNT_END <= (int)FIGURES_COUNTERS_MAX && (int)CLASS_COUNT <= (int)FIGURES_CLASSES_MAX &&
                 (int)STEERING_END <= (int)FIGURES_STEERING_MAX,
               "all of them");

/* A memory limit, or the adaptive controller. */
static bool has_steering(const struct figures_slot *figures)
{
  for (unsigned i = 0; i < STEERING_END; i++)
    if (figures->steering[i] != 0)
      return true;
  return false;
}

static void print_text(const struct process *process)
{
  const struct figures_slot *figures = &process->figures;
  printf("process             %d (%s)\nprogram             %s\nversion             %s\n", process->id,
         process->library, figures->program, figures->release);
  printf("running for         %" PRIu64 ".%" PRIu64 " s\nfigures of          %" PRIu64 ".%" PRIu64 " s ago\n",
         process->running_ms / 1000, process->running_ms % 1000 / 100, process->age_ms / 1000,
         process->age_ms % 1000 / 100);
  printf("resident            %" PRIu64 "\nlive bytes          %" PRIu64 "\n  at the peak       %" PRIu64
         "\nheld bytes          %" PRIu64 "\n  at the peak       %" PRIu64 "\n  of the library    %" PRIu64
         "\n",
         process->resident, figures->live_bytes, figures->live_peak, figures->held_bytes, figures->held_peak,
         figures->metadata_bytes);
  if (has_steering(figures))
    putchar('\n');
  for (unsigned i = 0; i < STEERING_END; i++)
    if (figures->steering[i] != 0)
      printf("%-21s %12" PRIu64 "\n", steering_name(i), figures->steering[i]);
  puts("\ntier            requests    live blocks     live bytes     held bytes");
  for (int tier = 0; tier < FIGURES_TIERS; tier++)
    printf("%-9s %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %14" PRIu64 "\n", tier_names[tier],
           figures->tier[tier].requests, figures->tier[tier].live_blocks, figures->tier[tier].live_bytes,
           figures->tier[tier].held_bytes);
  printf("\n%-16s", "counts");
  for (unsigned place = 0; place < FIGURES_PLACES; place++)
    printf(" %14s", place_name(place));
  for (unsigned tally = 0; tally < TALLY_END; tally++) {
    printf("\n%-15s%c", tally_name(tally), tally_is_estimate(tally) ? '~' : ' ');
    for (unsigned place = 0; place < FIGURES_PLACES; place++)
      printf(" %14" PRIu64, figures->tally[place][tally]);
  }
  puts("\n\nblock size    live blocks");
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    if (figures->class_live[class] != 0)
      printf("%10" PRIu32 " %14" PRIu32 "\n", size_classes[class].block_size, figures->class_live[class]);
  putchar('\n');
  for (unsigned c = 0; c < COUNT_END; c++)
    if (figures->counter[c] != 0)
      printf("%-18s %15" PRIu64 "\n", counter_name((enum counter)c), figures->counter[c]);
}

static void print_json(const struct process *process)
{
  const struct figures_slot *figures = &process->figures;
  printf("{\"pid\": %d, \"program\": ", process->id);
  json_string(stdout, figures->program);
  fputs(", \"version\": ", stdout);
  json_string(stdout, figures->release);
  printf(", \"as\": \"%s\", \"running_ms\": %" PRIu64 ", \"age_ms\": %" PRIu64 ", \"rss\": %" PRIu64,
         process->library, process->running_ms, process->age_ms, process->resident);
  printf(",\n \"live_bytes\": %" PRIu64 ", \"live_peak\": %" PRIu64 ", \"held_bytes\": %" PRIu64
         ", \"held_peak\": %" PRIu64 ", \"metadata_bytes\": %" PRIu64, figures->live_bytes, figures->live_peak, figures->held_bytes,
         figures->held_peak, figures->metadata_bytes);
  for (unsigned i = 0; i < STEERING_END; i++)
    printf("%s\"%s\": %" PRIu64, i % 4 == 0 ? ",\n " : ", ", steering_name(i), figures->steering[i]);
  for (int tier = 0; tier < FIGURES_TIERS; tier++)
    printf("%s\"%s\": {\"requests\": %" PRIu64 ", \"live_blocks\": %" PRIu64 ", \"live_bytes\": %" PRIu64
           ", \"held_bytes\": %" PRIu64 "}", tier == 0 ? ",\n \"tiers\": {" : ", ", tier_names[tier],
           figures->tier[tier].requests, figures->tier[tier].live_blocks, figures->tier[tier].live_bytes,
           figures->tier[tier].held_bytes);
  for (unsigned place = 0; place < FIGURES_PLACES; place++) {
    printf("%s\"%s\"", place == 0 ? "},\n \"counts\": {" : ",\n  ", place_name(place));
    for (unsigned tally = 0; tally < TALLY_END; tally++)
      printf("%s\"%s\": %" PRIu64, tally == 0 ? ": {" : ", ", tally_name(tally), figures->tally[place][tally]);
    putchar('}');
  }
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    printf("%s{\"size\": %" PRIu32 ", \"live_blocks\": %" PRIu32 "}",
           class == 0 ? "},\n \"classes\": [" : ", ",
           size_classes[class].block_size, figures->class_live[class]);
  for (unsigned c = 0; c < COUNT_END; c++)
    printf("%s\"%s\": %" PRIu64, c == 0 ? "],\n \"counters\": {" : ", ", counter_name((enum counter)c),
           figures->counter[c]);
  puts("}}");
}

/* A process id, 0 if the text is none. */
static int parse_id(const char *text)
{
  char *end;
  errno = 0;
  long id = strtol(text, &end, 10);
  return errno == 0 && end != text && *end == '\0' && id > 0 && id <= 1 << 30 ? (int)id : 0;
}

static int show(int id, bool json)
{
  struct process process;
  switch (process_look(id, &process)) {
    case PROCESS_GONE: return tool_error("there is no process %d", id);
    case PROCESS_FORBIDDEN: return tool_error("process %d is another user's; only root may look at it", id);
    case PROCESS_WITHOUT: return tool_error("process %d does not run on libhakmem", id);
    case PROCESS_FOUND: break;
  }
  if (!process.published)
    return tool_error("process %d (%s) publishes no figures; it must be started with HAKMEM_STATS_DIR set",
                      id, process.name);
  (json ? print_json : print_text)(&process);
  return TOOL_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
  bool json = false;
  if (tool_json_option(self, argc, argv, &json) != TOOL_OK)
    return TOOL_USAGE;
  if (optind == argc)
    return tool_usage_error(self, "which process?");
  const char *word = argv[optind++];
  int id = parse_id(word);
  if (id == 0)
    return tool_usage_error(self, "'%s' is no process id", word);
  /* The option may stand behind the number too. */
  if (tool_json_option(self, argc, argv, &json) != TOOL_OK || tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  return show(id, json);
}

const struct command command_stat = {
  .name = "stat",
  .arguments = "PID [--json]",
  .help = "show the figures that a process publishes, without stopping it",
  .details = "      --json               as one JSON object\n",
  .run = run
};
