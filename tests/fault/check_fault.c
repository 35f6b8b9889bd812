/* check_fault.c - system calls fail; memory is neither lost nor corrupted.

   Each case runs in a child of its own, since the library starts once in a process: the script with
   failures, then, nothing failing any more, the script again, where every request must succeed; then
   everything is free, and the address space is what it is after the same without any failure. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../property/shadow.h"
#include "../emulated.h"
#include "../unit/unit.h"
#include "faults.h"
#include "hakmem.h"
#include "script.h"

/* What a child tells. */
struct outcome {
  unsigned long calls, injected, refused;   /* in the first run of the script; calls of the kinds that may fail */
  enum fault_call kind;
  long mapped_kib;                          /* at the end */
  uint64_t live;
};
static struct outcome *outcome;

static long mapped_kib(void) {
  char text[64] = "";
  FILE *file = fopen("/proc/self/statm", "re");
  ck_assert_ptr_nonnull(file);
  ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
  fclose(file);
  return atol(text) * (sysconf(_SC_PAGESIZE) / 1024);
}

struct fault_case {
  unsigned long first, count;   /* window of failing calls; count 0: none */
  unsigned kinds;
  unsigned chance, seed;        /* and by chance */
};

/* In the child. */
static void run_script_with(const struct fault_case *which) {
  faults_install();
  if (which->chance != 0) faults_at_random(which->chance, which->kinds, which->seed);
  else faults_at(which->first, which->count, which->kinds);
  outcome->refused = script_run(true);
  outcome->calls = faults_calls_seen();
  outcome->injected = faults_injected();
  outcome->kind = faults_last_kind();
  faults_stop();
  script_run(false);
  hak_trim(0);
  struct hak_stats stats;
  hak_stats_get(&stats, sizeof stats);
  outcome->live = 0;
  for (unsigned tier = 0; tier < HAK_TIER_COUNT; tier++) outcome->live += stats.tier[tier].live_bytes;
  outcome->mapped_kib = mapped_kib();
}

static void in_child(const struct fault_case *which) {
  if (outcome == NULL) {
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(outcome != MAP_FAILED);
  }
  memset(outcome, 0, sizeof *outcome);
  fflush(NULL);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    alarm(300);
    run_script_with(which);
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(status == 0, "status %#x with calls %lu to %lu failing, kinds %#x, chance %u, seed %u", (unsigned)status,
                which->first, which->first + which->count - 1, which->kinds, which->chance, which->seed);
}

/* Address space, in kB, that may be in use at the end beyond what a run without failures leaves: the empty
   SuperSlabs that are kept, in another order. A lost mapping of the script's larger ones is more. */
enum { SLACK_KIB = 6 << 10 };

static long healthy_kib;
static unsigned long healthy_calls;

static void run_healthy(void) {
  const struct fault_case none = { .kinds = FAULT_ALL };
  in_child(&none);
  ck_assert_uint_eq(outcome->refused, 0);
  ck_assert_uint_eq(outcome->live, 0);
  healthy_kib = is_emulated() ? LONG_MAX - SLACK_KIB : outcome->mapped_kib;   /* what is mapped is the emulator's */
  healthy_calls = outcome->calls;
}

static void check_outcome(const struct fault_case *which, bool reserved) {
  ck_assert_msg(outcome->live == 0, "%lu bytes live at the end, call %lu (%s) failing", (unsigned long)outcome->live,
                which->first, fault_names[outcome->kind]);
  /* Without the reservation everything else is mapped: no figure to compare with. */
  if (!reserved) return;
  ck_assert_msg(outcome->mapped_kib <= healthy_kib + SLACK_KIB, "%ld kB are mapped at the end, %ld without failures; call %lu (%s)",
                outcome->mapped_kib, healthy_kib, which->first, fault_names[outcome->kind]);
}

/* Only some of the calls where a sanitizer makes a run slow, or HAK_TEST_QUICK is set. */
static unsigned long stride(void) {
  const char *sanitizer = getenv("HAK_TEST_SANITIZER");
  if (sanitizer != NULL && *sanitizer != 0) return 17;
  return getenv("HAK_TEST_QUICK") != NULL ? 5 : 1;
}

/* Without these there is no new memory; the others only save some. */
enum { FAULT_NEEDED = 1 << FAULT_MMAP | 1 << FAULT_MPROTECT };

/* From the n-th call on, `count` calls of `kinds` fail, for every n until there are no more calls. */
static unsigned long fail_every(unsigned long count, unsigned kinds, unsigned long step) {
  unsigned long reached = 0;
  run_healthy();
  for (unsigned long n = 1;; n += step * stride()) {
    const struct fault_case which = { .first = n, .count = count, .kinds = kinds };
    in_child(&which);
    if (n > outcome->calls) break;   /* the end of the script */
    reached++;
    check_outcome(&which, n > 3);
    /* Failures that cost no memory must not be seen outside. */
    bool costs_memory = (kinds & FAULT_NEEDED) != 0 && (count != 1 || (1 << outcome->kind & FAULT_NEEDED) != 0);
    ck_assert_msg(costs_memory || outcome->refused == 0, "a request failed since %s did, call %lu",
                  fault_names[outcome->kind], n);
  }
  printf("%lu cases, %lu calls in a run without failures\n", reached, healthy_calls);
  fflush(stdout);
  return reached;
}

START_TEST(test_without_failures) {
  run_healthy();
  /* The script makes the library use what it has. */
  ck_assert_uint_gt(healthy_calls, 50);
}
END_TEST

/* Each call there is, once. */
START_TEST(test_each_call_fails_once) { ck_assert_uint_gt(fail_every(1, FAULT_ALL, 1), 50 / stride()); }
END_TEST

/* The repetition after giving back the caches fails as well. */
START_TEST(test_ten_calls_fail_in_a_row) { fail_every(10, FAULT_ALL, 7); }
END_TEST

START_TEST(test_ten_of_a_kind_fail_in_a_row) { fail_every(10, 1U << _i, 5); }
END_TEST

/* From some call on nothing works until the end of the script. */
START_TEST(test_all_calls_fail_from_some_point_on) { fail_every(1000000, FAULT_ALL, 17); }
END_TEST

START_TEST(test_no_memory_from_some_point_on) { fail_every(1000000, FAULT_NEEDED | 1 << FAULT_MREMAP, 11); }
END_TEST

START_TEST(test_nothing_can_be_given_back_from_some_point_on) {
  fail_every(1000000, 1 << FAULT_MUNMAP | 1 << FAULT_MADVISE, 7);
}
END_TEST

static void set_delay(const char *milliseconds) {
  ck_assert_int_eq(setenv("HAKMEM_PURGE_DELAY_MS", milliseconds, 1), 0);
}

START_TEST(test_each_call_fails_once_purging_at_once) {
  set_delay("0");
  fail_every(1, FAULT_ALL, 7);
}
END_TEST

START_TEST(test_each_call_fails_once_without_caches) {
  ck_assert_int_eq(setenv("HAKMEM_BIGCACHE", "0", 1), 0);
  ck_assert_int_eq(setenv("HAKMEM_WHALE", "0", 1), 0);
  ck_assert_int_eq(setenv("HAKMEM_SUPERSLAB_MAX_CACHED", "0", 1), 0);
  fail_every(1, FAULT_ALL, 7);
}
END_TEST

START_TEST(test_each_call_fails_once_without_tiers) {
  ck_assert_int_eq(setenv("HAKMEM_WRAP_TINY", "0", 1), 0);
  ck_assert_int_eq(setenv("HAKMEM_WRAP_L25", "0", 1), 0);
  fail_every(1, FAULT_ALL, 7);
}
END_TEST

/* _i: kind, FAULT_CALLS for all of them. */
START_TEST(test_random_failures_of_the_script) {
  unsigned kinds = _i == FAULT_CALLS ? FAULT_ALL : 1U << _i;
  run_healthy();
  for (unsigned seed = 1; seed <= 6; seed++) {
    const struct fault_case which = { .kinds = kinds, .chance = seed * 150, .seed = seed };
    in_child(&which);
    check_outcome(&which, false);
  }
}
END_TEST

/* ---- several threads, random operations, against the shadow ---- */

static const struct shadow_target target = {
  hak_malloc, hak_calloc, hak_realloc, hak_reallocarray, hak_aligned_alloc, hak_posix_memalign,
  hak_free, hak_free_sized, hak_free_aligned_sized, hak_usable_size
};

START_TEST(test_random_failures_in_threads) {
  unsigned kinds = _i == FAULT_CALLS ? FAULT_ALL : 1U << _i;
  struct shadow_plan plan = {
    .target = &target, .seed = 7 + (unsigned)_i, .threads = 3, .rounds = 3, .operations = 5000 / stride(), .slots = 100,
    .handover = 6, .sizes = { 14, 3, 1, 2 << 20 }, .may_fail = true
  };
  set_delay("0");
  faults_install();
  for (unsigned chance = 50; chance <= 950; chance += 450) {
    faults_at_random(chance, kinds, chance);
    shadow_run(&plan);
  }
  if (stride() == 1) ck_assert_uint_gt(faults_injected(), 0);   /* few operations may not need every kind */
  faults_stop();
  plan.may_fail = false;
  shadow_run(&plan);
  hak_trim(0);
  struct hak_stats stats;
  hak_stats_get(&stats, sizeof stats);
  for (unsigned tier = 0; tier < HAK_TIER_COUNT; tier++) ck_assert_uint_eq(stats.tier[tier].live_bytes, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fault");
  TCase *tests = tcase_create("fault");
  tcase_set_timeout(tests, 900);
  tcase_add_test(tests, test_without_failures);
  tcase_add_test(tests, test_each_call_fails_once);
  tcase_add_test(tests, test_ten_calls_fail_in_a_row);
  tcase_add_loop_test(tests, test_ten_of_a_kind_fail_in_a_row, 0, FAULT_CALLS);
  tcase_add_test(tests, test_all_calls_fail_from_some_point_on);
  tcase_add_test(tests, test_no_memory_from_some_point_on);
  tcase_add_test(tests, test_nothing_can_be_given_back_from_some_point_on);
  tcase_add_test(tests, test_each_call_fails_once_purging_at_once);
  tcase_add_test(tests, test_each_call_fails_once_without_caches);
  tcase_add_test(tests, test_each_call_fails_once_without_tiers);
  tcase_add_loop_test(tests, test_random_failures_of_the_script, 0, FAULT_CALLS + 1);
  tcase_add_loop_test(tests, test_random_failures_in_threads, 0, FAULT_CALLS + 1);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
