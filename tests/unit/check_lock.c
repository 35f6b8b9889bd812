/* check_lock.c - exclusion, waiting, ranks. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock.h"
#include "unit.h"

enum { THREADS = 4, ROUNDS = 200000 };

static struct lock lock = LOCK_INIT(RANK_HUGE);
static unsigned long counter;

static void *count_up(void *unused) {
  for (int i = 0; i < ROUNDS; i++) {
    lock_acquire(&lock);
    counter++;
    lock_release(&lock);
  }
  return unused;
}

START_TEST(threads_exclude_each_other) {
  pthread_t thread[THREADS];
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, count_up, NULL), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  ck_assert_uint_eq(counter, (unsigned long)THREADS * ROUNDS);
  ck_assert_uint_eq(lock.state, 0);
}
END_TEST

static void *wait_for_it(void *seen) {
  lock_acquire(&lock);
  *(unsigned long *)seen = counter;
  lock_release(&lock);
  return NULL;
}

/* The waiter sleeps (its processor time stays small) and is woken. */
START_TEST(waiters_sleep_and_are_woken) {
  unsigned long seen = 0;
  pthread_t thread;
  struct rusage before, after;
  lock_acquire(&lock);
  getrusage(RUSAGE_SELF, &before);
  ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_it, &seen), 0);
  usleep(300000);
  getrusage(RUSAGE_SELF, &after);
  ck_assert_uint_eq(__atomic_load_n(&lock.state, __ATOMIC_RELAXED), 2);
  counter = 42;
  lock_release(&lock);
  pthread_join(thread, NULL);
  ck_assert_uint_eq(seen, 42);
  long used_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
                 after.ru_utime.tv_usec - before.ru_utime.tv_usec;
  ck_assert_int_lt(used_us, 150000);
}
END_TEST

START_TEST(a_contended_lock_keeps_errno) {
  pthread_t thread;
  unsigned long seen;
  lock_acquire(&lock);
  ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_it, &seen), 0);
  usleep(50000);
  errno = 4711;
  lock_release(&lock);
  ck_assert_int_eq(errno, 4711);
  pthread_join(thread, NULL);
}
END_TEST

START_TEST(reset_frees_a_lock_of_a_thread_that_is_gone) {
  lock_acquire(&lock);
  pid_t child = fork();
  if (child == 0) {
    lock_reset(&lock);
    lock_acquire(&lock);
    lock_release(&lock);
    lock_assert_none_held();
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  lock_release(&lock);
}
END_TEST

START_TEST(ranks_may_rise) {
  struct lock low = LOCK_INIT(RANK_HEAP), high = LOCK_INIT(RANK_METADATA);
  lock_acquire(&low);
  lock_acquire(&high);
  lock_release(&low);
  lock_release(&high);
  lock_assert_none_held();
}
END_TEST

START_TEST(fork_may_hold_all_heaps) {
  struct lock list = LOCK_INIT(RANK_HEAPS), one = LOCK_INIT(RANK_HEAP), two = LOCK_INIT(RANK_HEAP);
  lock_acquire(&list);
  lock_acquire(&one);
  lock_acquire(&two);
  lock_acquire(&lock);
  lock_release(&lock);
  lock_release(&two);
  lock_release(&one);
  lock_release(&list);
  lock_assert_none_held();
}
END_TEST

START_TEST(start_may_make_system_calls) {
  struct lock start = LOCK_INIT(RANK_START);
  lock_acquire(&start);
  lock_assert_none_held();
  lock_release(&start);
}
END_TEST

/* ---- what debug builds refuse ---- */

static void falling_ranks(void) {
  struct lock low = LOCK_INIT(RANK_HEAP);
  lock_acquire(&lock);
  lock_acquire(&low);
}
static void equal_ranks(void) {
  struct lock other = LOCK_INIT(RANK_HUGE);
  lock_acquire(&lock);
  lock_acquire(&other);
}
static void call_with_lock(void) {
  lock_acquire(&lock);
  lock_assert_none_held();
}
static void release_of_another(void) {
  lock_release(&lock);
}

/* The signal that the function ends with, 0 for none. */
static int signal_of(void (*function)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    if (freopen("/dev/null", "w", stderr) == NULL) _exit(1);
    function();
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(debug_builds_refuse_wrong_orders) {
  int expected = DEBUG_BUILD ? SIGABRT : 0;
  ck_assert_int_eq(signal_of(falling_ranks), expected);
  ck_assert_int_eq(signal_of(equal_ranks), expected);
  ck_assert_int_eq(signal_of(call_with_lock), expected);
  ck_assert_int_eq(signal_of(release_of_another), expected);
}
END_TEST

static void *try_it(void *got) {
  *(bool *)got = lock_try(&lock);
  if (*(bool *)got) lock_release(&lock);
  return NULL;
}
START_TEST(a_try_does_not_wait) {
  bool got = true;
  pthread_t thread;
  lock_acquire(&lock);
  ck_assert_int_eq(pthread_create(&thread, NULL, try_it, &got), 0);
  pthread_join(thread, NULL);
  ck_assert(!got);
  lock_release(&lock);
  ck_assert(lock_try(&lock));
  ck_assert_uint_eq(lock.state, 1);
  lock_release(&lock);
  ck_assert_uint_eq(lock.state, 0);
}
END_TEST

UNIT_MAIN("lock", a_try_does_not_wait, threads_exclude_each_other, waiters_sleep_and_are_woken, a_contended_lock_keeps_errno,
          reset_frees_a_lock_of_a_thread_that_is_gone, ranks_may_rise, fork_may_hold_all_heaps,
          start_may_make_system_calls, debug_builds_refuse_wrong_orders)
