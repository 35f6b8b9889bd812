/* lanes.c - bench_lanes: one workload of malloc() at a time, under whatever allocator the process
   runs on. The same seed makes the same requests. Prints one line of key=value fields. */
#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lanes.h"
#include "latency.h"

enum { KIB = 1024, MIB = 1024 * 1024, MOST_SLOTS = 10000000, MOST_THREADS = 10000 };

static const char usage[] =
  "usage: bench_lanes MODE [NAME=VALUE ...]\n"
  "       bench_lanes help        lists the modes and their defaults\n";

/* The names of the options, in the order of struct lane_options. */
static const struct option {
  const char *name;
  size_t offset;
  uint64_t least, most;
} option_table[] = {
  { "threads", offsetof(struct lane_options, threads), 1, MOST_THREADS },
  { "operations", offsetof(struct lane_options, operations), 1, UINT64_C(1000000000000) },
  { "slots", offsetof(struct lane_options, slots), 1, MOST_SLOTS },
  { "min", offsetof(struct lane_options, min), 1, 1024 * MIB },
  { "max", offsetof(struct lane_options, max), 1, 1024 * MIB },
  { "percent", offsetof(struct lane_options, percent), 0, 100 },
  { "megabytes", offsetof(struct lane_options, megabytes), 1, 100000 },
  { "latency", offsetof(struct lane_options, latency), 0, 1 },
  { "seed", offsetof(struct lane_options, seed), 0, UINT64_MAX },
};
enum { OPTIONS = sizeof option_table / sizeof option_table[0] };

/* A default that is not named is 0: the mode does not take that option (all take the seed). */
static const struct mode {
  const char *name;
  lane_function *run;
  const char *help;
  struct lane_options defaults;
} modes[] = {
  { "churn", lane_churn, "random blocks of 16 B to 4 KiB replaced",
    { .threads = 2, .operations = 8000000, .slots = 4000, .min = 16, .max = 4 * KIB } },
  { "mid", lane_churn, "the same, over 1 KiB to 32 KiB",
    { .threads = 2, .operations = 4000000, .slots = 500, .min = KIB + 1, .max = 32 * KIB } },
  { "large", lane_churn, "the same, over 32 KiB to 1 MiB",
    { .threads = 2, .operations = 200000, .slots = 50, .min = 32 * KIB + 1, .max = MIB } },
  { "huge", lane_churn, "the same, over 1 MiB to 16 MiB",
    { .threads = 2, .operations = 4000, .slots = 8, .min = MIB + 1, .max = 16 * MIB } },
  { "remote", lane_remote, "churn in which the next thread frees PERCENT of the blocks",
    { .threads = 2, .operations = 8000000, .slots = 1000, .min = 16, .max = 256, .percent = 50 } },
  { "local", lane_remote, "remote with percent=0: what the queues cost by themselves",
    { .threads = 2, .operations = 8000000, .slots = 1000, .min = 16, .max = 256 } },
  { "both", lane_remote, "every block is freed by the next thread, both directions",
    { .threads = 2, .operations = 8000000, .slots = 1000, .min = 16, .max = 256, .percent = 100 } },
  { "produce", lane_produce, "one thread of each pair allocates, the other frees",
    { .threads = 2, .operations = 8000000, .slots = 1000, .min = 16, .max = 256 } },
  { "grow", lane_grow, "vectors that grow by half through realloc(), then start again",
    { .threads = 2, .operations = 1000000, .slots = 50, .min = 16, .max = MIB } },
  { "threads", lane_many_threads, "many threads alive at a time, each with few blocks",
    { .threads = 64, .operations = 4000000, .slots = 100, .min = 16, .max = KIB } },
  { "short-threads", lane_short_threads,
    "threads that allocate SLOTS blocks, free half and leave the rest to their creator",
    { .threads = 2, .operations = 2000000, .slots = 100, .min = 16, .max = KIB } },
  { "giveback", lane_giveback, "what stays resident after most of MEGABYTES are freed, in runs of 512",
    { .megabytes = 200 } },
  { "pairs", lane_pairs, "ns of malloc, store, free in turn, by size", { .operations = 2000000 } },
  { "batches", lane_batches, "ns of a pair in batches: 1000 mallocs, then 1000 frees in order, by size",
    { .operations = 2000000 } },
};
enum { MODES = sizeof modes / sizeof modes[0] };

static uint64_t *option_value(struct lane_options *options, size_t index)
{
  return (uint64_t *)((char *)options + option_table[index].offset);
}

void lane_fill(struct bench_slot *slot, struct bench_random *random, size_t min, size_t max)
{
  slot->size = bench_random_between(random, min, max);
  slot->tag = random->state;
  uint64_t from = latency_on ? latency_now() : 0;
  slot->block = malloc(slot->size);
  if (latency_on)
    latency_note(LATENCY_MALLOC, from);
  if (slot->block == NULL)
    bench_fail("no memory");
  bench_stamp(slot);
}

void lane_clear(struct bench_slot *slot)
{
  bench_check(slot);
  uint64_t from = latency_on ? latency_now() : 0;
  free(slot->block);
  if (latency_on)
    latency_note(LATENCY_FREE, from);
  slot->block = NULL;
}

/* Those that call malloc() and free() through lane_fill() and lane_clear(). */
static bool can_time_calls(const struct mode *mode)
{
  return mode->run == lane_churn || mode->run == lane_remote || mode->run == lane_produce ||
         mode->run == lane_many_threads || mode->run == lane_short_threads;
}

static int help(void)
{
  fputs(usage, stdout);
  for (size_t i = 0; i < MODES; i++) {
    struct lane_options defaults = modes[i].defaults;
    printf("%-14s %s\n              ", modes[i].name, modes[i].help);
    for (size_t j = 0; j < OPTIONS; j++)
      if (*option_value(&defaults, j) != 0)
        printf(" %s=%llu", option_table[j].name, (unsigned long long)*option_value(&defaults, j));
    printf("%s%s seed=1\n", modes[i].run == lane_remote && defaults.percent == 0 ? " percent=0" : "",
           can_time_calls(&modes[i]) ? " latency=0" : "");
  }
  return 0;
}

static const struct mode *find_mode(const char *name)
{
  for (size_t i = 0; i < MODES; i++)
    if (strcmp(modes[i].name, name) == 0)
      return &modes[i];
  bench_usage(usage, "MODE", name, "is not one of them");
}

static bool takes(const struct mode *mode, size_t index)
{
  struct lane_options defaults = mode->defaults;
  size_t offset = option_table[index].offset;
  if (offset == offsetof(struct lane_options, latency))
    return can_time_calls(mode);
  bool of_remote = offset == offsetof(struct lane_options, percent) && mode->run == lane_remote;
  bool seed = offset == offsetof(struct lane_options, seed);
  return seed || of_remote || *option_value(&defaults, index) != 0;
}

/* text is NAME=VALUE. */
static void set_option(const struct mode *mode, struct lane_options *options, const char *text)
{
  const char *equals = strchr(text, '=');
  size_t length = equals != NULL ? (size_t)(equals - text) : 0;
  for (size_t i = 0; i < OPTIONS; i++) {
    const struct option *option = &option_table[i];
    if (strlen(option->name) != length || strncmp(option->name, text, length) != 0 || !takes(mode, i))
      continue;
    *option_value(options, i) = bench_number(usage, option->name, equals + 1, option->least, option->most);
    return;
  }
  bench_usage(usage, mode->name, text, "is not NAME=VALUE with a name that this mode takes");
}

int main(int argc, char **argv)
{
  if (argc < 2)
    bench_usage(usage, NULL, NULL, NULL);
  if (strcmp(argv[1], "help") == 0)
    return help();
  const struct mode *mode = find_mode(argv[1]);
  struct lane_options options = mode->defaults;
  options.seed = 1;
  for (int i = 2; i < argc; i++)
    set_option(mode, &options, argv[i]);
  if (options.min > options.max)
    bench_usage(usage, mode->name, "min", "is over max");

  printf("bench_lanes mode=%s", mode->name);
  for (size_t i = 0; i < OPTIONS; i++)
    if (takes(mode, i))
      printf(" %s=%llu", option_table[i].name, (unsigned long long)*option_value(&options, i));
  latency_on = options.latency != 0;
  double start = bench_now();
  uint64_t start_ticks = latency_now();
  uint64_t done = mode->run(&options);
  double seconds = bench_now() - start;
  uint64_t ticks = latency_now() - start_ticks;
  printf(" seconds=%.3f", seconds);
  if (done != 0)
    printf(" done=%llu ns_per_operation=%.2f", (unsigned long long)done, seconds * 1e9 / (double)done);
  if (latency_on)
    latency_print(ticks, seconds);
  printf("\n");
  return 0;
}
