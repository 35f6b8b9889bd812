/* ranks.c - whether two series of measurements differ by more than chance. */
#include <config.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "hakmemctl.h"
#include "ranks.h"

/* Up to this many values in both series together, all ways to share the ranks out are counted. */
enum { EXACT_COUNT = 40 };

static int compare_values(const void *one, const void *other)
{
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

void ranks_sort(double *values, size_t count)
{
  qsort(values, count, sizeof *values, compare_values);
}

double ranks_quantile(const double *values, size_t count, double share)
{
  double place = share * (double)(count - 1);
  size_t below = (size_t)place;
  if (below + 1 >= count)
    return values[count - 1];
  return values[below] + (values[below + 1] - values[below]) * (place - (double)below);
}

/* Twice the rank of each value of all (sorted), so that shared ranks are whole numbers. Returns the sum of
   t^3 - t over the groups of t equal values, which lessen the variance. */
static double rank(const double *all, size_t count, unsigned *ranks)
{
  double ties = 0;
  for (size_t start = 0; start < count;) {
    size_t end = start + 1;
    while (end < count && !(all[end] > all[start]))
      end++;
    for (size_t i = start; i < end; i++)
      ranks[i] = (unsigned)(start + 1 + end);
    double equal = (double)(end - start);
    ties += equal * equal * equal - equal;
    start = end;
  }
  return ties;
}

static unsigned rank_sum(const double *all, const unsigned *ranks, const double *series, size_t count)
{
  unsigned sum = 0;
  for (size_t i = 0; i < count; i++) {
    size_t place = 0;
    while (all[place] < series[i])
      place++;
    sum += ranks[place];
  }
  return sum;
}

static double distance(double one, double other)
{
  return one > other ? one - other : other - one;
}

/* Of all choices of picked out of the ranks, the share whose sum is at least as far from the mean as sum is.
   */
static double exact(const unsigned *ranks, size_t count, size_t picked, unsigned sum)
{
  size_t sums = count * (count + 1) + 1;
  double *ways = tool_allocate((picked + 1) * sums * sizeof *ways);
  ways[0] = 1;
  for (size_t i = 0; i < count; i++)
    for (size_t size = picked; size-- > 0;)
      for (size_t s = 0; s + ranks[i] < sums; s++)
        ways[(size + 1) * sums + s + ranks[i]] += ways[size * sums + s];
  double mean = (double)picked * (double)(count + 1), all = 0, far = 0;
  for (size_t s = 0; s < sums; s++) {
    double number = ways[picked * sums + s];
    all += number;
    if (distance((double)s, mean) >= distance(sum, mean) - 0.5)
      far += number;
  }
  free(ways);
  return far / all;
}

static double approximate(size_t count, size_t picked, unsigned sum, double ties)
{
  double n = (double)count, one = (double)picked, other = n - one;
  double variance = one * other / 12 * (n + 1 - ties / (n * (n - 1)));
  double from_mean = distance((double)sum / 2, one * (n + 1) / 2) - 0.5;
  if (variance <= 0 || from_mean <= 0)
    return 1;
  return erfc(from_mean / sqrt(2 * variance));
}

double ranks_probability(const double *one, size_t one_count, const double *other, size_t other_count)
{
  size_t count = one_count + other_count;
  double *all = tool_allocate(count * sizeof *all);
  unsigned *ranks = tool_allocate(count * sizeof *ranks);
  memcpy(all, one, one_count * sizeof *one);
  memcpy(all + one_count, other, other_count * sizeof *other);
  ranks_sort(all, count);
  double ties = rank(all, count, ranks);
  unsigned sum = rank_sum(all, ranks, one, one_count);
  double probability = count <= EXACT_COUNT ? exact(ranks, count, one_count, sum)
                                            : approximate(count, one_count, sum, ties);
  free(all);
  free(ranks);
  return probability;
}
