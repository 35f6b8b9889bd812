/* thread_exit.c - allocation in the last moments of a thread, and nothing lost by it.

   Destructors of thread-specific data re-arm themselves for all four rounds and allocate, free and
   keep blocks; other threads free what dead ones left. Memory must not grow with the number of threads. */
#include <config.h>

#include <limits.h>
#include <malloc.h>
#include <pthread.h>

#include "program.h"

static pthread_key_t first_key, key, last_key;
static unsigned rounds_seen;

struct late {
  unsigned round;
  unsigned char *block;
};

static void destructor(void *value) {
  struct late *late = value;
  REQUIRE(late->block == NULL || is_marked(late->block, 700, 9));
  free(late->block);
  late->block = get(700);
  REQUIRE(late->block != NULL);
  mark(late->block, 700, 9);
  void *big = get(300000);
  REQUIRE(big != NULL);
  free(big);
  if (++late->round < PTHREAD_DESTRUCTOR_ITERATIONS) {
    REQUIRE(pthread_setspecific(key, late) == 0);
    return;
  }
  __atomic_fetch_add(&rounds_seen, late->round, __ATOMIC_RELAXED);
  free(late->block);
  free(late);
}

static void free_value(void *value) { free(value); }

static void *left_behind[128];   /* blocks that a thread leaves for the next one */

static void *short_lived(void *argument) {
  struct late *late = calloc(1, sizeof *late);
  REQUIRE(late != NULL);
  REQUIRE(pthread_setspecific(first_key, get(40)) == 0);
  REQUIRE(pthread_setspecific(key, late) == 0);
  REQUIRE(pthread_setspecific(last_key, get(5000)) == 0);
  for (unsigned i = 0; i < 128; i++) {
    free(left_behind[i]);
    left_behind[i] = get(16 + i * 37);
    REQUIRE(left_behind[i] != NULL);
  }
  return argument;
}

static void run_threads(unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, short_lived, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
  }
}

int main(void) {
  REQUIRE(pthread_key_create(&first_key, free_value) == 0);
  REQUIRE(pthread_key_create(&key, destructor) == 0);
  REQUIRE(pthread_key_create(&last_key, free_value) == 0);
  run_threads(500);
  size_t live_before = mallinfo2().uordblks;
  long rss_before = status_kib("/proc/self/status", "VmRSS");
  run_threads(4000);
  size_t live_after = mallinfo2().uordblks;
  long rss_after = status_kib("/proc/self/status", "VmRSS");
  REQUIRE(rounds_seen == 4500 * PTHREAD_DESTRUCTOR_ITERATIONS);
  /* 16 bytes a thread would be 64000. */
  REQUIRE(live_after < live_before + 32768);
  REQUIRE(rss_after < rss_before + 1024);
  for (unsigned i = 0; i < 128; i++) free(left_behind[i]);
  return 0;
}
