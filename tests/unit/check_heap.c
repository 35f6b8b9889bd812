/* check_heap.c - heap.c, heap_life.c: blocks, the thread's table, shared slabs, runs, heaps opened
   and closed. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "heap.h"
#include "remote.h"

static struct heap *heap;
static struct thread_table table;

static void start(void) {
  core_start(true);
  option.purge_delay_ms = 1000000;
  knobs_init();
  heap = heap_open(0x1230);
  ck_assert_ptr_nonnull(heap);
  heap_table_clear(&table);
  heap->table = &table;
}

static struct block *take(size_t size) {
  struct block *taken = heap_alloc(heap, class_for(size), NULL);
  require(taken != NULL);
  return taken;
}
static void give(void *p) { heap_free_local(slab_of(p), p); }

static struct slab *entry_for(size_t size) {
  if (size <= TINY_MAX) return table.granule[(size + GRANULE - 1) / GRANULE];
  return table.cached[cached_of_step[(size + (1 << STEP_SHIFT) - 1) >> STEP_SHIFT]];
}
static bool in_table(const struct slab *slab) {
  for (unsigned i = 0; i < TINY_GRANULES; i++)
    if (table.granule[i] == slab) return true;
  for (unsigned i = 0; i <= CACHED_COUNT; i++)
    if (table.cached[i] == slab) return true;
  return false;
}

/* ---- young heaps ---- */

START_TEST(a_young_heap_serves_all_small_sizes_from_four_slabs) {
  for (size_t size = 1; size <= 4096; size += 16) {
    struct block *p = take(size);
    require(slab_of(p)->block_size >= size && slab_of(p)->shared);
    give(p);
  }
  ck_assert_uint_eq(counter_get(COUNT_SPANS_MADE), 4);
  ck_assert_uint_eq(slab_of(take(1))->block_size, 64);
  ck_assert_uint_eq(slab_of(take(65))->block_size, 256);
  ck_assert_uint_eq(slab_of(take(257))->block_size, 1024);
  ck_assert_uint_eq(slab_of(take(1025))->block_size, 4096);
  ck_assert(!slab_of(take(4097))->shared);
}
END_TEST

START_TEST(a_shared_slab_that_is_used_up_gives_way_to_exact_classes) {
  struct block *first = take(16);
  struct slab *shared = slab_of(first);
  /* The smallest sizes share two pages. */
  for (uint32_t i = 1; i < 128; i++) require(slab_of(take(1 + i % 64)) == shared);
  ck_assert_uint_eq(slab_of(take(16))->block_size, 16);
  ck_assert_uint_eq(slab_of(take(40))->block_size, 48);
  ck_assert(!shared->shared);
  for (uint32_t i = 128; i < shared->capacity; i++) require(slab_of(take(64)) == shared);
  ck_assert_uint_eq(slab_of(take(64))->block_size, 64);
  ck_assert_ptr_ne(slab_of(take(64)), shared);
  ck_assert_int_eq(shared->state, SLAB_FULL);
  ck_assert(!shared->shared);
  ck_assert_uint_eq(shared->used, shared->capacity);
  ck_assert_uint_eq(slab_of(take(200))->block_size, 256);   /* the other groups still share */
}
END_TEST

/* Pops that the table lets through are counted: the slab leaves every entry before used is assigned. */
START_TEST(a_used_up_slab_is_in_no_entry_of_the_table) {
  for (size_t size = 1; size <= 64; size += 16) take(size);
  struct slab *shared = slab_of(take(16));
  ck_assert_ptr_eq(entry_for(1), shared);
  ck_assert_ptr_eq(entry_for(64), shared);
  for (uint32_t i = 5; i < 128; i++) take(64);
  take(16);   /* the others leave: each has a slab of its own now */
  ck_assert_ptr_ne(entry_for(16), shared);
  ck_assert_ptr_ne(entry_for(40), shared);
  for (uint32_t i = 128; i < shared->capacity; i++) take(64);
  ck_assert_ptr_eq(entry_for(64), shared);
  ck_assert_int_eq(shared->state, SLAB_CURRENT);
  take(64);
  ck_assert_int_eq(shared->state, SLAB_FULL);
  ck_assert(!in_table(shared));
}
END_TEST

START_TEST(the_table_points_at_slabs_that_fit) {
  for (size_t size = 1; size <= CACHED_MAX; size += size < 4200 ? 1 : 509) {
    struct slab *slab = slab_of(take(size));
    require(entry_for(size) == slab && slab->block_size >= size && slab->state == SLAB_CURRENT);
  }
  ck_assert_ptr_eq(table.cached[CACHED_COUNT], &slab_none);
  for (size_t size = 1; size <= CACHED_MAX; size += size < 4200 ? 1 : 509) {
    require(entry_for(size) == &slab_none || entry_for(size)->block_size >= size);
    require(entry_for(size) == &slab_none || entry_for(size)->state == SLAB_CURRENT);
  }
}
END_TEST

START_TEST(a_run_has_no_entry) {
  struct block *run = take(L25_MAX);
  ck_assert(!in_table(slab_of(run)));
  ck_assert_ptr_eq(table.cached[CACHED_COUNT], &slab_none);
  take(600 * KIB);
  for (unsigned i = 0; i <= CACHED_COUNT; i++) ck_assert_ptr_eq(table.cached[i], &slab_none);
}
END_TEST

/* ---- blocks ---- */

/* Blocks of all classes, more of each than a slab has: every byte theirs, all apart, all known. */
START_TEST(blocks_of_all_classes_are_apart) {
  enum { EACH = 40 };
  static unsigned char *block[CLASS_COUNT][EACH];
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    for (unsigned i = 0; i < (class < CLASS_RUN_FIRST ? EACH : 4u); i++) {
      block[class][i] = (unsigned char *)heap_alloc(heap, class, NULL);
      require(block[class][i] != NULL && is_aligned(block[class][i], GRANULE));
      memset(block[class][i], (int)(class * 3 + i), size_classes[class].block_size);
    }
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    for (unsigned i = 0; i < EACH && block[class][i] != NULL; i++) {
      require(all_bytes(block[class][i], size_classes[class].block_size, (int)(class * 3 + i)));
      give(block[class][i]);
    }
}
END_TEST

START_TEST(the_last_block_freed_is_the_first_one_given) {
  struct block *first = take(500), *second = take(500);
  give(first);
  give(second);
  ck_assert_ptr_eq(take(500), second);
  ck_assert_ptr_eq(take(500), first);
}
END_TEST

START_TEST(blocks_that_are_said_to_be_zero_are) {
  static const size_t sizes[] = { 16, 1000, 2048, 4096, 5000, 20000, 100000, 250000, 400000, MIB };
  unsigned zero = 0;
  option.purge_delay_ms = 0;
  knobs_init();
  for (int round = 0; round < 40; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      bool zeroed = false;
      unsigned char *p = (unsigned char *)heap_alloc(heap, class_for(sizes[i]), &zeroed);
      require(p != NULL && (!zeroed || all_bytes(p, sizes[i], 0)));
      zero += zeroed;
      memset(p, 'x', sizes[i]);
      if (round % 3 != 0) give(p);
    }
  ck_assert_uint_ge(zero, 7);   /* fresh pages are not cleared again */
}
END_TEST

START_TEST(a_block_that_was_used_is_not_said_to_be_zero) {
  for (size_t size = 16; size <= MIB; size = size * 3 / 2) {
    bool zeroed = true;
    struct block *p = take(size);
    memset(p, 'x', size);
    give(p);
    struct block *again = heap_alloc(heap, class_for(size), &zeroed);
    require(again == p && !zeroed);
  }
}
END_TEST

START_TEST(no_memory_is_null_and_the_heap_stays_whole) {
  struct block *p = take(16);
  kernel_refuse_all(true);
  for (unsigned class = CLASS_MID_FIRST; class < CLASS_COUNT; class++) {
    struct block *block = heap_alloc(heap, class, NULL);
    if (block != NULL) give(block);
  }
  ck_assert_ptr_null(heap_alloc(heap, CLASS_RUN_FIRST - 1, NULL));
  ck_assert_ptr_nonnull(heap_alloc(heap, 0, NULL));   /* from the slab that is there */
  give(p);
  kernel_refuse_all(false);
  for (unsigned class = 0; class < CLASS_COUNT; class++) ck_assert_ptr_nonnull(heap_alloc(heap, class, NULL));
  core_check_masks();
}
END_TEST

/* ---- runs that grow in place ---- */

static struct block *take_run_with_room(void) {
  struct block *run = take(300 * KIB), *behind = take(MIB);
  take(MIB);   /* or the slab of the other one would stay, as the current one of its class */
  give(behind);
  heap_release_empty(heap, os_now_ms(), true);
  return run;
}

START_TEST(a_run_grows_into_free_units) {
  struct block *run = take_run_with_room();
  struct slab *slab = slab_of(run);
  uint32_t units = heap->bytes_units;
  uint64_t held = counter_get(COUNT_SPAN_BYTES);
  memset(run, 'x', 300 * KIB);
  ck_assert(heap_grow_run(heap, slab, class_for(600 * KIB)));
  ck_assert_uint_eq(slab->class_index, class_for(600 * KIB));
  ck_assert_uint_ge(slab->block_size, 600 * KIB);
  ck_assert_uint_eq(heap->bytes_units, units + slab->units - size_classes[class_for(300 * KIB)].units);
  for (size_t at = 0; at < slab->block_size; at += UNIT_SIZE)
    ck_assert_ptr_eq(slab_of((char *)run + at), slab);
  ck_assert(all_bytes(run, 300 * KIB, 'x'));
  memset(run, 'y', slab->block_size);
  give(run);
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), held - 5 * UNIT_SIZE);
  core_check_masks();
}
END_TEST

START_TEST(a_run_does_not_grow_into_what_is_in_use) {
  struct block *run = take(300 * KIB), *behind = take(300 * KIB);
  memset(behind, 'x', 300 * KIB);
  ck_assert(!heap_grow_run(heap, slab_of(run), CLASS_COUNT - 1));
  ck_assert_uint_eq(slab_of(run)->block_size, size_classes[class_for(300 * KIB)].block_size);
  ck_assert(all_bytes(behind, 300 * KIB, 'x'));
}
END_TEST

START_TEST(only_runs_grow) {
  struct block *run = take(600 * KIB), *block = take(200 * KIB);
  ck_assert(!heap_grow_run(heap, slab_of(block), CLASS_RUN_FIRST));
  ck_assert(!heap_grow_run(heap, slab_of(run), class_for(200 * KIB)));
  ck_assert(!heap_grow_run(heap, slab_of(run), class_for(300 * KIB)));   /* smaller */
}
END_TEST

/* The requests and frees of both classes are right after the block has moved from one to the other. */
START_TEST(a_grown_run_is_a_request_of_its_new_class) {
  struct block *run = take_run_with_room();
  unsigned old = class_for(300 * KIB), new = CLASS_COUNT - 1;
  uint64_t old_supplied = heap->supplied[old], new_supplied = heap->supplied[new];
  ck_assert(heap_grow_run(heap, slab_of(run), new));
  ck_assert_uint_eq(heap->supplied[old], old_supplied - 1);
  ck_assert_uint_eq(heap->supplied[new], new_supplied + 1);
}
END_TEST

/* ---- heaps ---- */

START_TEST(a_closed_heap_without_blocks_holds_nothing) {
  static struct block *block[3000];
  for (int i = 0; i < 3000; i++) block[i] = take(1 + (size_t)i * 7 % 5000);
  for (int i = 0; i < 3000; i++) give(block[i]);
  heap_close(heap);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), 0);
  ck_assert_uint_eq(heap->bytes_units, 0);
  for (unsigned i = 0; i < TINY_GRANULES; i++) ck_assert_ptr_eq(table.granule[i], &slab_none);
}
END_TEST

START_TEST(a_closed_heap_serves_again) {
  heap_close(heap);
  struct heap *again = heap_open(0x4560);
  ck_assert_ptr_eq(again, heap);
  ck_assert_uint_eq(again->owner, 0x4560);
  ck_assert_ptr_null(again->pending);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_MADE), 1);
  ck_assert_ptr_nonnull(heap_alloc(again, 3, NULL));
}
END_TEST

START_TEST(heaps_are_found_by_their_owner_while_in_use) {
  struct heap *other = heap_open(0x4560);
  ck_assert_ptr_ne(other, heap);
  ck_assert_ptr_eq(heap_find(0x1230), heap);
  ck_assert_ptr_eq(heap_find(0x4560), other);
  ck_assert_ptr_null(heap_find(0x7890));
  heap_close(other);
  ck_assert_ptr_null(heap_find(0x4560));
}
END_TEST

START_TEST(no_memory_for_a_heap_is_null) {
  kernel_refuse_all(true);
  unsigned opened = 0;
  while (opened < 1000 && heap_open(0x10000 + opened * 16) != NULL) opened++;
  ck_assert_uint_lt(opened, 1000);
  kernel_refuse_all(false);
  ck_assert_ptr_nonnull(heap_open(0x9990));
}
END_TEST

/* Slow paths look at the clock now and then. The clock is a coarse one; on a slow machine the slab that was current
   leaves between two looks, and is due with a later one. */
static void let_time_pass(void) {
  usleep(20000);
  for (int i = 0; i < 100; i++) heap_tick(heap);
}

START_TEST(slow_paths_purge_what_is_due) {
  struct block *block[3];
  for (int i = 0; i < 3; i++) block[i] = take(300 * KIB);
  for (int i = 0; i < 3; i++) give(block[i]);
  ck_assert_uint_gt(heap->kept_units, 0);
  option.purge_delay_ms = 1;
  knobs_init();
  let_time_pass();
  for (int i = 0; i < 10 && (heap->kept_units != 0 || counter_get(COUNT_DIRTY_BYTES) != 0); i++) let_time_pass();
  ck_assert_uint_eq(heap->kept_units, 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
}
END_TEST

UNIT_MAIN_WITH("heap", start, NULL, a_young_heap_serves_all_small_sizes_from_four_slabs,
               a_shared_slab_that_is_used_up_gives_way_to_exact_classes,
               a_used_up_slab_is_in_no_entry_of_the_table, the_table_points_at_slabs_that_fit,
               a_run_has_no_entry, blocks_of_all_classes_are_apart,
               the_last_block_freed_is_the_first_one_given, blocks_that_are_said_to_be_zero_are,
               a_block_that_was_used_is_not_said_to_be_zero, no_memory_is_null_and_the_heap_stays_whole,
               a_run_grows_into_free_units, a_run_does_not_grow_into_what_is_in_use, only_runs_grow,
               a_grown_run_is_a_request_of_its_new_class, a_closed_heap_without_blocks_holds_nothing,
               a_closed_heap_serves_again, heaps_are_found_by_their_owner_while_in_use,
               no_memory_for_a_heap_is_null, slow_paths_purge_what_is_due)
