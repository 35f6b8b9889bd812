/* check_fork.c - the child of a process whose other threads are in the middle of anything. */
#include <config.h>

#include "ace.h"
#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"
#include "remote.h"
#include "report.h"

#define SKIP_UNDER_TSAN skip_if(CORE_TSAN, "ThreadSanitizer has no children of processes with threads")

static void start(void) {
  core_watch_process();
  hak_free(hak_malloc(1));
}

static size_t size_at(unsigned i) { return 1 + (size_t)i * 37 % 4000; }

/* ---- threads at work ---- */

enum { THREADS = 3, SLOTS = 256 };
static pthread_t thread[THREADS];
static bool stop;                       /* atomic */
static uint32_t working;                /* atomic: threads that have begun */
static void *slot[SLOTS];               /* atomic; blocks that any thread may free */

static void *work(void *number) {
  uint64_t seed = (uintptr_t)number + 1;
  void *mine[32] = { NULL };
  __atomic_fetch_add(&working, 1, __ATOMIC_RELAXED);
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    unsigned i = core_random(&seed) % 32;
    hak_free(mine[i]);
    mine[i] = hak_malloc(size_at(core_random(&seed) % 2000));
    void *p = hak_malloc(size_at(core_random(&seed) % 300));
    hak_free(__atomic_exchange_n(&slot[core_random(&seed) % SLOTS], p, __ATOMIC_ACQ_REL));
    if (core_random(&seed) % 512 == 0) hak_free(hak_calloc(1, 2 * MIB));
  }
  for (int i = 0; i < 32; i++) hak_free(mine[i]);
  return NULL;
}
static void threads_start(void) {
  __atomic_store_n(&stop, false, __ATOMIC_RELAXED);
  __atomic_store_n(&working, 0, __ATOMIC_RELAXED);
  for (uintptr_t i = 0; i < THREADS; i++) require(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
  while (__atomic_load_n(&working, __ATOMIC_RELAXED) < THREADS) usleep(100);
}
static void threads_end(void) {
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
}

/* What a child does: requests of all kinds, none of which overlap, and frees. */
static void use_everything(void) {
  enum { BLOCKS = 300 };
  static unsigned char *p[BLOCKS];
  for (unsigned round = 0; round < 3; round++) {
    for (unsigned i = 0; i < BLOCKS; i++) {
      p[i] = i % 50 == 0 ? hak_calloc(1, 3 * MIB / (1 + round)) : hak_malloc(size_at(i));
      require(p[i] != NULL);
      memset(p[i], (int)i, i % 50 == 0 ? 5000 : size_at(i));
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
      require(all_bytes(p[i], size_at(i), (int)i));
      hak_free(p[i]);
    }
  }
  hak_trim(0);
}

static void free_what_the_dead_had(void) {
  for (unsigned i = 0; i < SLOTS; i++)
    if (slot[i] != NULL && hak_owns(slot[i])) hak_free(slot[i]);
  use_everything();
  require(counter_get(COUNT_INVALID_FREES) == 0);
}
static void *use_in_thread(void *unused) {
  use_everything();
  return unused;
}
static void start_threads_again(void) {
  in_thread(use_in_thread, NULL);
  in_thread(use_in_thread, NULL);
  free_what_the_dead_had();
}
static void fork_again(void) {
  free_what_the_dead_had();
  require(in_child(use_everything) == 0);
  use_everything();
}

static void fork_often(int times, void (*body)(void)) {
  threads_start();
  for (int i = 0; i < times; i++) ck_assert_int_eq(in_child(body), 0);
  threads_end();
  use_everything();
  for (unsigned i = 0; i < SLOTS; i++) hak_free(slot[i]);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
START_TEST(a_child_can_use_everything) {
  SKIP_UNDER_TSAN;
  fork_often(CORE_ROUNDS(60), use_everything);
}
END_TEST
START_TEST(a_child_can_free_blocks_of_threads_that_are_gone) {
  SKIP_UNDER_TSAN;
  fork_often(CORE_ROUNDS(60), free_what_the_dead_had);
}
END_TEST
START_TEST(a_child_can_start_threads) {
  SKIP_UNDER_TSAN;
  fork_often(CORE_ROUNDS(30), start_threads_again);
}
END_TEST
START_TEST(a_child_can_fork) {
  SKIP_UNDER_TSAN;
  fork_often(CORE_ROUNDS(20), fork_again);
}
END_TEST
START_TEST(a_child_can_use_everything_without_a_region) {
  SKIP_UNDER_TSAN;
  core_open_constants();
  option.superslab_max_cached = 0;
  option.purge_delay_ms = 0;
  knobs_init();
  region_units = region_units != 0 ? SUPERSLAB_UNITS : 0;   /* the rest is outside */
  fork_often(CORE_ROUNDS(30), free_what_the_dead_had);
}
END_TEST

/* ---- threads that stand still: what is theirs is known exactly ---- */

enum { BLOCKS = 3000 };
static void *theirs[BLOCKS], *mine[BLOCKS];
static pthread_barrier_t filled, forked;

static void *fill_and_wait(void *unused) {
  for (unsigned i = 0; i < BLOCKS; i++) theirs[i] = hak_malloc(size_at(i));
  for (unsigned i = 0; i < BLOCKS; i += 3) hak_free(mine[i]);   /* some of them wait in its batches */
  pthread_barrier_wait(&filled);
  pthread_barrier_wait(&forked);
  for (unsigned i = 0; i < BLOCKS; i++) hak_free(theirs[i]);
  return unused;
}
static void standing_thread(void (*body)(void)) {
  for (unsigned i = 0; i < BLOCKS; i++) mine[i] = hak_malloc(size_at(i));
  pthread_barrier_init(&filled, NULL, 2);
  pthread_barrier_init(&forked, NULL, 2);
  require(pthread_create(&thread[0], NULL, fill_and_wait, NULL) == 0);
  pthread_barrier_wait(&filled);
  ck_assert_int_eq(in_child(body), 0);
  pthread_barrier_wait(&forked);
  pthread_join(thread[0], NULL);
  for (unsigned i = 0; i < BLOCKS; i++)
    if (i % 3 != 0) hak_free(mine[i]);
  hak_trim(0);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
}

static void expect_all_of_it_known(void) {
  for (unsigned i = 0; i < BLOCKS; i++)
    require(hak_owns(theirs[i]) && hak_usable_size(theirs[i]) >= size_at(i));
  for (unsigned i = 0; i < BLOCKS; i++) require(hak_owns(mine[i]) == (i % 3 != 0 || !CHECKS));
  require(counter_get(COUNT_HEAPS_LIVE) == 1 && counter_get(COUNT_ABANDONED) > 0);
}
START_TEST(a_child_knows_what_is_live) {
  SKIP_UNDER_TSAN;
  standing_thread(expect_all_of_it_known);
}
END_TEST

/* Nothing is lost: not the blocks of the dead thread, nor those that were in its batches. */
static void expect_nothing_left(void) {
  static struct figures figures;
  for (unsigned i = 0; i < BLOCKS; i++) hak_free(theirs[i]);
  for (unsigned i = 0; i < BLOCKS; i++)
    if (i % 3 != 0) hak_free(mine[i]);
  hak_trim(0);
  require(counter_get(COUNT_ABANDONED) == 0 && counter_get(COUNT_INVALID_FREES) == 0);
  figures_collect(&figures);
  require(figures.live_blocks[TIER_TINY] == 0 && figures.live_blocks[TIER_MID] == 0);
  use_everything();
}
START_TEST(a_child_loses_nothing) {
  SKIP_UNDER_TSAN;
  standing_thread(expect_nothing_left);
}
END_TEST

static void free_twice(void) {
  static void (*volatile give)(void *) = hak_free;   /* or the compiler would warn */
  for (unsigned i = 0; i < BLOCKS; i += 3) give(mine[i]);   /* freed by the dead thread */
  require(counter_get(COUNT_INVALID_FREES) == BLOCKS / 3);
  for (unsigned i = 0; i < BLOCKS; i++) hak_free(theirs[i]);
  for (unsigned i = 0; i < BLOCKS; i++) give(theirs[i]);
  require(counter_get(COUNT_INVALID_FREES) == BLOCKS / 3 + BLOCKS);
}
START_TEST(a_child_recognises_double_frees) {
  SKIP_UNDER_TSAN;
  skip_if(!CHECKS, "built without checks");
  standing_thread(free_twice);
}
END_TEST

/* ---- references in the hands of threads that are gone ---- */

static void *reference_block;
static void *free_the_block(void *unused) {
  hak_free(reference_block);
  return unused;
}
/* Blocks that come later find their way to their owner. */
static void expect_later_blocks_to_arrive(void) {
  struct slab *slab = slab_of(reference_block);
  in_thread(free_the_block, NULL);
  heap_drain_pending(thread_heap(), 10);
  require(slab->remote == 0 && slab->used == 0);
}
/* And so do those that were there already. */
static void expect_blocks_to_arrive(void) {
  struct slab *slab = slab_of(reference_block);
  heap_drain_pending(thread_heap(), 10);
  require(slab->remote == 0 && slab->used == 0);
}

START_TEST(a_reference_that_was_cut_off_is_made_anew) {
  in_thread(use_in_thread, NULL);
  reference_block = hak_malloc(300 * KIB);
  hak_free(hak_malloc(300 * KIB));   /* its slab is not the current one any more */
  struct slab *slab = slab_of(reference_block);
  slab->remote |= REMOTE_PENDING;    /* a thread has set it, and not come further */
  ck_assert_int_eq(in_child(expect_later_blocks_to_arrive), 0);
  slab->remote = 0;
  in_thread(free_the_block, NULL);
  ck_assert_ptr_eq(thread_heap()->pending, slab);
  thread_heap()->pending = NULL;     /* the same, with the block on the list */
  ck_assert_int_eq(in_child(expect_blocks_to_arrive), 0);
  thread_heap()->pending = slab;
  expect_blocks_to_arrive();
}
END_TEST

/* A thread that has set PENDING and is gone before it could push the slab: the flag alone must not keep later
   frees from being told. */
static void *orphan;
static void *free_orphan(void *unused) {
  hak_free(orphan);
  return unused;
}
static void free_from_a_thread_and_drain(void) {
  struct slab *slab = registry_lookup(orphan).slab;
  in_thread(free_orphan, NULL);
  require(remote_count(slab->remote) == 1);
  heap_drain_pending(thread_heap(), UINT32_MAX);
  require(remote_count(slab->remote) == 0);
}
START_TEST(a_reference_that_was_under_way_is_not_missed) {
  SKIP_UNDER_TSAN;
  in_thread(use_in_thread, NULL);   /* a second heap, for which the child looks at all slabs */
  orphan = hak_malloc(500);
  registry_lookup(orphan).slab->remote |= REMOTE_PENDING;
  ck_assert_int_eq(in_child(free_from_a_thread_and_drain), 0);
  registry_lookup(orphan).slab->remote &= ~REMOTE_PENDING;
  hak_free(orphan);
}
END_TEST

/* ---- forked by another thread ---- */

static void *fork_here(void *unused) {
  for (unsigned i = 0; i < BLOCKS; i++) theirs[i] = hak_malloc(size_at(i));
  require(in_child(use_everything) == 0);
  for (unsigned i = 0; i < BLOCKS; i++) hak_free(theirs[i]);
  return unused;
}
START_TEST(any_thread_may_fork) {
  SKIP_UNDER_TSAN;
  in_thread(fork_here, NULL);
  hak_trim(0);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
}
END_TEST

/* ---- the parent ---- */

START_TEST(the_parent_goes_on_as_before) {
  uint64_t live = counter_get(COUNT_HEAPS_LIVE);
  void *p = hak_malloc(100);
  ck_assert_int_eq(in_child(use_everything), 0);
  ck_assert(hak_owns(p));
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), live);
  hak_free(p);
  use_everything();
  in_thread(use_in_thread, NULL);
}
END_TEST

/* The program's own handlers may allocate: ours come last before the fork and first after it. */
static void *from_handler[3];
static void before_fork(void) { from_handler[0] = hak_malloc(1000); }
static void after_in_parent(void) { from_handler[1] = hak_malloc(1000); }
static void after_in_child(void) { from_handler[2] = hak_malloc(1000); }
START_TEST(handlers_of_the_program_may_allocate) {
  ck_assert_int_eq(pthread_atfork(before_fork, after_in_parent, after_in_child), 0);
  ck_assert_int_eq(in_child(use_everything), 0);
  ck_assert(hak_owns(from_handler[0]) && hak_owns(from_handler[1]));
  hak_free(from_handler[0]);
  hak_free(from_handler[1]);
}
END_TEST

/* A thread that had told what its heap keeps, but not noted it, when it was cut off. */
static void kept_is_the_sum(void) {
  uint64_t units = 0;
  for (const struct heap *heap = heap_first(); heap != NULL; heap = heap->next_heap) units += heap->kept_told;
  require(ace_kept_units == units);
}
START_TEST(what_a_thread_was_about_to_tell_is_told) {
  SKIP_UNDER_TSAN;
  threads_start();
  ace_kept_units += 1000;
  ck_assert_int_eq(in_child(kept_is_the_sum), 0);
  ace_kept_units -= 1000;
  threads_end();
}
END_TEST

UNIT_MAIN_WITH("fork", start, NULL, a_child_can_use_everything,
               a_child_can_free_blocks_of_threads_that_are_gone, a_child_can_start_threads,
               a_child_can_fork, a_child_can_use_everything_without_a_region, a_child_knows_what_is_live,
               a_child_loses_nothing, a_child_recognises_double_frees,
               a_reference_that_was_cut_off_is_made_anew,
               a_reference_that_was_under_way_is_not_missed, any_thread_may_fork,
               the_parent_goes_on_as_before, what_a_thread_was_about_to_tell_is_told, handlers_of_the_program_may_allocate)
