/* lanes_giveback.c - what an allocator gives back to the kernel after a peak.

   Blocks of 16 B to 4 KiB, most of them small, are allocated in sequence until MEGABYTES are asked
   for. Every twentieth run of 512 stays, the others are freed. Then comes light work, then sleep.
   Resident is anonymous memory over what the program had before. */
#include <config.h>
#include <stdio.h>
#include "lanes.h"

enum { RUN = 512, KEPT_RUN = 20, LEAST = 16, MIB = 1024 * 1024 };

static const double light_work_seconds = 1.5, sleep_seconds = 1.5;

/* Of 16 requests 12 are up to 256 B, 3 up to 1 KiB, 1 up to 4 KiB: 292 B each in the mean. */
static void fill(struct bench_slot *slot, struct bench_random *random)
{
  size_t die = bench_random_below(random, 16);
  lane_fill(slot, random, LEAST, die < 12 ? 256 : die < 15 ? 1024 : 4096);
}

static void work_lightly(struct bench_random *random, double seconds)
{
  struct bench_slot some[64] = { 0 };
  for (double end = bench_now() + seconds; bench_now() < end; bench_sleep(0.001))
    for (int i = 0; i < 1000; i++) {
      struct bench_slot *slot = &some[bench_random_below(random, 64)];
      if (slot->block != NULL)
        lane_clear(slot);
      fill(slot, random);
    }
  for (int i = 0; i < 64; i++)
    if (some[i].block != NULL)
      lane_clear(&some[i]);
}

static double ratio_now(size_t before, size_t bytes)
{
  size_t now = bench_resident_bytes();
  return (now > before ? (double)(now - before) : 0.0) / (double)bytes;
}

uint64_t lane_giveback(const struct lane_options *options)
{
  size_t asked = 0, live = 0, count = 0;
  size_t bound = (size_t)options->megabytes * MIB;
  size_t most = bound / 128; /* the mean is over twice that, so they do not run out */
  struct bench_slot *slots = bench_map(most * sizeof *slots);
  struct bench_random random;
  bench_random_start(&random, options->seed, 0);
  size_t before = bench_resident_bytes();
  for (; asked < bound && count < most; count++) {
    fill(&slots[count], &random);
    asked += slots[count].size;
  }
  double peak = ratio_now(before, asked);
  for (size_t i = 0; i < count; i++)
    if (i / RUN % KEPT_RUN == KEPT_RUN - 1)
      live += slots[i].size;
    else
      lane_clear(&slots[i]);
  if (live == 0)
    bench_fail("too few megabytes: no block stays");
  double freed = ratio_now(before, live);
  work_lightly(&random, light_work_seconds);
  double worked = ratio_now(before, live);
  bench_sleep(sleep_seconds);
  double slept = ratio_now(before, live);
  for (size_t i = 0; i < count; i++)
    if (slots[i].block != NULL)
      lane_clear(&slots[i]);
  printf(" blocks=%zu asked=%zu live=%zu peak_over_asked=%.3f freed_over_live=%.2f worked_over_live=%.2f "
         "slept_over_live=%.2f",
         count, asked, live, peak, freed, worked, slept);
  return 0;
}
