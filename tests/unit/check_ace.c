/* check_ace.c - the adaptive controller between counters and knobs: with made-up counters and times. */
#include <config.h>

#include <fcntl.h>

#include "ace.h"
#include "align.h"
#include "core.h"
#include "limit.h"
#include "message.h"
#include "trace.h"

enum { LOOK_MS = 10, TRIAL_BEGINS_MS = 1100 };   /* after four windows */

static char log_path[64];
static uint64_t clock_ms;
static _Thread_local uint32_t told;

static void start_with(enum ace mode, bool log) {
  kernel_watch();
  os_init();
  options_init(NULL, NULL, false, false);
  message_level = MESSAGE_NONE;
  option.ace = mode;
  snprintf(log_path, sizeof log_path, "/tmp/hakmem-check-ace.%d", (int)getpid());
  snprintf(option_ace_log, sizeof option_ace_log, "%s", log ? log_path : "");
  knobs_init();
  trace_init();
  ace_init();
  clock_ms = os_now_ms();
}

/* Looks for so many milliseconds at a program that wants again, in each of them, so much of what was given back. */
static void faults(unsigned ms, uint64_t bytes_per_ms) {
  for (unsigned done = 0; done < ms; done += LOOK_MS) {
    clock_ms += LOOK_MS;
    place_add(PLACE_L25, EVENT_REFAULTED_BYTES, bytes_per_ms * LOOK_MS / 2);
    place_add(PLACE_TINY, EVENT_REFAULTED_BYTES, bytes_per_ms * LOOK_MS / 2);
    ace_count_tick(&told, 0);
    ace_tick(clock_ms);
  }
}

START_TEST(knobs_begin_as_the_options_have_them) {
  options_init(NULL, NULL, false, false);
  option.purge_delay_ms = 33;
  option.batch_flush = 7 << 20;
  option.superslab_max_cached = 9;
  knobs_init();
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 33);
  ck_assert_int_eq(knob_get(KNOB_BATCH_FLUSH), 7 << 20);
  ck_assert_int_eq(knob_get(KNOB_EMPTY_SUPERSLABS), 9);
  ck_assert_int_eq(knob_get(KNOB_CACHE_DELAY_MS), 33);
  ck_assert_int_eq(knob_get(KNOB_CACHE_FLOOR), 8 << 20);
}
END_TEST

START_TEST(off_it_does_nothing) {
  start_with(ACE_OFF, true);
  faults(5000, 200 << 10);
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 25);
  ck_assert_uint_eq(ace_ticks, 0);
  struct ace_figures figures = ace_figures();
  ck_assert_uint_eq(figures.mode + figures.windows + (uint64_t)figures.knobs[0], 0);
  ck_assert_int_ne(access(log_path, F_OK), 0);
}
END_TEST

START_TEST(on_it_sets_what_the_counters_ask_for) {
  start_with(ACE_ON, false);
  faults(TRIAL_BEGINS_MS, 200 << 10);
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 50);
  ck_assert_int_eq(knob_get(KNOB_BATCH_FLUSH), 8 << 20);
  ck_assert_int_eq(knob_get(KNOB_EMPTY_SUPERSLABS), 32);
  ck_assert_int_eq(knob_get(KNOB_CACHE_DELAY_MS), 25);   /* no mapping was wanted again */
  faults(3000, 100);                                      /* that was it: it stays */
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 50);
  struct ace_figures figures = ace_figures();
  ck_assert_uint_eq(figures.mode, ACE_ON);
  ck_assert_uint_ge(figures.windows, 4000 / 260 - 1);
  ck_assert_uint_eq(figures.trials, 1);
  ck_assert_uint_eq(figures.stayed, 1);
  ck_assert_int_eq(figures.knobs[KNOB_BATCH_FLUSH], 8 << 20);
}
END_TEST

START_TEST(kept_mappings_are_a_matter_of_their_own) {
  start_with(ACE_ON, false);
  counter_add(COUNT_BIGCACHE_BYTES, 50 << 20);
  counter_add(COUNT_WHALE_BYTES, 50 << 20);
  faults(TRIAL_BEGINS_MS, 0);
  ck_assert_int_eq(knob_get(KNOB_CACHE_DELAY_MS), 12);
  ck_assert_int_eq(knob_get(KNOB_CACHE_FLOOR), 4 << 20);
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 25);
}
END_TEST

/* What heaps keep is idle too, and only what they keep now. */
START_TEST(empty_slabs_that_heaps_keep_are_idle) {
  start_with(ACE_ON, false);
  uint32_t first = 0, second = 0;
  ace_tell_kept(&first, 800);
  ace_tell_kept(&second, 800);
  ace_tell_kept(&first, 900);
  ck_assert_uint_eq(ace_kept_units, 1700);
  faults(TRIAL_BEGINS_MS, 0);
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 12);
  ace_tell_kept(&first, 0);
  ace_tell_kept(&second, 0);
  ck_assert_uint_eq(ace_kept_units, 0);
}
END_TEST

START_TEST(frozen_it_only_looks) {
  start_with(ACE_FREEZE, true);
  faults(5000, 200 << 10);
  ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), 25);
  ck_assert_uint_gt(ace_figures().windows, 10);
  ck_assert_uint_eq(ace_figures().trials, 0);
  char text[4096];
  int fd = open(log_path, O_RDONLY);
  long size = read(fd, text, sizeof text - 1);
  ck_assert_int_gt(size, 0);
  text[size] = '\0';
  ck_assert_ptr_nonnull(strstr(text, "frozen; would try to keep more"));
  close(fd);
  unlink(log_path);
}
END_TEST

/* A line a decision: when, what was seen, why, what is set now. */
START_TEST(the_log_says_what_and_why) {
  start_with(ACE_ON, true);
  faults(TRIAL_BEGINS_MS, 200 << 10);
  faults(1500, 100);
  char text[4096];
  int fd = open(log_path, O_RDONLY);
  long size = read(fd, text, sizeof text - 1);
  ck_assert_int_gt(size, 0);
  text[size] = '\0';
  close(fd);
  unlink(log_path);
  char *end = strchr(text, '\n');
  ck_assert_ptr_nonnull(end);
  *end = '\0';
  ck_assert_ptr_nonnull(strstr(text, " pages: in "));
  ck_assert_ptr_nonnull(strstr(text, "tries to keep more"));
  ck_assert_ptr_nonnull(strstr(text, "rung 1: delay 50 ms, flush 8192 KiB, 32 empty SuperSlabs"));
  ck_assert_ptr_nonnull(strstr(end + 1, "stays there"));
  ck_assert_ptr_null(strstr(end + 1, "mappings"));
}
END_TEST

START_TEST(no_delay_and_no_purge_are_the_users) {
  static const long delays[] = { 0, -1 };
  for (int i = 0; i < 2; i++) {
    start_with(ACE_OFF, false);
    option.ace = ACE_ON;
    option.purge_delay_ms = delays[i];
    knobs_init();
    ace_init();
    faults(3000, 200 << 10);
    ck_assert_int_eq(knob_get(KNOB_PURGE_DELAY_MS), delays[i]);
    ck_assert_int_eq(knob_get(KNOB_BATCH_FLUSH), 4 << 20);
  }
}
END_TEST

static uint64_t start_ms;
static void *looks(void *unused) {
  for (uint64_t ms = start_ms; ms < start_ms + 20000; ms++) {
    place_add(PLACE_MID, EVENT_REFAULTED_BYTES, 64 << 10);
    ace_count_tick(&told, 0);
    ace_tick(ms);
  }
  return unused;
}

/* Many threads at once: each window is one thread's, what is set is always a rung's. */
START_TEST(threads_do_not_wait_for_each_other) {
  start_with(ACE_ON, false);
  start_ms = clock_ms;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) require(pthread_create(&threads[i], NULL, looks, NULL) == 0);
  for (int i = 0; i < 4; i++) require(pthread_join(threads[i], NULL) == 0);
  ck_assert_uint_ge(ace_figures().windows, 2);
  ck_assert_int_ge(knob_get(KNOB_PURGE_DELAY_MS), 3);
  ck_assert_int_le(knob_get(KNOB_PURGE_DELAY_MS), 1000);
}
END_TEST

static void go_on_in_child(void) {
  ace_fork_child();
  uint64_t windows = ace_figures().windows;
  faults(1000, 200 << 10);
  require(ace_figures().windows > windows);
}

START_TEST(a_child_goes_on) {
  start_with(ACE_ON, false);
  faults(TRIAL_BEGINS_MS, 200 << 10);
  ck_assert_int_eq(in_child(go_on_in_child), 0);
}
END_TEST

UNIT_MAIN("ace", knobs_begin_as_the_options_have_them, off_it_does_nothing, on_it_sets_what_the_counters_ask_for,
          kept_mappings_are_a_matter_of_their_own, empty_slabs_that_heaps_keep_are_idle, frozen_it_only_looks, the_log_says_what_and_why,
          no_delay_and_no_purge_are_the_users, threads_do_not_wait_for_each_other, a_child_goes_on)
