/* phases.c - bench_phases: programs whose behaviour changes as they run, to judge what an allocator keeps and
   for how long. The same seed makes the same requests. Prints one line of key=value fields. */
#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "phases.h"

enum { WHOLE = 100, WHOLE_SIZES = 10, MOST_PERCENT = 100000 };

static const char usage[] =
  "usage: bench_phases MODE [SEED [PERCENT]]\n"
  "       bench_phases help        lists the modes\n"
  "  SEED     of the random numbers (default 1)\n"
  "  PERCENT  of the work (default 100)\n";

static const struct mode {
  const char *name;
  phase_function *run;
  const char *help;
} modes[] = {
  { "bursts", phase_bursts, "a server: 60 to 100 MiB of small blocks, all freed, 40 to 200 ms of light work, again" },
  { "batches", phase_batches, "jobs of 100 MiB one after the other without a pause, then reckoning without a request" },
  { "cache", phase_cache, "values of 64 B to 16 KiB replaced, the working set goes from 100 MiB to 20 and back" },
  { "buffers", phase_buffers, "buffers of 1 to 32 MiB, half touched, back to back and with pauses of 30 to 300 ms" },
  { "forks", phase_forks, "a heap of 30 MiB whose owner forks children that allocate a little, and churns meanwhile" },
  { "swap", phase_swap, "two threads: one allocates batches, the other frees them; the roles swap" },
  { "pool", phase_pool, "up to 4 worker threads that come and go, each with a heap of 10 MiB" },
};
enum { MODES = sizeof modes / sizeof modes[0] };

/* ---- scale */

uint64_t phase_rounds(const struct phase_options *options, uint64_t rounds)
{
  return (rounds * options->percent + WHOLE - 1) / WHOLE;
}

/* Parts of WHOLE_SIZES: with fewer rounds than one in ten a phase would be one round, however small the work. */
static uint64_t parts(const struct phase_options *options)
{
  return options->percent < WHOLE_SIZES ? options->percent : WHOLE_SIZES;
}

size_t phase_bytes(const struct phase_options *options, uint64_t megabytes)
{
  return (size_t)(megabytes * MIB * parts(options) / WHOLE_SIZES);
}

double phase_seconds(const struct phase_options *options, uint64_t milliseconds)
{
  return (double)(milliseconds * parts(options)) / (1000.0 * WHOLE_SIZES);
}

/* ---- what is measured */

static struct {
  pthread_mutex_t lock;    /* of all but what is set once */
  double start, start_cpu; /* set once */
  size_t start_bytes;      /* set once */
  double last;             /* when the last sample was taken */
  size_t bytes, highest;   /* over start_bytes: of the last sample, of all of them */
  double byte_seconds;     /* the area under the curve that the samples are points of */
  double computing;        /* CPU time of phase_compute() */
} measured = { .lock = PTHREAD_MUTEX_INITIALIZER };

static double clock_seconds(clockid_t clock)
{
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double timeval_seconds(struct timeval time)
{
  return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* Of this process, all its threads, and the children that it has waited for. */
static double cpu_seconds(void)
{
  struct rusage children;
  getrusage(RUSAGE_CHILDREN, &children);
  return clock_seconds(CLOCK_PROCESS_CPUTIME_ID) + timeval_seconds(children.ru_utime) +
         timeval_seconds(children.ru_stime);
}

void phase_measure(void)
{
  measured.start_bytes = bench_resident_bytes();
  measured.start_cpu = cpu_seconds();
  measured.start = measured.last = bench_now();
}

void phase_sample(void)
{
  pthread_mutex_lock(&measured.lock);
  size_t bytes = bench_resident_bytes();
  bytes = bytes > measured.start_bytes ? bytes - measured.start_bytes : 0;
  double now = bench_now();
  measured.byte_seconds += ((double)bytes + (double)measured.bytes) / 2 * (now - measured.last);
  measured.last = now;
  measured.bytes = bytes;
  if (bytes > measured.highest)
    measured.highest = bytes;
  pthread_mutex_unlock(&measured.lock);
}

/* The samples' end is the end of the time that they are the mean of. */
static void print_measured(uint64_t operations)
{
  phase_sample();
  double seconds = measured.last - measured.start;
  double cpu = cpu_seconds() - measured.start_cpu - measured.computing;
  printf(" operations=%llu cpu_ns_per_operation=%.2f seconds=%.3f mean_mib=%.2f highest_mib=%.2f\n",
         (unsigned long long)operations, cpu * 1e9 / (double)operations, seconds,
         measured.byte_seconds / seconds / MIB, (double)measured.highest / MIB);
}

/* ---- idle time */

static const double slice_seconds = 0.005;

/* How many of about that length; the requests made in them depend on it, so it is a matter of whole numbers. */
static int slices(double seconds)
{
  int count = (int)(seconds / slice_seconds + 0.5);
  return count > 0 || seconds <= 0 ? count : 1;
}

void phase_pause(double seconds)
{
  phase_sample();
  int count = slices(seconds);
  for (int i = 0; i < count; i++) {
    bench_sleep(seconds / count);
    phase_sample();
  }
}

void phase_idle(struct phase_actor *actor, double seconds)
{
  enum { REQUESTS = 8, LOW = 4, HIGH = 7 };
  int count = slices(seconds);
  for (int slice = 0; slice < count; slice++) {
    struct bench_slot some[REQUESTS];
    for (int i = 0; i < REQUESTS; i++)
      phase_fill(actor, &some[i], phase_size(actor, LOW, HIGH));
    for (int i = 0; i < REQUESTS; i++)
      phase_clear(&some[i]);
    phase_pause(seconds / count);
  }
}

void phase_compute(double seconds)
{
  double cpu = clock_seconds(CLOCK_THREAD_CPUTIME_ID), end = bench_now() + seconds;
  phase_sample();
  for (double now = bench_now(); now < end; now = bench_now()) {
    double slice_end = now + slice_seconds < end ? now + slice_seconds : end;
    while (bench_now() < slice_end)
      continue;
    phase_sample();
  }
  measured.computing += clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

/* ---- requests */

void phase_actor_start(struct phase_actor *actor, const struct phase_options *options, uint64_t stream)
{
  actor->operations = 0;
  bench_random_start(&actor->random, options->seed, stream);
}

size_t phase_size(struct phase_actor *actor, unsigned low, unsigned high)
{
  size_t power = (size_t)1 << bench_random_between(&actor->random, low, high);
  return power + bench_random_below(&actor->random, power);
}

void phase_fill(struct phase_actor *actor, struct bench_slot *slot, size_t size)
{
  *slot = (struct bench_slot){ .block = malloc(size), .size = size, .tag = actor->random.state };
  if (slot->block == NULL)
    bench_fail("no memory");
  bench_stamp(slot);
  actor->operations++;
}

void phase_clear(struct bench_slot *slot)
{
  bench_check(slot);
  free(slot->block);
  slot->block = NULL;
}

/* ---- heaps: sizes of 2^HEAP_LOW to 2^(HEAP_HIGH + 1), 765 B in the mean, so places for 512 B each do not run out */

enum { HEAP_LOW = 4, HEAP_HIGH = 11, BYTES_OF_PLACE = 512, SAMPLE_EVERY = 1024 };

static void sample_some(uint64_t index)
{
  if (index % SAMPLE_EVERY == SAMPLE_EVERY - 1)
    phase_sample();
}

void phase_heap_map(struct phase_heap *heap, size_t bytes)
{
  heap->most = bytes / BYTES_OF_PLACE + 1;
  heap->count = 0;
  heap->slots = bench_map(heap->most * sizeof *heap->slots);
}

void phase_heap_build(struct phase_heap *heap, struct phase_actor *actor, size_t bytes)
{
  size_t asked = 0;
  for (heap->count = 0; asked < bytes && heap->count < heap->most; heap->count++) {
    struct bench_slot *slot = &heap->slots[heap->count];
    phase_fill(actor, slot, phase_size(actor, HEAP_LOW, HEAP_HIGH));
    asked += slot->size;
    sample_some(heap->count);
  }
  phase_sample();
}

void phase_heap_churn(struct phase_heap *heap, struct phase_actor *actor, uint64_t count)
{
  for (uint64_t i = 0; i < count; i++) {
    struct bench_slot *slot = &heap->slots[bench_random_below(&actor->random, heap->count)];
    phase_clear(slot);
    phase_fill(actor, slot, phase_size(actor, HEAP_LOW, HEAP_HIGH));
    sample_some(i);
  }
}

void phase_heap_clear(struct phase_heap *heap)
{
  for (size_t i = 0; i < heap->count; i++) {
    phase_clear(&heap->slots[i]);
    sample_some(i);
  }
  heap->count = 0;
  phase_sample();
}

/* ---- the program */

static int help(void)
{
  fputs(usage, stdout);
  for (size_t i = 0; i < MODES; i++)
    printf("%-8s %s\n", modes[i].name, modes[i].help);
  return 0;
}

static const struct mode *find_mode(const char *name)
{
  for (size_t i = 0; i < MODES; i++)
    if (strcmp(modes[i].name, name) == 0)
      return &modes[i];
  bench_usage(usage, "MODE", name, "is not one of them");
}

int main(int argc, char **argv)
{
  if (argc < 2 || argc > 4)
    bench_usage(usage, NULL, NULL, NULL);
  if (argc == 2 && strcmp(argv[1], "help") == 0)
    return help();
  const struct mode *mode = find_mode(argv[1]);
  struct phase_options options = {
    .seed = argc > 2 ? bench_number(usage, "SEED", argv[2], 0, UINT64_MAX) : 1,
    .percent = argc > 3 ? bench_number(usage, "PERCENT", argv[3], 1, MOST_PERCENT) : WHOLE,
  };
  printf("bench_phases mode=%s seed=%llu percent=%llu", mode->name, (unsigned long long)options.seed,
         (unsigned long long)options.percent);
  fflush(stdout); /* a child must not have it in its buffer */
  print_measured(mode->run(&options));
  return 0;
}
