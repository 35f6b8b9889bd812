/* check_thread_late.c - thread.c: calls after a thread's heap was closed, and threads without a key. */
#include <config.h>

#include <limits.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"

static void start(void) {
  core_watch_process();
  hak_free(hak_malloc(1));   /* and the library has its key */
}
static void start_without_a_key(void) {
  pthread_key_t taken;
  core_watch_process();
  while (pthread_key_create(&taken, NULL) == 0) {}
  hak_free(hak_malloc(1));
}

/* ThreadSanitizer's own state of a thread is gone in the last round. */
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS - CORE_TSAN, EACH = 100 };

static pthread_key_t key;
static void *early[EACH];              /* made while the thread lived */
static char *late[2 * ROUNDS][EACH];     /* made by its destructors */
static unsigned rounds_run, late_calls;

static size_t size_at(unsigned round, unsigned i) { return 1 + (size_t)(i * 97 + round * 13) % 6000; }

/* Runs in every round that the C library allows, before or after the library's own destructor. */
static void each_round(void *value) {
  unsigned round = rounds_run++;
  late_calls += thread_is_late();
  require(round < ROUNDS);
  for (unsigned i = 0; i < EACH; i++) {
    late[round][i] = i % 3 == 0 ? hak_calloc(1, size_at(round, i)) : hak_malloc(size_at(round, i));
    require(late[round][i] != NULL);
    require(i % 3 != 0 || all_bytes(late[round][i], size_at(round, i), 0));
    memset(late[round][i], (int)(round * 10 + i % 7), size_at(round, i));
  }
  for (unsigned i = round; i < EACH; i += ROUNDS) hak_free(early[i]);
  for (unsigned i = 0; i < EACH; i += 10) {
    late[round][i] = hak_realloc(late[round][i], 3 * size_at(round, i));
    require(late[round][i] != NULL);
  }
  if (round + 1 < ROUNDS) require(pthread_setspecific(key, value) == 0);
}

static void *with_destructor(void *value) {
  require(pthread_setspecific(key, value) == 0);
  for (unsigned i = 0; i < EACH; i++) early[i] = hak_malloc(size_at(9, i));
  return NULL;
}

START_TEST(destructors_may_call_in_all_rounds) {
  start();
  hak_trim(0);
  uint64_t held = counter_get(COUNT_SPAN_BYTES);
  ck_assert_int_eq(pthread_key_create(&key, each_round), 0);
  for (int thread = 0; thread < 5; thread++) {
    rounds_run = 0;
    in_thread(with_destructor, &key);
    ck_assert_uint_eq(rounds_run, ROUNDS);
    ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), 1);
    for (unsigned round = 0; round < ROUNDS; round++)
      for (unsigned i = 0; i < EACH; i++) {
        ck_assert(all_bytes(late[round][i], size_at(round, i), (int)(round * 10 + i % 7)));
        hak_free(late[round][i]);
      }
    hak_trim(0);
    ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  }
  ck_assert_uint_gt(late_calls, 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), held);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
  ck_assert_uint_le(counter_get(COUNT_HEAPS_MADE), 3);
}
END_TEST

/* One block a call: without adoption each of them would leave a slab behind. */
static void many_late_calls(void *unused) {
  (void)unused;
  if (!thread_is_late()) {
    require(pthread_setspecific(key, &key) == 0);
    return;
  }
  uint64_t spans = counter_get(COUNT_SPAN_BYTES);
  for (unsigned i = 0; i < EACH; i++) late[0][i] = hak_malloc(64);
  require(counter_get(COUNT_SPAN_BYTES) <= spans + 4 * UNIT_SIZE);
  for (unsigned i = 0; i < EACH; i++) hak_free(late[0][i]);
  void *aligned = hak_aligned_alloc(256, 1000);
  require(aligned != NULL && hak_owns(aligned) && hak_usable_size(aligned) >= 1000);
  hak_free(aligned);
  late_calls++;
}
static void *call_late(void *unused) {
  hak_free(hak_malloc(10));
  require(pthread_setspecific(key, &key) == 0);
  return unused;
}
START_TEST(late_calls_share_their_slabs) {
  start();
  ck_assert_int_eq(pthread_key_create(&key, many_late_calls), 0);
  in_thread(call_late, NULL);
  ck_assert_uint_gt(late_calls, 0);
  hak_trim(0);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
}
END_TEST

/* A late double free is one, and a late free of what was abandoned is not. */
static void free_twice(void *block) {
  if (!thread_is_late()) {
    require(pthread_setspecific(key, block) == 0);
    return;
  }
  void *volatile same = block;   /* or the compiler would warn */
  hak_free(block);
  hak_free(same);
  late_calls++;
}
static void *leave_two(void *unused) {
  early[0] = hak_malloc(100);
  early[1] = hak_malloc(100);
  require(pthread_setspecific(key, early[0]) == 0);
  return unused;
}
START_TEST(late_double_frees_are_recognised) {
  skip_if(!CHECKS, "built without checks");
  start();
  ck_assert_int_eq(pthread_key_create(&key, free_twice), 0);
  in_thread(leave_two, NULL);
  ck_assert_uint_eq(late_calls, 1);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 1);
  ck_assert(hak_owns(early[1]) && !hak_owns(early[0]));
}
END_TEST

/* ---- no key left ---- */

static void *use_some(void *to_keep) {
  void *block[200], **kept = to_keep;
  for (unsigned i = 0; i < 200; i++) {
    block[i] = hak_malloc(size_at(1, i));
    require(block[i] != NULL);
    memset(block[i], 1, size_at(1, i));
  }
  for (unsigned i = 0; i < 200; i++) hak_free(block[i]);
  for (unsigned i = 0; i < EACH && kept != NULL; i++) kept[i] = hak_malloc(size_at(2, i));
  require(thread_heap() != NULL);
  return NULL;
}
START_TEST(threads_work_without_a_key) {
  start_without_a_key();
  for (int thread = 0; thread < 50; thread++) {
    in_thread(use_some, early);
    for (unsigned i = 0; i < EACH; i++) {
      ck_assert(hak_owns(early[i]));
      hak_free(early[i]);
    }
  }
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
  /* A thread that gets the place of a dead one takes its heap over. */
  ck_assert_uint_le(counter_get(COUNT_HEAPS_MADE), 10);
  ck_assert_uint_le(counter_get(COUNT_SPAN_BYTES), 40 * (uint64_t)UNIT_SIZE * 10);
}
END_TEST

/* Eight at a time, none of whose heaps is closed when it ends. */
START_TEST(many_threads_work_without_a_key) {
  enum { AT_ONCE = 8 };
  static void *kept[AT_ONCE][EACH];
  start_without_a_key();
  for (int round = 0; round < 10; round++) {
    pthread_t thread[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) require(pthread_create(&thread[i], NULL, use_some, kept[i]) == 0);
    for (int i = 0; i < AT_ONCE; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < AT_ONCE; i++)
      for (unsigned k = 0; k < EACH; k++) hak_free(kept[i][k]);
  }
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
  ck_assert_uint_le(counter_get(COUNT_HEAPS_MADE), 8 * AT_ONCE);
}
END_TEST

/* ---- one key for all ---- */

static unsigned keys_left(void) {
  static pthread_key_t taken[PTHREAD_KEYS_MAX];
  unsigned count = 0;
  while (count < PTHREAD_KEYS_MAX && pthread_key_create(&taken[count], NULL) == 0) count++;
  for (unsigned i = 0; i < count; i++) pthread_key_delete(taken[i]);
  return count;
}
START_TEST(the_library_takes_one_key) {
  unsigned before = keys_left();
  start();
  ck_assert_uint_eq(keys_left(), before - 1);
  for (int i = 0; i < 3; i++) in_thread(use_some, early);
  ck_assert_uint_eq(keys_left(), before - 1);
}
END_TEST

/* ---- the main thread ends before the others ---- */

static void *go_on(void *unused) {
  while (counter_get(COUNT_HEAPS_LIVE) != 0) usleep(100);   /* its heap is closed */
  require(counter_get(COUNT_ABANDONED) > 0);
  use_some(NULL);
  for (unsigned i = 0; i < EACH; i++) {
    require(hak_owns(early[i]));
    hak_free(early[i]);
  }
  hak_trim(0);
  require(counter_get(COUNT_ABANDONED) == 0 && counter_get(COUNT_INVALID_FREES) == 0);
  require(counter_get(COUNT_HEAPS_LIVE) == 1);
  _exit(0);
  return unused;
}
static void end_the_main_thread(void) {
  pthread_t other;
  start();
  for (unsigned i = 0; i < EACH; i++) early[i] = hak_malloc(size_at(0, i));
  require(pthread_create(&other, NULL, go_on, NULL) == 0);
  pthread_exit(NULL);
}
START_TEST(the_main_thread_may_end_first) { ck_assert_int_eq(in_child(end_the_main_thread), 0); }
END_TEST

UNIT_MAIN("thread_late", destructors_may_call_in_all_rounds, late_calls_share_their_slabs,
          late_double_frees_are_recognised, threads_work_without_a_key, many_threads_work_without_a_key,
          the_library_takes_one_key, the_main_thread_may_end_first)
