/* lanes_grow.c - vectors that grow by half through realloc() until they are over the bound, then
   are freed and start again; several at a time, so that they are in each other's way. */
#include <config.h>
#include <stdlib.h>
#include "lanes.h"

struct worker {
  pthread_t thread;
  const struct lane_options *options;
  struct bench_slot *slots;
  struct bench_random random;
  uint64_t operations;
};

static void grow(struct bench_slot *slot, struct bench_random *random)
{
  void *moved = realloc(slot->block, slot->size + slot->size / 2 + 1);
  if (moved == NULL)
    bench_fail("no memory");
  slot->block = moved;
  bench_check(slot); /* what was there before is still there */
  slot->size += slot->size / 2 + 1;
  slot->tag = random->state;
  bench_stamp(slot);
}

static void *run_worker(void *argument)
{
  struct worker *worker = argument;
  const struct lane_options *options = worker->options;
  for (uint64_t i = 0; i < worker->operations; i++) {
    struct bench_slot *slot = &worker->slots[bench_random_below(&worker->random, options->slots)];
    if (slot->block != NULL && slot->size + slot->size / 2 >= options->max)
      lane_clear(slot);
    if (slot->block == NULL)
      lane_fill(slot, &worker->random, (size_t)options->min, (size_t)options->min);
    else
      grow(slot, &worker->random);
  }
  for (uint64_t i = 0; i < options->slots; i++)
    if (worker->slots[i].block != NULL)
      lane_clear(&worker->slots[i]);
  return NULL;
}

uint64_t lane_grow(const struct lane_options *options)
{
  size_t count = (size_t)options->threads;
  struct worker *workers = bench_map(count * sizeof *workers);
  struct bench_slot *slots = bench_map(count * (size_t)options->slots * sizeof *slots);
  uint64_t each = (options->operations + count - 1) / count;
  for (size_t i = 0; i < count; i++) {
    workers[i] = (struct worker){ .options = options, .slots = slots + i * (size_t)options->slots,
                                  .operations = each };
    bench_random_start(&workers[i].random, options->seed, i);
    if (bench_thread_start(&workers[i].thread, false, run_worker, &workers[i]) != 0)
      bench_fail("cannot start a thread");
  }
  for (size_t i = 0; i < count; i++)
    pthread_join(workers[i].thread, NULL);
  return each * count;
}
