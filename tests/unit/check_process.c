/* check_process.c - the start of the library in a process. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"
#include "process.h"

static void set(const char *name, const char *value) { setenv(name, value, 1); }

static void expect_ready(void) {
  void *p = hak_malloc(100);
  ck_assert_int_eq(process_state_now(), PROCESS_READY);
  ck_assert(hak_owns(p));
  hak_free(p);
}

/* ---- the first call ---- */

START_TEST(nothing_starts_by_itself) {
  kernel_watch();
  ck_assert_int_eq(process_state_now(), PROCESS_NEW);
  ck_assert_uint_eq(kernel.calls, 0);
  ck_assert_ptr_null(heap_first());
  ck_assert_uint_eq(region_units, 0);
}
END_TEST

static void first_malloc(void) { require(hak_malloc(1) != NULL); }
static void first_calloc(void) { require(hak_calloc(1, 1) != NULL); }
static void first_realloc(void) { require(hak_realloc(NULL, 1) != NULL); }
static void first_aligned(void) { require(hak_aligned_alloc(64, 64) != NULL); }
static void first_huge(void) { require(hak_malloc(5 * MIB) != NULL); }
static void first_free(void) {
  int on_stack;
  void *volatile p = &on_stack;
  setenv("HAKMEM_DEBUG_LEVEL", "0", 1);
  hak_free(NULL);
  hak_free(p);
}
static void first_usable(void) { require(hak_usable_size(NULL) == 0); }
static void first_owns(void) { require(!hak_owns(first_owns)); }
static void first_trim(void) { hak_trim(0); }
static void first_option(void) {
  char text[32];
  require(hak_option_get("WRAP_POOL", text, sizeof text) != NULL && strcmp(text, "1") == 0);
}
static void first_stats(void) {
  struct hak_stats stats;
  require(hak_stats_get(&stats, sizeof stats) == sizeof stats);
}
START_TEST(any_call_may_be_the_first) {
  static void (*const calls[])(void) = { first_malloc, first_calloc, first_realloc, first_aligned,
                                         first_huge, first_free,
                                         first_usable, first_owns, first_trim, first_option, first_stats };
  for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) ck_assert_int_eq(in_child(calls[i]), 0);
}
END_TEST

START_TEST(the_first_call_leaves_errno) {
  errno = 1234;
  hak_free(hak_malloc(1));
  ck_assert_int_eq(errno, 1234);
}
END_TEST

START_TEST(the_start_happens_once) {
  kernel_watch();
  ck_assert_int_eq(process_start(), PROCESS_READY);
  unsigned calls = kernel.calls;
  char *base = region_base;
  for (int i = 0; i < 100; i++) ck_assert_int_eq(process_start(), PROCESS_READY);
  ck_assert_uint_eq(kernel.calls, calls);
  ck_assert_ptr_eq(region_base, base);
}
END_TEST

enum { THREADS = 8 };
static pthread_barrier_t together;
static void *start_too(void *unused) {
  pthread_barrier_wait(&together);
  void *p = hak_malloc(100);
  require(p != NULL && process_state_now() == PROCESS_READY);
  hak_free(p);
  return unused;
}
static void start_in_threads(void) {
  pthread_t thread[THREADS];
  pthread_barrier_init(&together, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) require(pthread_create(&thread[i], NULL, start_too, NULL) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  require(counter_get(COUNT_HEAPS_LIVE) == 0);
}
START_TEST(threads_may_start_it_together) {
  for (int i = 0; i < 20; i++) ck_assert_int_eq(in_child(start_in_threads), 0);
}
END_TEST

/* ---- the key, the environment ---- */

START_TEST(the_key_is_odd_and_of_the_process) {
  expect_ready();
  ck_assert_uint_eq(region_key & 1, 1);
  ck_assert_uint_gt(region_key, 1);
}
END_TEST

START_TEST(options_are_read_at_the_first_call) {
  set("HAKMEM_WRAP_POOL", "0");
  set("HAKMEM_WHALE_SLOTS", "17");
  expect_ready();
  ck_assert_int_eq(option.wrap_pool, 0);
  ck_assert_int_eq(option.whale_slots, 17);
  ck_assert_int_eq(option.invalid_free, INVALID_SKIP);
  set("HAKMEM_WHALE_SLOTS", "5");
  expect_ready();
  ck_assert_int_eq(option.whale_slots, 17);
}
END_TEST

extern char **environ;
START_TEST(an_environment_that_was_cleared_is_no_obstacle) {
  set("HAKMEM_WHALE_SLOTS", "17");
  environ = NULL;   /* what clearenv() leaves */
  expect_ready();
}
END_TEST

START_TEST(without_a_reservation_it_starts_all_the_same) {
  kernel_watch();
  kernel.refuse_reserve = true;
  expect_ready();
  ck_assert_uint_eq(region_units, 0);
  ck_assert(superslab_of(slab_of(hak_malloc(100)))->outside);
}
END_TEST

START_TEST(without_any_memory_it_starts_and_says_enomem) {
  kernel_watch();
  kernel_refuse_all(true);
  errno = 0;
  ck_assert_ptr_null(hak_malloc(100));
  ck_assert_int_eq(errno, ENOMEM);
  kernel_refuse_all(false);
  expect_ready();
}
END_TEST

/* Each call of the start and of the first request fails in turn. */
static unsigned failing_call;
static void start_with_a_failure(void) {
  kernel_watch();
  kernel_fail(failing_call);
  void *p = hak_malloc(100);
  kernel_fail(0);
  hak_free(p);
  void *q = hak_malloc(100000);
  require(q != NULL);
  memset(q, 1, 100000);
  hak_free(q);
}
START_TEST(each_refusal_at_the_start_is_survived) {
  for (failing_call = 1; failing_call <= 24; failing_call++)
    ck_assert_int_eq(in_child(start_with_a_failure), 0);
}
END_TEST

/* ---- the kill switch ---- */

START_TEST(everything_can_be_sent_to_the_c_library) {
  set("HAKMEM_FORCE_LIBC_ALLOC", "1");
  kernel_watch();
  char *p = hak_malloc(100), *q = hak_calloc(10, 10), *r = hak_aligned_alloc(256, 300);
  ck_assert_int_eq(process_state_now(), PROCESS_LIBC);
  ck_assert(p != NULL && q != NULL && r != NULL && is_aligned(r, 256) && all_bytes(q, 100, 0));
  ck_assert(!hak_owns(p));
  ck_assert_uint_ge(hak_usable_size(p), 100);
  memset(p, 'x', 100);
  p = hak_realloc(p, 100000);
  ck_assert(p != NULL && all_bytes(p, 100, 'x'));
  void *volatile libcs = p;   /* or the compiler would warn */
  free(libcs);
  hak_free(q);
  hak_free(r);
  hak_free(NULL);
  ck_assert_int_eq(hak_trim(0), 0);
  ck_assert_uint_eq(region_units, 0);
  ck_assert_ptr_null(heap_first());
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

static void *use_libc(void *unused) {
  for (size_t i = 0; i < 1000; i++) {
    void *p = hak_malloc(i * 37);
    require(p != NULL);
    hak_free(p);
  }
  return unused;
}
START_TEST(threads_use_the_c_library_too) {
  set("HAKMEM_FORCE_LIBC_ALLOC", "1");
  pthread_t thread[4];
  for (int i = 0; i < 4; i++) require(pthread_create(&thread[i], NULL, use_libc, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  ck_assert_int_eq(process_state_now(), PROCESS_LIBC);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_MADE), 0);
}
END_TEST

UNIT_MAIN("process", nothing_starts_by_itself, any_call_may_be_the_first, the_first_call_leaves_errno,
          the_start_happens_once, threads_may_start_it_together, the_key_is_odd_and_of_the_process,
          options_are_read_at_the_first_call, an_environment_that_was_cleared_is_no_obstacle,
          without_a_reservation_it_starts_all_the_same, without_any_memory_it_starts_and_says_enomem,
          each_refusal_at_the_start_is_survived, everything_can_be_sent_to_the_c_library,
          threads_use_the_c_library_too)
