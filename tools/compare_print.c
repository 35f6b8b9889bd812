/* compare_print.c - medians, spread and verdicts of "hakmemctl compare". */
#include <config.h>
#include "compare.h"
#include "hakmemctl.h"
#include "ranks.h"

struct kind {
  const char *title;
  double factor;       /* from what was measured to what the title says */
  int decimals;
  const char *key;     /* JSON has it as it was measured */
  int key_decimals;
};
static const struct kind kinds[MEASURE_KINDS] = {
  [MEASURE_WALL] = {"wall time, ms", 1000, 2, "wall_seconds", 6},
  [MEASURE_CPU] = {"CPU time, ms", 1000, 2, "cpu_seconds", 6},
  [MEASURE_PEAK] = {"peak memory, KiB", 1, 0, "peak_kib", 1},
  [MEASURE_FAULTS] = {"page faults", 1, 0, "page_faults", 1}
};

struct summary {
  double median, low, high;  /* half of the runs lie between low and high */
  double percent;            /* of the C library's median, more or less */
  const char *verdict;       /* NULL for the C library itself */
};

static const char *judge(const struct comparison *all, const struct contender *one, enum measure_kind kind,
                         double difference)
{
  if (all->runs < COMPARE_ENOUGH_RUNS)
    return "too few runs";
  const double *base = all->contenders[0].series[kind];
  if (ranks_probability(one->series[kind], all->runs, base, all->runs) >= COMPARE_CHANCE)
    return "noise";
  /* Ranks can differ where the medians do not. */
  return difference < 0 ? "less" : difference > 0 ? "more" : "noise";
}

static struct summary summarize(const struct comparison *all, const struct contender *one,
                                enum measure_kind kind)
{
  const double *values = one->series[kind];
  struct summary result = {.median = ranks_quantile(values, all->runs, 0.5),
                           .low = ranks_quantile(values, all->runs, 0.25),
                           .high = ranks_quantile(values, all->runs, 0.75)};
  if (one == all->contenders)
    return result;
  double base = ranks_quantile(all->contenders[0].series[kind], all->runs, 0.5);
  double difference = result.median - base;
  result.percent = base > 0 ? difference / base * 100 : 0;
  result.verdict = judge(all, one, kind, difference);
  return result;
}

static void sort_series(struct comparison *all)
{
  for (unsigned i = 0; i < all->count; i++)
    for (int kind = 0; kind < MEASURE_KINDS; kind++)
      ranks_sort(all->contenders[i].series[kind], all->runs);
}

static void print_row(const struct comparison *all, const struct contender *one, enum measure_kind kind)
{
  struct summary row = summarize(all, one, kind);
  int decimals = kinds[kind].decimals;
  double factor = kinds[kind].factor;
  printf("  %-12s %12.*f   %12.*f .. ", one->name, decimals, row.median * factor, decimals, row.low * factor);
  if (row.verdict != NULL)
    printf("%-12.*f %+8.1f %%  %s", decimals, row.high * factor, row.percent, row.verdict);
  else
    printf("%.*f", decimals, row.high * factor);
  putchar('\n');
}

void compare_print(struct comparison *all)
{
  sort_series(all);
  for (int kind = 0; kind < MEASURE_KINDS; kind++) {
    if (kind == 0)
      printf("%-20s %6s   %-29s %s\n", kinds[kind].title, "median", "half of the runs between",
             "against libc");
    else
      printf("%s\n", kinds[kind].title);
    for (unsigned i = 0; i < all->count; i++)
      print_row(all, &all->contenders[i], (enum measure_kind)kind);
  }
  printf("\nRuns of each, in turn: %u. \"less\" and \"more\": chance alone makes such a difference in fewer "
         "than\n1 of 100 cases (rank-sum test); \"noise\": it may. ", all->runs);
  puts(all->agree ? "The runs agree." : "THE RUNS DO NOT AGREE: see the warnings.");
}

static void print_json_kind(const struct comparison *all, const struct contender *one, enum measure_kind kind)
{
  struct summary row = summarize(all, one, kind);
  int decimals = kinds[kind].key_decimals;
  printf(", \"%s\": {\"median\": %.*f, \"low\": %.*f, \"high\": %.*f", kinds[kind].key, decimals, row.median,
         decimals, row.low, decimals, row.high);
  if (row.verdict != NULL)
    printf(", \"difference_percent\": %.2f, \"verdict\": \"%s\"", row.percent, row.verdict);
  putchar('}');
}

void compare_print_json(struct comparison *all)
{
  sort_series(all);
  fputs("{\"command\": [", stdout);
  for (char **word = all->program; *word != NULL; word++) {
    fputs(word == all->program ? "" : ", ", stdout);
    json_string(stdout, *word);
  }
  printf("], \"runs\": %u, \"agree\": %s, \"allocators\": [", all->runs, all->agree ? "true" : "false");
  for (unsigned i = 0; i < all->count; i++) {
    const struct contender *one = &all->contenders[i];
    fputs(i == 0 ? "\n  {\"name\": " : ",\n  {\"name\": ", stdout);
    json_string(stdout, one->name);
    fputs(", \"library\": ", stdout);
    if (one->library != NULL)
      json_string(stdout, one->library);
    else
      fputs("null", stdout);
    for (int kind = 0; kind < MEASURE_KINDS; kind++)
      print_json_kind(all, one, (enum measure_kind)kind);
    putchar('}');
  }
  puts("\n]}");
}
