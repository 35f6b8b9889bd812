/* check_profile.c - estimates of programs whose truth is known, over a hundred seeds.

   Each request is a sample by itself, with probability p = 1 - exp(-size / rate), and stands for 1 / p requests. So the
   error of an estimate, divided by its known deviation, is about normal: over 100 seeds its mean is within 0.4 of 0
   and its mean square near 1, or requests are counted wrongly. A pattern that the counting misses (a block that goes
   back and forth and never leaves the fast path, say) is off by many deviations. */
#include <config.h>
#include <math.h>
#include <signal.h>
#include <sys/time.h>
#include "core.h"
#include "allocator.h"
#include "fast_path.h"
#include "hakmem.h"
#include "profile.h"
#include "profile_draw.h"
#include "profile_stack.h"
#include "profile_table.h"
#include "thread.h"

enum { SEEDS = 100, RATE = 16 << 10, LARGE_RATE = 1 << 20 };

static void *take(size_t size) { return fast_malloc(size, allocator_malloc); }
static void give(void *p) { fast_free(p); }

static uint64_t rate;

/* ---- truth, by size */

struct truth {
  double bytes, variance;
};
static struct truth allocated, kept;

static double probability(double size) { return -expm1(-size / (double)rate); }

static void add_to(struct truth *truth, double size, double count) {
  double p = probability(size);
  truth->bytes += size * count;
  truth->variance += size * size * (1 - p) / p * count;
}
static void did(size_t size, unsigned count) { add_to(&allocated, (double)size, count); }
static void keeps(size_t size, unsigned count) { add_to(&kept, (double)size, count); }

/* ---- programs; sizes are those of blocks, whichever slab serves them */

static void *blocks[4096];

static void ping_pong(unsigned seed) {
  (void)seed;
  for (unsigned i = 0; i < 20000; i++) give(take(64));
  did(64, 20000);
}

static void batches(unsigned count, size_t size, bool last_first) {
  for (unsigned i = 0; i < count; i++) blocks[i] = take(size);
  for (unsigned i = 0; i < count; i++) give(blocks[last_first ? count - 1 - i : i]);
  did(size, count);
}
static void last_in_first_out(unsigned seed) {
  for (unsigned i = 0; i < 40; i++) batches(500 + seed % 7, 64, true);
}
static void first_in_first_out(unsigned seed) {
  for (unsigned i = 0; i < 10; i++) {
    batches(1500 + seed % 5, 64, false);
    batches(100, 1024, false);
    batches(30, 4096, true);
  }
}

/* Random places of a working set, all sizes. */
static void mixed(unsigned seed) {
  static const size_t sizes[] = { 64, 64, 256, 256, 1024, 4096, 16 << 10, 64 << 10, 512 << 10 };
  enum { KINDS = sizeof sizes / sizeof sizes[0], PLACES = 500 };
  uint64_t random = profile_seed(seed);
  memset(blocks, 0, sizeof blocks);
  for (unsigned i = 0; i < 10000; i++) {
    random = profile_seed(random);
    unsigned place = (unsigned)(random >> 40) % PLACES, kind = (unsigned)(random >> 8) % KINDS;
    if (kind == KINDS - 1 && (random >> 60) != 0) kind = 0;
    give(blocks[place]);
    blocks[place] = take(sizes[kind]);
    did(sizes[kind], 1);
  }
  for (unsigned i = 0; i < PLACES; i++) give(blocks[i]);
}

static void grows(unsigned seed) {
  bool bad;
  for (unsigned i = 0; i < 30; i++) {
    void *p = NULL;
    for (size_t size = 64; size <= 4 << 20; size *= 4) {
      p = allocator_realloc(p, size, &bad);
      did(hak_usable_size(p), 1);   /* large ones get room to grow */
    }
    give(p);
    p = allocator_calloc(1, 64 + seed % 1);
    did(64, 1);
    give(p);
    p = allocator_aligned(256, 1024);
    did(1024, 1);
    give(p);
  }
}

static void large(unsigned seed) {
  for (unsigned i = 0; i < 40; i++) {
    void *p = take((1 << 20) + 4096 * (seed % 3 + 1));
    did((1 << 20) + 4096 * (seed % 3 + 1), 1);
    void *q = take(384 << 10);   /* a run */
    did(384 << 10, 1);
    give(p);
    give(q);
  }
}

/* What was asked for counts, not the pages and more that a mapping is rounded up to. */
static void odd_mappings(unsigned seed) {
  for (unsigned i = 0; i < 300; i++) {
    size_t size = (1 << 20) + 1 + seed % 3 + (i % 2) * (300 << 10);
    give(take(size));
    did(size, 1);
  }
}

/* What one thread takes another one frees. */
static unsigned passed;
static void *free_them(void *unused) {
  for (unsigned i = 0; i < passed; i++) give(blocks[i]);
  return unused;
}
static void in_a_thread(void *(*run)(void *)) {
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
static void freed_by_others(unsigned seed) {
  for (unsigned round = 0; round < 8; round++) {
    passed = 1000 + seed % 11;
    for (unsigned i = 0; i < passed; i++) blocks[i] = take(64);
    did(64, passed);
    in_a_thread(free_them);
  }
}

/* Threads end with blocks in use, and others go on in their slabs. */
static void *take_some(void *unused) {
  for (unsigned i = 0; i < 600; i++) {
    if (i % 3 != 0) give(take(256));
    else blocks[passed++] = take(64);
  }
  return unused;
}
static void threads_end(unsigned seed) {
  (void)seed;
  passed = 0;
  for (unsigned round = 0; round < 10; round++) in_a_thread(take_some);
  did(64, 2000);
  did(256, 4000);
  free_them(NULL);
}

/* Half of it stays. */
static void leaves_live(unsigned seed) {
  for (unsigned i = 0; i < 4000; i++) blocks[i] = take(i % 2 == 0 ? 64 : 1024);
  for (unsigned i = seed % 4; i < 4000; i += 4) {
    give(blocks[i]);
    blocks[i] = NULL;
  }
  did(64, 2000);
  did(1024, 2000);
  keeps(64, seed % 2 == 0 ? 1000 : 2000);
  keeps(1024, seed % 2 == 0 ? 2000 : 1000);
}
static void drop_live(void) {
  for (unsigned i = 0; i < 4000; i++) give(blocks[i]);
  memset(blocks, 0, sizeof blocks);
}

/* ---- estimates */

static void estimate(double *total, double *live) {
  struct profile_figures figures;
  struct profile_stack stack;
  *total = *live = 0;
  for (uint32_t i = 0; profile_table_site(i, &figures, &stack, false); i++) {
    double p = probability((double)figures.total_bytes / (double)figures.total_count);
    *total += (double)figures.total_bytes / p;
    *live += (double)figures.live_bytes / p;
  }
}

struct errors {
  double sum, squares;
};
static void add_error(struct errors *errors, double found, const struct truth *truth) {
  double error = truth->variance == 0 ? 0 : (found - truth->bytes) / sqrt(truth->variance);
  errors->sum += error;
  errors->squares += error * error;
}
static void judge(const char *name, const char *what, const struct errors *errors) {
  double mean = errors->sum / SEEDS, square = errors->squares / SEEDS;
  if (getenv("HAK_TEST_VERBOSE") != NULL) printf("%s %s: mean %.2f, square %.2f\n", name, what, mean, square);
  ck_assert_msg(mean > -0.4 && mean < 0.4, "%s, %s: the mean error is %.2f deviations", name, what, mean);
  ck_assert_msg(square > 0.45 && square < 1.8, "%s, %s: the mean square error is %.2f deviations", name, what, square);
}

static void check_estimates(const char *name, void (*run)(unsigned seed)) {
  struct errors totals = { 0, 0 }, lives = { 0, 0 };
  bool keeps_any = run == leaves_live;
  rate = run == large || run == odd_mappings ? LARGE_RATE : RATE;
  for (unsigned seed = 0; seed < SEEDS; seed++) {
    double total, live;
    allocated = kept = (struct truth){ 0, 0 };
    ck_assert(profile_start(rate, seed * 7919 + 1));
    run(seed);
    estimate(&total, &live);
    add_error(&totals, total, &allocated);
    add_error(&lives, live, &kept);
    if (keeps_any) drop_live();
    estimate(&total, &live);
    ck_assert_msg(live == 0, "%s: %.0f bytes are live at the end", name, live);
    profile_stop();
  }
  judge(name, "allocated", &totals);
  if (keeps_any) judge(name, "live", &lives);
}

#define ESTIMATES(program) \
  START_TEST(estimates_of_##program) { check_estimates(#program, program); } END_TEST
ESTIMATES(ping_pong)
ESTIMATES(last_in_first_out)
ESTIMATES(first_in_first_out)
ESTIMATES(mixed)
ESTIMATES(grows)
ESTIMATES(large)
ESTIMATES(odd_mappings)
ESTIMATES(freed_by_others)
ESTIMATES(threads_end)
ESTIMATES(leaves_live)

/* ---- the draw */

START_TEST(draws_are_exponential) {
  enum { DRAWS = 200000, BUCKETS = 20 };
  uint64_t random = profile_seed(5);
  rate = 512 << 10;
  unsigned count[BUCKETS] = { 0 };
  double sum = 0;
  for (unsigned i = 0; i < DRAWS; i++) {
    double drawn = (double)profile_draw(&random, rate);
    unsigned bucket = (unsigned)(-expm1(-drawn / (double)rate) * BUCKETS);   /* uniform, if exponential */
    if (bucket == BUCKETS) bucket--;   /* 1 - exp(-large) */
    count[bucket]++;
    sum += drawn;
  }
  double square = 0, expected = (double)DRAWS / BUCKETS;
  for (unsigned i = 0; i < BUCKETS; i++) square += (count[i] - expected) * (count[i] - expected) / expected;
  ck_assert_msg(square < 45, "chi square is %.1f with 19 degrees of freedom", square);
  ck_assert_msg(fabs(sum / DRAWS / (double)rate - 1) < 0.01, "the mean is %.4f", sum / DRAWS / (double)rate);
}
END_TEST

START_TEST(draws_stay_in_bounds) {
  uint64_t random = 1;
  for (unsigned i = 0; i < 100000; i++) {
    ck_assert_uint_le(profile_draw(&random, 1), 45);
    ck_assert_uint_le(profile_draw(&random, (uint64_t)PROFILE_RATE_MAX), 45 * (uint64_t)PROFILE_RATE_MAX);
  }
}
END_TEST

/* ---- bounds */

START_TEST(every_request_at_rate_1) {
  ck_assert(profile_start(1, 3));
  struct profile_totals totals;
  for (unsigned i = 0; i < 1000; i++) blocks[i] = take(16 + i % 200);
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.live_count, 1000);
  for (unsigned i = 0; i < 1000; i++) give(blocks[i]);
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.live_count, 0);
  ck_assert_uint_eq(totals.figures.live_bytes, 0);
  ck_assert_uint_eq(totals.figures.total_count, 1000);
  profile_stop();
  give(take(64));
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.total_count, 1000);
}
END_TEST

/* What does not fit in the table counts for a site without frames: nothing is lost. */
START_TEST(too_many_sites) {
  enum { COUNT = 40000 };
  struct profile_stack stack = { .depth = 20 };
  struct profile_figures figures;
  struct profile_totals totals;
  ck_assert(profile_start(1 << 30, 3));
  for (uintptr_t i = 0; i < COUNT; i++) {
    for (unsigned j = 0; j < stack.depth; j++) stack.frame[j] = i * 31 + j + 1;
    profile_table_add((void *)(i * 16 + 16), i % 2 == 0 ? 64 : 1024, &stack);
  }
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.total_count, COUNT);
  ck_assert_uint_gt(totals.other_count, 0);
  ck_assert_uint_lt(totals.other_count, COUNT - 10000);
  uint64_t total = 0, other = 0;
  for (uint32_t i = 0; profile_table_site(i, &figures, &stack, false); i++) {
    total += figures.total_count;
    if (stack.depth == 0) other += figures.total_count;
  }
  ck_assert_uint_eq(total, COUNT);
  ck_assert_uint_eq(other, totals.other_count);
  for (uintptr_t i = 0; i < COUNT; i++) profile_table_remove((void *)(i * 16 + 16));
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.live_bytes, 0);
  profile_stop();
}
END_TEST

/* More live samples than the table has room for. */
START_TEST(too_many_live) {
  enum { COUNT = 300000 };
  struct profile_stack stack = { .depth = 1, .frame = { 5 } };
  struct profile_totals totals;
  ck_assert(profile_start(1 << 30, 3));
  for (uintptr_t i = 0; i < COUNT; i++) profile_table_add((void *)(i * 16 + 16), 64, &stack);
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.total_count, COUNT);
  ck_assert_uint_eq(totals.figures.live_count + totals.untracked_count, COUNT);
  ck_assert_uint_gt(totals.untracked_count, 0);
  for (uintptr_t i = 0; i < COUNT; i++) profile_table_remove((void *)(i * 16 + 16));
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.live_count, 0);
  profile_stop();
}
END_TEST

/* ---- sampled blocks are blocks like others */

START_TEST(sampled_blocks_behave) {
  bool bad;
  ck_assert(profile_start(1, 3));
  for (size_t size = 1; size < 3 << 20; size = size * 3 + 1) {
    char *p = take(size);
    ck_assert_ptr_nonnull(p);
    ck_assert(allocator_owns(p));
    ck_assert_uint_ge(allocator_usable_size(p), size);
    ck_assert(!CHECKS || !allocator_owns(p + 16));
    memset(p, 0x5a, size);
    p = allocator_realloc(p, size * 2, &bad);
    ck_assert(p[0] == 0x5a && p[size - 1] == 0x5a);
    give(p);
    p = allocator_calloc(1, size);
    for (size_t i = 0; i < size; i++) require(p[i] == 0);
    memset(p, 1, size);
    give(p);
    p = allocator_aligned(4096, size);
    ck_assert_uint_eq((uintptr_t)p % 4096, 0);
    give(p);
  }
  profile_stop();
}
END_TEST

START_TEST(double_free_of_a_sample) {
  if (!CHECKS) return;
  ck_assert(profile_start(1, 3));
  uint64_t before = counter_get(COUNT_INVALID_FREES);
  char *p = take(100);
  give(p);
  give(p);
  p = take(100);
  give(p + 16);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), before + 2);
  ck_assert(allocator_owns(p));
  give(p);
  profile_stop();
}
END_TEST

/* The child has its parent's samples, and goes on. */
static void go_on_in_child(void) {
  struct profile_totals totals;
  ck_assert(profile_table_totals(&totals, false));
  require(totals.figures.live_count == 2000);
  for (unsigned i = 0; i < 2000; i++) give(blocks[i]);
  require(profile_table_totals(&totals, false) && totals.figures.live_count == 0);
  for (unsigned i = 0; i < 2000; i++) give(take(100));
  require(profile_table_totals(&totals, false) && totals.figures.total_count == 4000);
  allocator_trim(0);
}
START_TEST(fork_in_between) {
  ck_assert(profile_start(1, 3));
  for (unsigned i = 0; i < 2000; i++) blocks[i] = take(100);
  pid_t child = fork();
  if (child == 0) {
    go_on_in_child();
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  for (unsigned i = 0; i < 2000; i++) give(blocks[i]);
  profile_stop();
}
END_TEST

/* Started and stopped while threads are at work. */
static uint32_t stop;
static void *work(void *unused) {
  void *mine[100] = { NULL };
  for (unsigned i = 0; __atomic_load_n(&stop, __ATOMIC_RELAXED) == 0; i++) {
    give(mine[i % 100]);
    mine[i % 100] = take(16 + i % 2000);
  }
  for (unsigned i = 0; i < 100; i++) give(mine[i]);
  return unused;
}
START_TEST(on_and_off) {
  pthread_t thread[3];
  stop = 0;
  for (unsigned i = 0; i < 3; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, work, NULL), 0);
  for (unsigned i = 0; i < 60; i++) {
    ck_assert(profile_start(1000 + i * 100, 0));
    os_yield();
    allocator_trim(0);
    if (i % 3 == 0) profile_stop();
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (unsigned i = 0; i < 3; i++) pthread_join(thread[i], NULL);
  profile_stop();
}
END_TEST

/* ---- handlers of signals */

enum { HANDLED = 4000 };
static uint32_t handled;
static const void *address(uint32_t i) { return (const void *)((uintptr_t)(i + 1) * 64); }

static void cross_out_the_next(int number) {
  (void)number;
  if (handled < HANDLED) profile_table_remove(address(handled++));
}

/* They come while their thread has the table, mostly. */
START_TEST(handlers_do_not_wait_for_the_table) {
  struct profile_stack stack = { .depth = PROFILE_FRAMES_MAX };
  struct profile_totals totals;
  struct sigaction action = { .sa_handler = cross_out_the_next };
  const struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { { 0, 0 }, { 0, 0 } };
  ck_assert(profile_start(1 << 30, 3));
  for (uint32_t i = 0; i < HANDLED; i++) profile_table_add(address(i), 64, &stack);
  ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
  ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
  while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < HANDLED) {
    profile_table_add(address(HANDLED), 64, &stack);
    profile_table_remove(address(HANDLED));
  }
  ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
  ck_assert(profile_table_totals(&totals, false));
  ck_assert_uint_eq(totals.figures.live_count, 0);
  ck_assert_uint_eq(totals.figures.live_bytes, 0);
  profile_stop();
}
END_TEST

/* A block that is a sample, freed while the heap of samples or the table is in use. */
static void use_both(int number) {
  (void)number;
  void *p = take(100);
  give(p);
  handled++;
}
static void not_within_malloc(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  require(sigprocmask(how, &set, NULL) == 0);
}
START_TEST(handlers_do_not_wait_for_the_heap_of_samples) {
  struct sigaction action = { .sa_handler = use_both };
  const struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };
  ck_assert(profile_start(1, 3));
  ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
  ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
  while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < HANDLED / 4) profile_fork_prepare(), profile_fork_release(false);
  not_within_malloc(SIG_BLOCK);
  ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
  profile_stop();
}
END_TEST

/* ---- threads that follow each other */

static struct heap *their_heap;
static uintptr_t their_lowest, their_frame;

enum { FRAME_KIB = 8, FRAMES = 9 };   /* within the 128 KiB that musl gives a thread */
static __attribute__((noinline)) void sample_at(unsigned frames_down) {
  volatile char room[FRAME_KIB << 10];
  __asm__ volatile("" : : "r"(room) : "memory");   /* all of it */
  if (frames_down == 0) give(take(64));
  else sample_at(frames_down - 1);
  __asm__ volatile("" : : "r"(room) : "memory");
}
static void *sample_down(void *frames_down) {
  sample_at((unsigned)(uintptr_t)frames_down);
  their_heap = thread_heap();
  their_frame = (uintptr_t)__builtin_frame_address(0);
  their_lowest = their_heap->sampler_room->memory->lowest;
  return NULL;
}

/* The second one has the first one's heap, and may have less of a stack. */
START_TEST(a_thread_remembers_its_own_stack) {
  ck_assert(profile_start(1, 3));
  in_thread(sample_down, (void *)(uintptr_t)FRAMES);
  skip_if(their_lowest == 0, "no stack is remembered here");
  struct heap *first = their_heap;
  ck_assert_uint_lt(their_lowest, their_frame - FRAMES * FRAME_KIB * 1024);
  in_thread(sample_down, NULL);
  ck_assert_ptr_eq(their_heap, first);
  ck_assert_uint_gt(their_lowest, their_frame - 4 * FRAME_KIB * 1024);
  profile_stop();
}
END_TEST

static void set_up(void) {
  core_watch_process();
  allocator_start();
}

UNIT_MAIN_WITH("profile", set_up, NULL, draws_are_exponential, draws_stay_in_bounds, estimates_of_ping_pong,
               estimates_of_last_in_first_out, estimates_of_first_in_first_out, estimates_of_mixed, estimates_of_grows,
               estimates_of_large, estimates_of_odd_mappings, estimates_of_freed_by_others, estimates_of_threads_end,
               estimates_of_leaves_live,
               every_request_at_rate_1, too_many_sites, too_many_live, sampled_blocks_behave,
               double_free_of_a_sample, fork_in_between, on_and_off, handlers_do_not_wait_for_the_table,
               handlers_do_not_wait_for_the_heap_of_samples, a_thread_remembers_its_own_stack)
