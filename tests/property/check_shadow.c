/* check_shadow.c - random operations on hak_*, with every tier and cache on and off.

   HAK_TEST_SCALE, a number from 1 (make check) up, multiplies the operations; HAK_TEST_SEED changes
   the first seed; HAK_TEST_QUICK, set to anything, does a fifth. A fault prints what is wrong; the same seed with one thread gives the same fault again.
   HAK_TEST_TARGET=libc runs the tests on the C library: they must pass there. */
#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../unit/unit.h"
#include "hakmem.h"
#include "os.h"
#include "shadow.h"

static const struct shadow_target hakmem = {
  hak_malloc, hak_calloc, hak_realloc, hak_reallocarray, hak_aligned_alloc, hak_posix_memalign,
  hak_free, hak_free_sized, hak_free_aligned_sized, hak_usable_size
};

static void libc_free_sized(void *p, size_t size) { (void)size; free(p); }
static void libc_free_aligned_sized(void *p, size_t alignment, size_t size) { (void)alignment; (void)size; free(p); }
static size_t libc_usable_size(const void *p) { return malloc_usable_size((void *)(uintptr_t)p); }
static const struct shadow_target libc = {
  malloc, calloc, realloc, reallocarray, aligned_alloc, posix_memalign,
  free, libc_free_sized, libc_free_aligned_sized, libc_usable_size
};

static bool is_libc(void) {
  const char *name = getenv("HAK_TEST_TARGET");
  return name != NULL && strcmp(name, "libc") == 0;
}

static unsigned long number_from(const char *name, unsigned long otherwise) {
  const char *text = getenv(name);
  return text != NULL && *text != 0 ? strtoul(text, NULL, 10) : otherwise;
}

static const struct shadow_sizes mostly_tiny = { 4, 1, 0, 0 };
static const struct shadow_sizes all_sizes = { 14, 4, 1, 3 << 20 };
static const struct shadow_sizes smaller_sizes = { 14, 3, 1, 1 << 20 };
static const struct shadow_sizes mid_sizes = { 56, 4, 0, 0 };
static const struct shadow_sizes large_sizes = { 16, 44, 2, 6 << 20 };

/* Thousands of operations; a sanitizer makes each of them many times slower. */
static void run(int _i, unsigned threads, unsigned rounds, unsigned long thousands, unsigned slots, unsigned handover,
                const struct shadow_sizes *sizes) {
  unsigned long scale = number_from("HAK_TEST_SCALE", 1);
  const char *sanitizer = getenv("HAK_TEST_SANITIZER");
  unsigned long quick = getenv("HAK_TEST_QUICK") != NULL ? 5 : 1;
  unsigned long slower = sanitizer != NULL && *sanitizer != 0 ? 12 : quick;
  struct shadow_plan plan = {
    .target = is_libc() ? &libc : &hakmem,
    .seed = number_from("HAK_TEST_SEED", 20260101) + (unsigned)_i * 7919,
    .threads = threads, .rounds = rounds, .slots = slots, .handover = handover, .sizes = *sizes,
    .operations = thousands * 1000 * scale / slower / threads / rounds + 1,
  };
  unsigned long done = shadow_run(&plan);
  printf("%lu operations, seed %lu\n", done, (unsigned long)plan.seed);
  fflush(stdout);
  if (is_libc()) return;
  /* Everything was freed: nothing may be live, in any tier, once this thread has sent off its remote frees. */
  hak_trim(0);
  struct hak_stats stats;
  hak_stats_get(&stats, sizeof stats);
  for (unsigned tier = 0; tier < HAK_TIER_COUNT; tier++) {
    ck_assert_uint_eq(stats.tier[tier].live_blocks, 0);
    ck_assert_uint_eq(stats.tier[tier].live_bytes, 0);
  }
  ck_assert_uint_eq(stats.invalid_frees, 0);
}

#define SET(name, value) ck_assert_int_eq(setenv(name, value, 1), 0)

/* ---- all options at their defaults; _i is the seed ---- */

START_TEST(test_one_thread_mostly_tiny) { run(_i, 1, 1, 3500, 4000, 0, &mostly_tiny); }
END_TEST

START_TEST(test_one_thread_all_sizes) { run(_i, 1, 1, 300, 300, 0, &all_sizes); }
END_TEST

START_TEST(test_one_thread_mid) { run(_i, 1, 1, 800, 500, 0, &mid_sizes); }
END_TEST

START_TEST(test_one_thread_large) { run(_i, 1, 1, 50, 60, 0, &large_sizes); }
END_TEST

START_TEST(test_one_thread_few_blocks) { run(_i, 1, 1, 2000, 3, 0, &mostly_tiny); }
END_TEST

START_TEST(test_threads_mostly_tiny) { run(_i, 4, 6, 4000, 1500, 8, &mostly_tiny); }
END_TEST

START_TEST(test_threads_all_sizes) { run(_i, 4, 4, 300, 120, 6, &all_sizes); }
END_TEST

START_TEST(test_many_short_threads) { run(_i, 12, 40, 1200, 200, 5, &mostly_tiny); }
END_TEST

/* Nearly every block is freed by another thread than its owner. */
START_TEST(test_threads_hand_over_most) { run(_i, 4, 3, 1500, 400, 2, &mostly_tiny); }
END_TEST

/* ---- with something switched off, or set to an extreme; _i is the row ---- */

static const struct {
  const char *name, *value, *second_name, *second_value;
} settings[] = {
  { "HAKMEM_WRAP_TINY", "0", NULL, NULL },
  { "HAKMEM_WRAP_POOL", "0", NULL, NULL },
  { "HAKMEM_WRAP_L25", "0", NULL, NULL },
  { "HAKMEM_WRAP_TINY", "0", "HAKMEM_WRAP_POOL", "0" },
  { "HAKMEM_WRAP_POOL", "0", "HAKMEM_WRAP_L25", "0" },
  { "HAKMEM_BIGCACHE", "0", NULL, NULL },
  { "HAKMEM_WHALE", "0", NULL, NULL },
  { "HAKMEM_BIGCACHE", "0", "HAKMEM_WHALE", "0" },
  { "HAKMEM_BIGCACHE_L25", "1", NULL, NULL },
  { "HAKMEM_BATCH_MADVISE", "0", NULL, NULL },
  { "HAKMEM_PURGE_DELAY_MS", "0", NULL, NULL },
  { "HAKMEM_PURGE_DELAY_MS", "0", "HAKMEM_BATCH_MADVISE", "0" },
  { "HAKMEM_PURGE_DELAY_MS", "-1", NULL, NULL },
  { "HAKMEM_SUPERSLAB_MAX_CACHED", "0", NULL, NULL },
  { "HAKMEM_SS_PREFAULT", "1", NULL, NULL },
  { "HAKMEM_SS_PREFAULT", "2", NULL, NULL },
  { "HAKMEM_THP", "always", NULL, NULL },
  { "HAKMEM_MODE", "minimal", NULL, NULL },
  { "HAKMEM_MODE", "fast", NULL, NULL },
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static void set_row(int row) {
  SET(settings[row].name, settings[row].value);
  if (settings[row].second_name != NULL) SET(settings[row].second_name, settings[row].second_value);
}

/* The setting must be in force, else the test tests nothing new. Under CK_FORK=no the first one is. */
static bool is_in_force(int row) {
  char text[256];
  return is_libc() || (hak_option_get(settings[row].name, text, sizeof text) != NULL &&
                       strcmp(text, settings[row].value) == 0);
}

static void run_setting(int row, unsigned threads, unsigned rounds, unsigned long thousands) {
  const char *fork_mode = getenv("CK_FORK");
  set_row(row);
  ck_assert(is_in_force(row) || (fork_mode != NULL && strcmp(fork_mode, "no") == 0));
  run(row, threads, rounds, thousands, 200, threads > 1 ? 6 : 0, &smaller_sizes);
}

START_TEST(test_setting_one_thread) { run_setting(_i, 1, 1, 60); }
END_TEST

START_TEST(test_setting_threads) { run_setting(_i, 3, 3, 60); }
END_TEST

/* ---- without the reserved region: the radix map serves everything ---- */

static long refuse_reservation(void *hint, size_t size, int prot, int flags) {
  return prot == PROT_NONE ? -ENOMEM : os_kernel.mmap(hint, size, prot, flags);
}
static struct os_ops without_region;

static void refuse_region(void) {
  without_region = os_kernel;
  without_region.mmap = refuse_reservation;
  os_ops = &without_region;
}

START_TEST(test_without_region_one_thread) {
  refuse_region();
  run(_i, 1, 1, 1500, 3000, 0, &mostly_tiny);
  run(_i, 1, 1, 150, 200, 0, &all_sizes);
}
END_TEST

START_TEST(test_without_region_threads) {
  refuse_region();
  run(_i, 4, 4, 1500, 800, 6, &mostly_tiny);
  run(_i, 4, 2, 150, 100, 6, &all_sizes);
}
END_TEST

static void add_case(Suite *suite, const char *name, const TTest *test, int count) {
  TCase *tests = tcase_create(name);
  /* Minutes: the machine may be busy, and HAK_TEST_SCALE may be large. */
  tcase_set_timeout(tests, 600.0 * (double)number_from("HAK_TEST_SCALE", 1));
  tcase_add_loop_test(tests, test, 0, count);
  suite_add_tcase(suite, tests);
}

int main(void) {
  Suite *suite = suite_create("shadow");
  add_case(suite, "one thread, mostly tiny", test_one_thread_mostly_tiny, 2);
  add_case(suite, "one thread, all sizes", test_one_thread_all_sizes, 2);
  add_case(suite, "one thread, mid", test_one_thread_mid, 1);
  add_case(suite, "one thread, large", test_one_thread_large, 1);
  add_case(suite, "one thread, few blocks", test_one_thread_few_blocks, 1);
  add_case(suite, "threads, mostly tiny", test_threads_mostly_tiny, 2);
  add_case(suite, "threads, all sizes", test_threads_all_sizes, 2);
  add_case(suite, "many short threads", test_many_short_threads, 1);
  add_case(suite, "hand over most", test_threads_hand_over_most, 1);
  add_case(suite, "settings, one thread", test_setting_one_thread, SETTINGS);
  add_case(suite, "settings, threads", test_setting_threads, SETTINGS);
  if (!is_libc()) {
    add_case(suite, "no region, one thread", test_without_region_one_thread, 1);
    add_case(suite, "no region, threads", test_without_region_threads, 1);
  }
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
