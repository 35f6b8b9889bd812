/* phases_threads.c - the modes with threads or children. Each begins with the table of its phases. */
#include <config.h>
#include <sys/wait.h>
#include <unistd.h>
#include "phases.h"

#define END_OF(table) ((table) + sizeof(table) / sizeof(table)[0])

static void start_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
  if (bench_thread_start(thread, false, run, argument) != 0)
    bench_fail("cannot start a thread");
}

/* ---- forks: what the heap keeps is copied, or at least its page tables are, at every fork */

enum { FORKING_HEAP = 30 };

static const struct fork_phase {
  uint64_t rounds, child_blocks, churn, pause_ms;
} fork_phases[] = { { 150, 500, 2000, 0 }, { 20, 20000, 10000, 20 }, { 5, 2000, 100, 150 }, { 150, 500, 2000, 0 } };

/* The child's heap is its parent's, of which it replaces some blocks, and it has some more of its own. */
static _Noreturn void be_child(struct phase_heap *heap, const struct phase_options *options, uint64_t number, uint64_t blocks)
{
  enum { LIVE = 256, LOW = 4, HIGH = 11 };
  struct bench_slot slots[LIVE] = { 0 };
  struct phase_actor actor;
  phase_actor_start(&actor, options, number);
  for (uint64_t i = 0; i < blocks; i++) {
    struct bench_slot *slot = i % 2 == 0 ? &slots[i / 2 % LIVE] : &heap->slots[bench_random_below(&actor.random, heap->count)];
    if (slot->block != NULL)
      phase_clear(slot);
    phase_fill(&actor, slot, phase_size(&actor, LOW, HIGH));
  }
  for (int i = 0; i < LIVE; i++)
    if (slots[i].block != NULL)
      phase_clear(&slots[i]);
  _exit(0);
}

static void wait_for(pid_t child)
{
  int status;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    bench_fail("a child failed");
}

uint64_t phase_forks(const struct phase_options *options)
{
  struct phase_actor actor;
  struct phase_heap heap;
  uint64_t children = 0, of_children = 0;
  phase_actor_start(&actor, options, 0);
  phase_heap_map(&heap, phase_bytes(options, FORKING_HEAP));
  phase_measure();
  phase_heap_build(&heap, &actor, phase_bytes(options, FORKING_HEAP));
  for (const struct fork_phase *phase = fork_phases; phase < END_OF(fork_phases); phase++)
    for (uint64_t left = phase_rounds(options, phase->rounds); left > 0; left--) {
      children++;
      pid_t child = fork();
      if (child == 0)
        be_child(&heap, options, children, phase->child_blocks);
      if (child < 0)
        bench_fail("cannot fork");
      of_children += phase->child_blocks;
      phase_heap_churn(&heap, &actor, phase->churn);
      wait_for(child);
      phase_idle(&actor, phase_seconds(options, phase->pause_ms));
    }
  phase_heap_clear(&heap);
  return actor.operations + of_children;
}

/* ---- swap: while one thread builds a batch the other frees the one before. They meet after each, so that how many
   there are does not depend on who is the faster. */

enum { TRADERS = 2, LARGEST_TRADE = 16 };

static const struct swap_phase {
  uint64_t rounds, megabytes, gap_ms;
} swap_phases[] = { { 150, 4, 50 }, { 150, 4, 50 }, { 60, LARGEST_TRADE, 150 }, { 60, LARGEST_TRADE, 200 },
                    { 300, 1, 20 }, { 300, 1, 20 }, { 30, LARGEST_TRADE, 100 }, { 150, 2, 200 } };

struct exchange {
  const struct phase_options *options;
  pthread_barrier_t meeting;
  struct phase_heap batches[2]; /* the one that is built, the one that is freed; they pass at the meeting */
};

struct trader {
  pthread_t thread;
  struct exchange *exchange;
  size_t index;
  struct phase_actor actor;
};

static void build_batches(struct trader *trader, uint64_t rounds, size_t bytes)
{
  struct exchange *exchange = trader->exchange;
  for (uint64_t i = 0; i < rounds; i++) {
    phase_heap_build(&exchange->batches[i % 2], &trader->actor, bytes);
    pthread_barrier_wait(&exchange->meeting);
  }
}

/* Each batch is there at the meeting that ends its round; the last one is freed when the other thread is done. */
static void free_batches(struct trader *trader, uint64_t rounds)
{
  struct exchange *exchange = trader->exchange;
  for (uint64_t i = 0; i < rounds; i++) {
    pthread_barrier_wait(&exchange->meeting);
    phase_heap_clear(&exchange->batches[i % 2]);
  }
}

static void *run_trader(void *argument)
{
  struct trader *trader = argument;
  const struct phase_options *options = trader->exchange->options;
  size_t builder = 0;
  for (const struct swap_phase *phase = swap_phases; phase < END_OF(swap_phases); phase++) {
    uint64_t rounds = phase_rounds(options, phase->rounds);
    if (trader->index == builder) {
      build_batches(trader, rounds, phase_bytes(options, phase->megabytes));
    } else {
      free_batches(trader, rounds);
      phase_pause(phase_seconds(options, phase->gap_ms));
    }
    pthread_barrier_wait(&trader->exchange->meeting);
    builder = 1 - builder;
  }
  return NULL;
}

uint64_t phase_swap(const struct phase_options *options)
{
  struct exchange exchange = { .options = options };
  struct trader traders[TRADERS];
  pthread_barrier_init(&exchange.meeting, NULL, TRADERS);
  for (int i = 0; i < 2; i++)
    phase_heap_map(&exchange.batches[i], phase_bytes(options, LARGEST_TRADE));
  phase_measure();
  for (size_t i = 0; i < TRADERS; i++) {
    traders[i] = (struct trader){ .exchange = &exchange, .index = i };
    phase_actor_start(&traders[i].actor, options, i);
    start_thread(&traders[i].thread, run_trader, &traders[i]);
  }
  uint64_t operations = 0;
  for (size_t i = 0; i < TRADERS; i++) {
    pthread_join(traders[i].thread, NULL);
    operations += traders[i].actor.operations;
  }
  pthread_barrier_destroy(&exchange.meeting);
  return operations;
}

/* ---- pool: the heap of a thread that is idle, and of one that has ended */

enum { MOST_WORKERS = 4, WORKER_HEAP = 10 };

static const struct pool_phase {
  uint64_t workers, churn, idle_ms, away_ms; /* of the workers with their heaps, then of the program without them */
} pool_phases[] = { { MOST_WORKERS, 250000, 150, 100 }, { 1, 250000, 50, 50 },
                    { MOST_WORKERS, 20000, 50, 20 },    { MOST_WORKERS, 20000, 50, 20 },
                    { 2, 250000, 300, 200 },            { MOST_WORKERS, 20000, 20, 150 },
                    { MOST_WORKERS, 20000, 20, 150 },   { 3, 150000, 100, 300 } };

struct worker {
  pthread_t thread;
  const struct phase_options *options;
  const struct pool_phase *phase;
  struct phase_actor actor;
  struct phase_heap heap;
};

static void *run_worker(void *argument)
{
  struct worker *worker = argument;
  phase_heap_build(&worker->heap, &worker->actor, phase_bytes(worker->options, WORKER_HEAP));
  phase_heap_churn(&worker->heap, &worker->actor, phase_rounds(worker->options, worker->phase->churn));
  phase_idle(&worker->actor, phase_seconds(worker->options, worker->phase->idle_ms));
  phase_heap_clear(&worker->heap);
  return NULL;
}

static void run_workers(struct worker *workers, const struct pool_phase *phase)
{
  for (uint64_t i = 0; i < phase->workers; i++) {
    workers[i].phase = phase;
    start_thread(&workers[i].thread, run_worker, &workers[i]);
  }
  for (uint64_t i = 0; i < phase->workers; i++)
    pthread_join(workers[i].thread, NULL);
}

uint64_t phase_pool(const struct phase_options *options)
{
  struct worker workers[MOST_WORKERS];
  struct phase_actor actor;
  phase_actor_start(&actor, options, MOST_WORKERS);
  for (uint64_t i = 0; i < MOST_WORKERS; i++) {
    workers[i] = (struct worker){ .options = options };
    phase_actor_start(&workers[i].actor, options, i);
    phase_heap_map(&workers[i].heap, phase_bytes(options, WORKER_HEAP));
  }
  phase_measure();
  for (const struct pool_phase *phase = pool_phases; phase < END_OF(pool_phases); phase++) {
    run_workers(workers, phase);
    phase_idle(&actor, phase_seconds(options, phase->away_ms));
  }
  uint64_t operations = actor.operations;
  for (uint64_t i = 0; i < MOST_WORKERS; i++)
    operations += workers[i].actor.operations;
  return operations;
}
