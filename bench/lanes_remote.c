/* lanes_remote.c - blocks that are freed by another thread: each worker passes blocks to the next
   one through a ring, and the last one to the first.

   A ring has one writer, which owns `written`, and one reader, which owns `taken`; each publishes its
   counter with release and reads the other's with acquire. The writer publishes BATCH blocks at a time, so
   that the lane measures the allocator and not the ring. A worker whose way out is full frees what came
   in meanwhile, so nobody waits for a thread that waits for it. */
#include <config.h>
#include <sched.h>
#include "lanes.h"

enum { RING = 1024, BATCH = 32, LINE = 64 };

struct ring {
  _Alignas(LINE) uint64_t written; /* atomic: the writer stores with release, the reader loads with acquire */
  bool ended;                      /* atomic: likewise; no more will be written */
  uint64_t filled;                 /* the writer's: written and what is not published yet */
  _Alignas(LINE) uint64_t taken;   /* atomic: the reader stores with release, the writer loads with acquire */
  _Alignas(LINE) struct bench_slot slots[RING];
};

struct worker {
  pthread_t thread;
  const struct lane_options *options;
  struct ring *in, *out;
  struct bench_slot *slots;
  struct bench_random random;
  uint64_t operations;
};

/* Checks and frees what has arrived; false when nothing had. */
static bool take_all(struct ring *ring)
{
  uint64_t written = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);
  uint64_t taken = ring->taken;
  if (taken == written)
    return false;
  for (; taken != written; taken++)
    lane_clear(&ring->slots[taken % RING]);
  __atomic_store_n(&ring->taken, taken, __ATOMIC_RELEASE);
  return true;
}

static void publish(struct ring *ring)
{
  __atomic_store_n(&ring->written, ring->filled, __ATOMIC_RELEASE);
}

static void pass_on(struct worker *worker, struct bench_slot *slot)
{
  struct ring *ring = worker->out;
  while (ring->filled - __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE) == RING)
    if (!take_all(worker->in))
      sched_yield();
  ring->slots[ring->filled++ % RING] = *slot;
  slot->block = NULL;
  if (ring->filled % BATCH == 0)
    publish(ring);
}

/* Until the thread before has ended and all that it passed on is freed. */
static void drain(struct worker *worker)
{
  for (;;) {
    bool ended = __atomic_load_n(&worker->in->ended, __ATOMIC_ACQUIRE);
    bool some = take_all(worker->in);
    if (ended && !some)
      return;
    if (!some)
      sched_yield();
  }
}

static void release(struct worker *worker, struct bench_slot *slot)
{
  if (bench_random_below(&worker->random, 100) < worker->options->percent)
    pass_on(worker, slot);
  else
    lane_clear(slot);
}

static void *run_worker(void *argument)
{
  struct worker *worker = argument;
  const struct lane_options *options = worker->options;
  for (uint64_t i = 0; i < worker->operations; i++) {
    struct bench_slot *slot = &worker->slots[bench_random_below(&worker->random, options->slots)];
    if (slot->block != NULL)
      release(worker, slot);
    lane_fill(slot, &worker->random, (size_t)options->min, (size_t)options->max);
    if (i % 64 == 0)
      take_all(worker->in);
  }
  for (uint64_t i = 0; i < options->slots; i++)
    if (worker->slots[i].block != NULL)
      release(worker, &worker->slots[i]);
  publish(worker->out);
  __atomic_store_n(&worker->out->ended, true, __ATOMIC_RELEASE);
  drain(worker);
  return NULL;
}

/* One worker in `step` allocates: 1 for all of them, 2 for producers and consumers. */
static uint64_t run_workers(const struct lane_options *options, size_t step)
{
  size_t count = (size_t)options->threads;
  size_t slot_count = (size_t)options->slots;
  struct worker *workers = bench_map(count * sizeof *workers);
  struct ring *rings = bench_map(count * sizeof *rings);
  struct bench_slot *slots = bench_map(count * slot_count * sizeof *slots);
  size_t allocating = (count + step - 1) / step;
  uint64_t each = (options->operations + allocating - 1) / allocating;
  for (size_t i = 0; i < count; i++) {
    workers[i] = (struct worker){ .options = options, .in = &rings[i], .out = &rings[(i + 1) % count],
                                  .slots = slots + i * slot_count, .operations = i % step == 0 ? each : 0 };
    bench_random_start(&workers[i].random, options->seed, i);
    if (bench_thread_start(&workers[i].thread, false, run_worker, &workers[i]) != 0)
      bench_fail("cannot start a thread");
  }
  for (size_t i = 0; i < count; i++)
    pthread_join(workers[i].thread, NULL);
  return each * allocating;
}

uint64_t lane_remote(const struct lane_options *options)
{
  return run_workers(options, 1);
}

uint64_t lane_produce(const struct lane_options *options)
{
  struct lane_options all_remote = *options;
  all_remote.percent = 100;
  all_remote.threads += options->threads % 2; /* each producer has its consumer */
  return run_workers(&all_remote, 2);
}
