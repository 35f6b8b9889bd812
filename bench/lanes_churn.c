/* lanes_churn.c - threads that replace random blocks of their own: the same few, many at a time,
   or one after another. */
#include <config.h>
#include "lanes.h"

struct worker {
  pthread_t thread;
  struct lane_options options; /* operations: of this worker */
  struct bench_slot *slots;
  struct bench_random random;
};

/* All workers of lane_many_threads are alive before the first one starts to work. */
static pthread_barrier_t all_alive;

static void churn(struct worker *worker)
{
  const struct lane_options *options = &worker->options;
  for (uint64_t i = 0; i < options->operations; i++) {
    struct bench_slot *slot = &worker->slots[bench_random_below(&worker->random, options->slots)];
    if (slot->block != NULL)
      lane_clear(slot);
    lane_fill(slot, &worker->random, (size_t)options->min, (size_t)options->max);
  }
  for (uint64_t i = 0; i < options->slots; i++)
    if (worker->slots[i].block != NULL)
      lane_clear(&worker->slots[i]);
}

static void *run_churn(void *argument)
{
  churn(argument);
  return NULL;
}

static void *run_many(void *argument)
{
  pthread_barrier_wait(&all_alive);
  churn(argument);
  return NULL;
}

static void start(struct worker *worker, void *(*run)(void *))
{
  if (bench_thread_start(&worker->thread, false, run, worker) != 0)
    bench_fail("cannot start a thread");
}

/* Runs `run` in threads of their own, which share the operations; returns how many were done. */
static uint64_t run_workers(const struct lane_options *options, void *(*run)(void *))
{
  size_t count = (size_t)options->threads;
  struct worker *workers = bench_map(count * sizeof *workers);
  struct bench_slot *slots = bench_map(count * (size_t)options->slots * sizeof *slots);
  uint64_t each = (options->operations + count - 1) / count;
  for (size_t i = 0; i < count; i++) {
    workers[i].options = *options;
    workers[i].options.operations = each;
    workers[i].slots = slots + i * (size_t)options->slots;
    bench_random_start(&workers[i].random, options->seed, i);
    start(&workers[i], run);
  }
  for (size_t i = 0; i < count; i++)
    pthread_join(workers[i].thread, NULL);
  return each * count;
}

uint64_t lane_churn(const struct lane_options *options)
{
  return run_workers(options, run_churn);
}

uint64_t lane_many_threads(const struct lane_options *options)
{
  if (pthread_barrier_init(&all_alive, NULL, (unsigned)options->threads) != 0)
    bench_fail("no barrier");
  return run_workers(options, run_many);
}

/* Fills all slots and frees every second one; the creator frees the others. */
static void *run_short(void *argument)
{
  struct worker *worker = argument;
  const struct lane_options *options = &worker->options;
  for (uint64_t i = 0; i < options->slots; i++)
    lane_fill(&worker->slots[i], &worker->random, (size_t)options->min, (size_t)options->max);
  for (uint64_t i = 0; i < options->slots; i += 2)
    lane_clear(&worker->slots[i]);
  return NULL;
}

static void *run_creator(void *argument)
{
  struct worker *creator = argument;
  struct worker child = *creator;
  uint64_t slots = creator->options.slots;
  for (uint64_t done = 0; done < creator->options.operations; done += slots) {
    start(&child, run_short);
    pthread_join(child.thread, NULL);
    for (uint64_t i = 1; i < slots; i += 2)
      lane_clear(&child.slots[i]);
  }
  return NULL;
}

uint64_t lane_short_threads(const struct lane_options *options)
{
  struct lane_options rounded = *options;
  uint64_t unit = options->threads * options->slots;
  rounded.operations = (options->operations + unit - 1) / unit * unit;
  return run_workers(&rounded, run_creator);
}
