/* cmd_compare.c - "hakmemctl compare": is it worth it for this program? */
#include <config.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "compare.h"
#include "environment.h"
#include "hakmemctl.h"
#include "preload_list.h"

enum { DEFAULT_RUNS = 10, MAX_RUNS = 1000, MAX_CONTENDERS = 10, BLOCK = 1 << 16 };

struct options {
  bool json, output;
};

/* What the first run did; the others must do the same. */
struct reference {
  bool known;
  int status;
  FILE *output;
};

static char *status_text(int status)
{
  if (WIFSIGNALED(status))
    return tool_format("signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return tool_format("status %d", WEXITSTATUS(status));
}

static FILE *scratch(void)
{
  FILE *file = tmpfile();
  if (file == NULL)
    exit(tool_error("cannot keep the output: %s", strerror(errno)));
  return file;
}

static bool same_contents(FILE *one, FILE *other)
{
  static char blocks[2][BLOCK];
  rewind(one);
  rewind(other);
  while (true) {
    size_t got = fread(blocks[0], 1, BLOCK, one);
    if (fread(blocks[1], 1, BLOCK, other) != got || memcmp(blocks[0], blocks[1], got) != 0)
      return false;
    if (got < BLOCK)
      return true;
  }
}

static void warn_of_status(const char *name, int status, int first)
{
  char *now = status_text(status), *before = status_text(first);
  tool_warning("on %s the program ended with %s; in the first run, on libc, with %s", name, now, before);
  free(now);
  free(before);
}

/* Says, once for each contender, how a run differs from the first. The run's output is closed, or kept as the
   reference. */
static bool agrees(struct reference *first, struct contender *one, const struct measure *run, FILE *output)
{
  if (!first->known) {
    *first = (struct reference){true, run->status, output};
    return true;
  }
  bool same_status = run->status == first->status;
  bool same_output = output == NULL || same_contents(first->output, output);
  if (output != NULL)
    fclose(output);
  if (!same_status && !one->warned)
    warn_of_status(one->name, run->status, first->status);
  if (!same_output && !one->warned)
    tool_warning("on %s the program had another output than in the first run, on libc", one->name);
  one->warned |= !same_status || !same_output;
  return same_status && same_output;
}

/* One line that is written over on a terminal; elsewhere one line a round. */
static void show_progress(unsigned round, unsigned runs, const char *name)
{
  bool terminal = isatty(STDERR_FILENO);
  if (terminal && round == 0)
    fprintf(stderr, "\r\033[Krun to warm up: %s", name);
  else if (terminal)
    fprintf(stderr, "\r\033[Krun %u of %u: %s", round, runs, name);
  else if (strcmp(name, "libc") == 0 && round != 0)
    fprintf(stderr, "run %u of %u\n", round, runs);
}

static void end_progress(void)
{
  if (isatty(STDERR_FILENO))
    fputs("\r\033[K", stderr);
}

/* The C library's figures must be its own where libhakmem is loaded into everything. */
static bool comes_with_environment(void)
{
  const char *value = getenv("LD_PRELOAD");
  char *list = tool_format("%s\n", value != NULL ? value : "");
  struct text text = {list, strlen(list)};
  struct list_words words = list_words(&text);
  free(words.first);
  free(list);
  return words.ours != 0;
}

static bool loaded_everywhere(void)
{
  FILE *file = fopen("/etc/ld.so.preload", "re");
  if (file == NULL)
    return false;
  char *bytes = tool_allocate(BLOCK);
  struct text text = {bytes, fread(bytes, 1, BLOCK, file)};
  fclose(file);
  struct list_words words = list_words(&text);
  free(words.first);
  free(bytes);
  return words.ours != 0;
}

static off_t input_position(void)
{
  struct stat status;
  if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode))
    return -1;
  return lseek(STDIN_FILENO, 0, SEEK_CUR);
}

/* All runs, in turn; round 0 is not counted. False if the program cannot be started. */
static bool run_all(struct comparison *all, const struct options *options)
{
  struct reference first = {0};
  bool everywhere = loaded_everywhere() || comes_with_environment();
  off_t input = input_position();
  if (everywhere)
    tool_warning("libhakmem is loaded into this program already: the others get HAKMEM_FORCE_LIBC_ALLOC=1");
  all->agree = true;
  for (unsigned round = 0; round <= all->runs; round++)
    for (unsigned i = 0; i < all->count; i++) {
      struct contender *one = &all->contenders[i];
      struct measure run;
      struct measure_setup setup = {all->program, input, one->library, everywhere && i != 1};
      show_progress(round, all->runs, one->name);
      FILE *output = options->output ? scratch() : NULL;
      bool started = measure_run(&setup, output, &run);
      end_progress();
      if (!started)
        return false;
      all->agree &= agrees(&first, one, &run, output);
      for (int kind = 0; round != 0 && kind < MEASURE_KINDS; kind++)
        one->series[kind][round - 1] = run.cost[kind];
    }
  if (first.output != NULL)
    fclose(first.output);
  return true;
}

static bool add_contender(struct comparison *all, const char *name, const char *library)
{
  struct contender *one = &all->contenders[all->count++];
  one->name = name;
  one->library = library != NULL ? environment_resolve(library) : NULL;
  for (int kind = 0; kind < MEASURE_KINDS; kind++)
    one->series[kind] = tool_allocate(all->runs * sizeof(double));
  return library == NULL || one->library != NULL;
}

/* NAME=LIBRARY, whose name is cut off in place. */
static bool add_other(struct comparison *all, char *text)
{
  char *equals = strchr(text, '=');
  *equals = '\0';
  return add_contender(all, text, equals + 1);
}

static unsigned parse_runs(const char *text)
{
  char *end;
  unsigned long runs = strtoul(text, &end, 10);
  return *text >= '0' && *text <= '9' && *end == '\0' && runs <= MAX_RUNS ? (unsigned)runs : 0;
}

static void free_contenders(struct comparison *all)
{
  for (unsigned i = 0; i < all->count; i++) {
    free(all->contenders[i].library);
    for (int kind = 0; kind < MEASURE_KINDS; kind++)
      free(all->contenders[i].series[kind]);
  }
  free(all->contenders);
}

static int compare(struct comparison *all, const char *library, char **others, unsigned other_count,
                   const struct options *options)
{
  all->contenders = tool_allocate((other_count + 2) * sizeof *all->contenders);
  bool good = add_contender(all, "libc", NULL) && add_contender(all, "hakmem", library);
  for (unsigned i = 0; good && i < other_count; i++)
    good = add_other(all, others[i]);
  if (good) {
    environment_warn_unaffected(all->program[0]);
    good = run_all(all, options);
  }
  if (good)
    (options->json ? compare_print_json : compare_print)(all);
  free_contenders(all);
  return good && all->agree ? TOOL_OK : TOOL_FAILED;
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"json", no_argument, NULL, 'j'}, {"library", required_argument, NULL, 'l'},
    {"output", no_argument, NULL, 'c'}, {"runs", required_argument, NULL, 'n'},
    {"with", required_argument, NULL, 'w'}, {0}
  };
  struct comparison all = {.runs = DEFAULT_RUNS};
  struct options options = {0};
  const char *library = environment_library();
  char *others[MAX_CONTENDERS];
  unsigned other_count = 0;
  int found;
  while ((found = tool_option(self, argc, argv, "l:n:w:", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    if (found == 'n' && (all.runs = parse_runs(optarg)) == 0)
      return tool_usage_error(self, "'%s' is no number of runs from 1 to %d", optarg, MAX_RUNS);
    if (found == 'w' && (strchr(optarg, '=') == NULL || *optarg == '='))
      return tool_usage_error(self, "'%s' is not NAME=LIBRARY", optarg);
    if (found == 'w' && other_count == MAX_CONTENDERS)
      return tool_usage_error(self, "more than %d other libraries", MAX_CONTENDERS);
    if (found == 'w')
      others[other_count++] = optarg;
    options.json |= found == 'j';
    options.output |= found == 'c';
    library = found == 'l' ? optarg : library;
  }
  all.program = argv + optind;
  if (*all.program == NULL)
    return tool_usage_error(self, "no program given");
  return compare(&all, library, others, other_count, &options);
}

const struct command command_compare = {
  .name = "compare",
  .arguments =
    "[-n RUNS] [-l LIBRARY] [--with NAME=LIBRARY]... [--output] [--json] [--] PROGRAM [ARGUMENT...]",
  .help = "measure a program on the C library's malloc and on libhakmem, in turn",
  .details =
    "  -n, --runs=RUNS          runs of each that count, 10 if not given; one more warms up\n"
    "  -w, --with=NAME=LIBRARY  another malloc to preload and compare\n"
    "  -l, --library=LIBRARY    another interposer than the installed one\n"
    "      --output             compare what the program writes to its standard output, too\n"
    "      --json               as one JSON object\n",
  .run = run
};
