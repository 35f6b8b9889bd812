/* phases_alone.c - the modes of one thread. Each begins with the table of its phases. */
#include <config.h>
#include <stdlib.h>
#include "phases.h"

#define END_OF(table) ((table) + sizeof(table) / sizeof(table)[0])

/* ---- bursts: what is freed is needed again after a time that drifts */

enum { LARGEST_BURST = 100 };

static const struct burst_phase {
  uint64_t rounds, megabytes, idle_ms;
} burst_phases[] = { { 8, 80, 40 }, { 4, LARGEST_BURST, 120 }, { 3, 60, 200 }, { 4, 90, 80 }, { 8, 60, 40 } };

uint64_t phase_bursts(const struct phase_options *options)
{
  struct phase_actor actor;
  struct phase_heap heap;
  phase_actor_start(&actor, options, 0);
  phase_heap_map(&heap, phase_bytes(options, LARGEST_BURST));
  phase_measure();
  for (const struct burst_phase *phase = burst_phases; phase < END_OF(burst_phases); phase++)
    for (uint64_t left = phase_rounds(options, phase->rounds); left > 0; left--) {
      phase_heap_build(&heap, &actor, phase_bytes(options, phase->megabytes));
      phase_heap_clear(&heap);
      phase_idle(&actor, phase_seconds(options, phase->idle_ms));
    }
  return actor.operations;
}

/* ---- batches: what is freed is needed at once, and then not at all */

enum { BATCH = 100 };

static const struct batch_phase {
  uint64_t rounds, compute_ms;
} batch_phases[] = { { 10, 500 }, { 10, 500 }, { 10, 500 } };

uint64_t phase_batches(const struct phase_options *options)
{
  struct phase_actor actor;
  struct phase_heap heap;
  phase_actor_start(&actor, options, 0);
  phase_heap_map(&heap, phase_bytes(options, BATCH));
  phase_measure();
  for (const struct batch_phase *phase = batch_phases; phase < END_OF(batch_phases); phase++) {
    for (uint64_t left = phase_rounds(options, phase->rounds); left > 0; left--) {
      phase_heap_build(&heap, &actor, phase_bytes(options, BATCH));
      phase_heap_clear(&heap);
    }
    phase_compute(phase_seconds(options, phase->compute_ms));
  }
  return actor.operations;
}

/* ---- cache: of a few values picked at random the one that was not used for the longest time goes */

enum { LARGEST_SET = 100, VALUE_LOW = 6, VALUE_HIGH = 13, LEAST_MEAN = 1024, PICKED = 4, MOST_EVICTED = 4,
       HITS_PERCENT = 50, CACHE_SAMPLE = 1024 };

static const struct cache_phase {
  uint64_t requests, megabytes, idle_ms;
} cache_phases[] = { { 1200000, LARGEST_SET, 100 }, { 800000, 20, 250 }, { 1000000, LARGEST_SET, 50 },
                     { 600000, 20, 250 },           { 800000, 60, 100 } };

struct cache {
  struct cached {
    struct bench_slot slot;
    uint64_t used; /* the request that used it last */
  } *values;
  size_t count, most;
  size_t bytes;
};

static void evict(struct cache *cache, struct phase_actor *actor)
{
  struct cached *oldest = &cache->values[bench_random_below(&actor->random, cache->count)];
  for (int i = 1; i < PICKED; i++) {
    struct cached *other = &cache->values[bench_random_below(&actor->random, cache->count)];
    if (other->used < oldest->used)
      oldest = other;
  }
  cache->bytes -= oldest->slot.size;
  phase_clear(&oldest->slot);
  *oldest = cache->values[--cache->count];
}

/* A value that is there is looked at. Another one is made, and room for it: a set that is to shrink does so by
   MOST_EVICTED values at a time. */
static void request(struct cache *cache, struct phase_actor *actor, size_t bound, uint64_t number)
{
  if (cache->count > 0 && bench_random_below(&actor->random, 100) < HITS_PERCENT) {
    struct cached *value = &cache->values[bench_random_below(&actor->random, cache->count)];
    bench_check(&value->slot);
    value->used = number;
    return;
  }
  size_t size = phase_size(actor, VALUE_LOW, VALUE_HIGH);
  for (int i = 0; i < MOST_EVICTED && cache->count > 0 && cache->bytes + size > bound; i++)
    evict(cache, actor);
  if (cache->count == cache->most)
    evict(cache, actor);
  struct cached *value = &cache->values[cache->count++];
  phase_fill(actor, &value->slot, size);
  value->used = number;
  cache->bytes += size;
}

uint64_t phase_cache(const struct phase_options *options)
{
  struct phase_actor actor;
  struct cache cache = { .most = phase_bytes(options, LARGEST_SET) / LEAST_MEAN };
  uint64_t number = 0;
  phase_actor_start(&actor, options, 0);
  cache.values = bench_map(cache.most * sizeof *cache.values);
  phase_measure();
  for (const struct cache_phase *phase = cache_phases; phase < END_OF(cache_phases); phase++) {
    for (uint64_t left = phase_rounds(options, phase->requests); left > 0; left--) {
      request(&cache, &actor, phase_bytes(options, phase->megabytes), ++number);
      if (number % CACHE_SAMPLE == 0)
        phase_sample();
    }
    phase_idle(&actor, phase_seconds(options, phase->idle_ms));
  }
  for (; cache.count > 0; cache.count--)
    phase_clear(&cache.values[cache.count - 1].slot);
  return actor.operations;
}

/* ---- buffers: the first half of each is written, one word of each page */

enum { LIVE_BUFFERS = 3 };

static const struct buffer_phase {
  uint64_t rounds, least_megabytes, most_megabytes;
  size_t least_pause_ms, most_pause_ms;
} buffer_phases[] = { { 200, 1, 4, 0, 0 },  { 40, 8, 32, 0, 0 },      { 8, 8, 32, 30, 100 }, { 5, 1, 8, 100, 300 },
                      { 100, 2, 16, 0, 0 }, { 4, 16, 32, 200, 300 }, { 10, 1, 4, 30, 60 } };

/* The slot is of the half that is written. */
static void make_buffer(struct phase_actor *actor, struct bench_slot *half, size_t size)
{
  *half = (struct bench_slot){ .block = malloc(size), .size = size / 2, .tag = actor->random.state };
  if (half->block == NULL)
    bench_fail("no memory");
  bench_stamp(half);
  actor->operations++;
  phase_sample();
}

static void buffer_round(struct phase_actor *actor, const struct buffer_phase *phase, const struct phase_options *options)
{
  struct bench_slot halves[LIVE_BUFFERS];
  for (int i = 0; i < LIVE_BUFFERS; i++)
    make_buffer(actor, &halves[i],
                bench_random_between(&actor->random, phase_bytes(options, phase->least_megabytes),
                                     phase_bytes(options, phase->most_megabytes)));
  for (int i = 0; i < LIVE_BUFFERS; i++) {
    phase_clear(&halves[i]);
    phase_sample();
  }
}

uint64_t phase_buffers(const struct phase_options *options)
{
  struct phase_actor actor;
  phase_actor_start(&actor, options, 0);
  phase_measure();
  for (const struct buffer_phase *phase = buffer_phases; phase < END_OF(buffer_phases); phase++)
    for (uint64_t left = phase_rounds(options, phase->rounds); left > 0; left--) {
      buffer_round(&actor, phase, options);
      uint64_t pause_ms = bench_random_between(&actor.random, phase->least_pause_ms, phase->most_pause_ms);
      phase_idle(&actor, phase_seconds(options, pause_ms));
    }
  return actor.operations;
}
