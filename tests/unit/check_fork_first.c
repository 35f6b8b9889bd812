/* check_fork_first.c - fork by a thread that has no heap, in a process in which another one has. */
#include <config.h>

#include "core.h"
#include "hakmem.h"
#include "remote.h"
#include "thread.h"

enum { BLOCKS = 3000 };
static void *theirs[BLOCKS];
static pthread_barrier_t filled, forked;

static void *allocate_only(void *unused) {
  for (unsigned i = 0; i < BLOCKS; i++) theirs[i] = hak_malloc(1 + (size_t)i * 37 % 4000);
  pthread_barrier_wait(&filled);
  pthread_barrier_wait(&forked);
  return unused;
}
/* The child has closed the heap of the thread that is not there: what is freed of its slabs goes back. */
static void free_all_of_theirs(void) {
  for (unsigned i = 0; i < BLOCKS; i++) hak_free(theirs[i]);
  remote_flush(thread_heap());   /* so many frees have opened one, and it keeps the last of them back */
  require(counter_get(COUNT_ABANDONED) == 0);
  require(counter_get(COUNT_SPAN_BYTES) == 0);
  require(counter_get(COUNT_INVALID_FREES) == 0);
}
START_TEST(the_only_heap_may_be_another_threads) {
  skip_if(CORE_TSAN, "ThreadSanitizer has no children of processes with threads");
  pthread_t thread;
  pthread_barrier_init(&filled, NULL, 2);
  pthread_barrier_init(&forked, NULL, 2);
  require(pthread_create(&thread, NULL, allocate_only, NULL) == 0);
  pthread_barrier_wait(&filled);
  ck_assert_ptr_null(thread_heap());
  ck_assert_int_eq(in_child(free_all_of_theirs), 0);
  pthread_barrier_wait(&forked);
  pthread_join(thread, NULL);
}
END_TEST

UNIT_MAIN_WITH("fork_first", core_watch_process, NULL, the_only_heap_may_be_another_threads)
