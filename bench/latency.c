/* latency.c - see latency.h.

   A bucket for each sixteenth of a power of two, so that a figure is at most 6 % too low. The longest is exact. */
#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include "latency.h"

enum { STEP_BITS = 4, STEPS = 1 << STEP_BITS, BUCKETS = (64 - STEP_BITS + 1) * STEPS, HISTOGRAMS = 64 };

struct histogram {
  uint64_t count[LATENCY_CALLS][BUCKETS]; /* atomic: threads beyond HISTOGRAMS share one */
  uint64_t longest[LATENCY_CALLS];        /* atomic */
};

bool latency_on;
static struct histogram histograms[HISTOGRAMS];
static unsigned taken; /* atomic */
static __thread struct histogram *mine;

static unsigned bucket_of(uint64_t ticks)
{
  if (ticks < STEPS)
    return (unsigned)ticks;
  unsigned power = 63 - (unsigned)__builtin_clzll(ticks);
  return (power - STEP_BITS + 1) * STEPS + (unsigned)(ticks >> (power - STEP_BITS)) % STEPS;
}

/* The least that falls into a bucket. */
static uint64_t start_of(unsigned bucket)
{
  if (bucket < STEPS)
    return bucket;
  return (uint64_t)(STEPS + bucket % STEPS) << (bucket / STEPS - 1);
}

void latency_note(enum latency_call call, uint64_t from)
{
  uint64_t ticks = latency_now() - from;
  if (mine == NULL)
    mine = &histograms[__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED) % HISTOGRAMS];
  __atomic_fetch_add(&mine->count[call][bucket_of(ticks)], 1, __ATOMIC_RELAXED);
  uint64_t longest = __atomic_load_n(&mine->longest[call], __ATOMIC_RELAXED);
  while (ticks > longest &&
         !__atomic_compare_exchange_n(&mine->longest[call], &longest, ticks, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
}

/* Adds all histograms up in the first one. */
static struct histogram *sum(void)
{
  struct histogram *all = &histograms[0];
  for (unsigned i = 1; i < HISTOGRAMS; i++)
    for (unsigned call = 0; call < LATENCY_CALLS; call++) {
      for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        all->count[call][bucket] += histograms[i].count[call][bucket];
      if (histograms[i].longest[call] > all->longest[call])
        all->longest[call] = histograms[i].longest[call];
    }
  return all;
}

/* What so many of a million calls did not exceed. */
static uint64_t quantile(const uint64_t *count, unsigned of_a_million)
{
  uint64_t total = 0, seen = 0;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
    total += count[bucket];
  uint64_t wanted = total / 1000000 * of_a_million + total % 1000000 * of_a_million / 1000000;
  unsigned bucket = 0;
  while (bucket < BUCKETS - 1 && (seen += count[bucket]) < wanted)
    bucket++;
  return start_of(bucket);
}

void latency_print(uint64_t ticks, double seconds)
{
  static const char *const names[LATENCY_CALLS] = { "malloc", "free" };
  static const struct { const char *name; unsigned of_a_million; } quantiles[] = {
    { "p50", 500000 }, { "p99", 990000 }, { "p999", 999000 }, { "p9999", 999900 }
  };
  double nanoseconds = ticks != 0 ? seconds * 1e9 / (double)ticks : 1;
  const struct histogram *all = sum();
  for (unsigned call = 0; call < LATENCY_CALLS; call++) {
    for (unsigned i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
      printf(" %s_%s=%.0f", names[call], quantiles[i].name,
             (double)quantile(all->count[call], quantiles[i].of_a_million) * nanoseconds);
    printf(" %s_longest=%.0f", names[call], (double)all->longest[call] * nanoseconds);
  }
}
