/* Tests of counters.c. */
#include <config.h>
#include "counters.h"

#include <pthread.h>
#include <string.h>
#include "unit.h"

START_TEST(test_each_has_a_name_of_its_own) {
  for (int i = 0; i < COUNT_END; i++) {
    const char *name = counter_name((enum counter)i);
    ck_assert_uint_gt(strlen(name), 3);
    ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
    for (int k = 0; k < i; k++) ck_assert_str_ne(name, counter_name((enum counter)k));
  }
}
END_TEST

START_TEST(test_names_are_the_constants) {
  ck_assert_str_eq(counter_name(COUNT_HUGE_REQUESTS), "huge_requests");
  ck_assert_str_eq(counter_name(COUNT_BIGCACHE_HITS), "bigcache_hits");
  ck_assert_str_eq(counter_name(COUNT_ABANDONED), "abandoned");
  ck_assert_str_eq(counter_name(COUNT_ROUTE_L25), "route_l25");
  ck_assert_str_eq(counter_name(COUNT_REGISTRY_MISSES), "registry_misses");
}
END_TEST

START_TEST(test_add_and_subtract) {
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  counter_add(COUNT_DIRTY_BYTES, (uint64_t)5 << 32);
  counter_sub(COUNT_DIRTY_BYTES, 1);
  ck_assert(counter_get(COUNT_DIRTY_BYTES) == ((uint64_t)5 << 32) - 1);
  ck_assert_uint_eq(counter_get(COUNT_COMMITTED_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_PURGE_CALLS), 0);
}
END_TEST

enum { THREADS = 4, ROUNDS = 100000 };

static void *count(void *unused) {
  for (int i = 0; i < ROUNDS; i++) {
    counter_add(COUNT_REFILLS, 3);
    counter_sub(COUNT_REFILLS, 1);
  }
  return unused;
}

START_TEST(test_sums_of_threads_are_exact) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  ck_assert_uint_eq(counter_get(COUNT_REFILLS), 2 * THREADS * ROUNDS);
}
END_TEST

UNIT_MAIN("counters", test_each_has_a_name_of_its_own, test_names_are_the_constants, test_add_and_subtract,
          test_sums_of_threads_are_exact)
