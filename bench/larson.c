/* larson.c - a server's pattern: threads replace random blocks of an array that they got from a
   thread which is gone, so that most blocks are freed by another thread than allocated them.

   Each of THREADS chains has an array of CHUNKS blocks of MIN to MAX bytes. A thread frees and
   allocates a random one ROUNDS * CHUNKS times, then starts the next thread of its chain, hands the
   array over to it and exits. After SECONDS all chains stop, and main checks and frees what is left. */
#include <config.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common.h"
#include "which_malloc.h"

static const char usage[] =
  "usage: larson SECONDS MIN MAX CHUNKS ROUNDS SEED THREADS\n"
  "  SECONDS  how long to run (a fraction is fine)\n"
  "  MIN MAX  size of a block, in bytes\n"
  "  CHUNKS   blocks of each chain of threads\n"
  "  ROUNDS   a thread ends after ROUNDS * CHUNKS replaced blocks\n"
  "  SEED     of the random numbers\n"
  "  THREADS  chains that run at the same time\n";

/* Owned by the chain's thread of the moment; pthread_create() passes it on, `running` passes it to main. */
struct chain {
  struct bench_slot *slots;
  struct bench_random random;
  uint64_t operations; /* blocks replaced */
  uint64_t threads;    /* threads started */
  uint64_t refused;    /* threads that the system refused: the old one went on */
};

/* Constant after start. */
static size_t least_size, most_size, chunks;
static uint64_t operations_per_thread;

static bool stop; /* atomic, relaxed: main writes, the chains read; it passes on nothing else */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static size_t running; /* chains; under lock */

static void *run_chain(void *argument);

static void fill(struct chain *chain, struct bench_slot *slot)
{
  slot->size = bench_random_between(&chain->random, least_size, most_size);
  slot->tag = chain->random.state;
  slot->block = bench_malloc(slot->size);
  if (slot->block == NULL)
    bench_fail("no memory");
  bench_stamp(slot);
}

static void clear(struct bench_slot *slot)
{
  bench_check(slot);
  bench_free(slot->block);
  slot->block = NULL;
}

/* False: it is time to stop. */
static bool replace_blocks(struct chain *chain)
{
  for (uint64_t i = 0; i < operations_per_thread; i++) {
    if (__atomic_load_n(&stop, __ATOMIC_RELAXED))
      return false;
    struct bench_slot *slot = &chain->slots[bench_random_below(&chain->random, chunks)];
    clear(slot);
    fill(chain, slot);
    chain->operations++;
  }
  return true;
}

/* True: the chain belongs to a new thread, the caller must not touch it any more. */
static bool hand_over(struct chain *chain)
{
  pthread_t next;
  chain->threads++;
  int error = bench_thread_start(&next, true, run_chain, chain);
  if (error == 0)
    return true;
  if (error != EAGAIN)
    bench_fail("cannot start a thread");
  chain->threads--;
  chain->refused++;
  return false;
}

static void *run_chain(void *argument)
{
  struct chain *chain = argument;
  while (replace_blocks(chain))
    if (hand_over(chain))
      return NULL;
  pthread_mutex_lock(&lock);
  if (--running == 0)
    pthread_cond_signal(&ended);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void start_chains(struct chain *chains, size_t count, uint64_t seed)
{
  running = count;
  for (size_t i = 0; i < count; i++) {
    struct chain *chain = &chains[i];
    chain->slots = bench_map(chunks * sizeof *chain->slots);
    bench_random_start(&chain->random, seed, i);
    for (size_t j = 0; j < chunks; j++)
      fill(chain, &chain->slots[j]);
  }
  for (size_t i = 0; i < count; i++)
    if (!hand_over(&chains[i]))
      bench_fail("cannot start a thread");
}

static void wait_for_chains(void)
{
  pthread_mutex_lock(&lock);
  while (running != 0)
    pthread_cond_wait(&ended, &lock);
  pthread_mutex_unlock(&lock);
}

static void finish(struct chain *chains, size_t count, double seconds)
{
  uint64_t operations = 0, threads = 0, refused = 0;
  for (size_t i = 0; i < count; i++) {
    operations += chains[i].operations;
    threads += chains[i].threads;
    refused += chains[i].refused;
    for (size_t j = 0; j < chunks; j++)
      clear(&chains[i].slots[j]);
  }
  if (operations == 0)
    bench_fail("no operation was done in that time");
  printf("larson chains=%zu seconds=%.3f operations=%llu operations_per_second=%.0f ns_per_operation=%.2f "
         "threads_started=%llu threads_refused=%llu\n",
         count, seconds, (unsigned long long)operations, (double)operations / seconds,
         seconds * 1e9 / (double)operations, (unsigned long long)threads, (unsigned long long)refused);
}

int main(int argc, char **argv)
{
  if (argc != 8)
    bench_usage(usage, NULL, NULL, NULL);
  double seconds = bench_seconds(usage, "SECONDS", argv[1]);
  least_size = (size_t)bench_number(usage, "MIN", argv[2], 1, 1 << 30);
  most_size = (size_t)bench_number(usage, "MAX", argv[3], least_size, 1 << 30);
  chunks = (size_t)bench_number(usage, "CHUNKS", argv[4], 1, 10000000);
  operations_per_thread = chunks * bench_number(usage, "ROUNDS", argv[5], 1, 1000000000);
  uint64_t seed = bench_number(usage, "SEED", argv[6], 0, UINT64_MAX);
  size_t count = (size_t)bench_number(usage, "THREADS", argv[7], 1, 1024);

  struct chain *chains = bench_map(count * sizeof *chains);
  double start = bench_now();
  start_chains(chains, count, seed);
  bench_sleep(seconds - (bench_now() - start) > 0 ? seconds - (bench_now() - start) : 0);
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  wait_for_chains();
  finish(chains, count, bench_now() - start);
  return 0;
}
