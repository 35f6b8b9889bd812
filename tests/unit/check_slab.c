/* check_slab.c - one slab: made, carved, its blocks told from everything else, given back. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "remote.h"

static struct heap *const no_heap = NULL;
static struct heap some_heap;

static void start(void) {
  core_start(true);
  option.purge_delay_ms = -1;
  knobs_init();
}

static struct slab *make(unsigned class) {
  struct slab *slab = slab_create(no_heap, class);
  require(slab != NULL);
  slab_set_owner(slab, 0x1230);
  return slab;
}
static uintptr_t offset_of(const struct slab *slab, size_t at) {
  return (uintptr_t)slab->start + at - (uintptr_t)region_base;
}
static size_t bytes_of(const struct slab *slab) { return (size_t)slab->units * UNIT_SIZE; }
static void carve_all(struct slab *slab) {
  while (slab_carve(slab)) {}
  require(slab->carved == slab->capacity);
}
/* Nothing is in use in it any more. */
static void unmake(struct slab *slab) {
  slab->free = NULL;
  slab->state = SLAB_NONE;
  slab_destroy(slab);
}

/* ---- which addresses are blocks ---- */

static bool expected(const struct slab *slab, size_t at) {
  return at % slab->block_size == 0 && at / slab->block_size < slab->carved;
}
static void check_offset(const struct slab *slab, size_t at) {
  require(slab_is_block(slab, offset_of(slab, at)) == expected(slab, at));
  require(slab_may_be_block(slab, offset_of(slab, at)) == expected(slab, at));
}
static void check_every_offset(const struct slab *slab) {
  for (size_t at = 0; at < bytes_of(slab); at += CORE_ASAN || CORE_TSAN ? 7 : 1) check_offset(slab, at);
}

static void check_classes(unsigned first, unsigned end) {
  for (unsigned class = first; class < end; class++) {
    struct slab *slab = make(class);
    carve_all(slab);
    check_every_offset(slab);
    unmake(slab);
  }
}
START_TEST(exactly_multiples_are_tiny_blocks) { check_classes(0, CLASS_MID_FIRST); }
END_TEST
START_TEST(exactly_multiples_are_mid_blocks) { check_classes(CLASS_MID_FIRST, CLASS_L25_FIRST); }
END_TEST
START_TEST(exactly_multiples_are_large_blocks) { check_classes(CLASS_L25_FIRST, CLASS_COUNT); }
END_TEST

/* All the offsets, one by one, around each block and each page. */
START_TEST(only_carved_blocks_are_blocks) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    struct slab *slab = make(class);
    check_offset(slab, 0);   /* none yet */
    do {
      for (uint32_t i = 0; i <= slab->capacity; i++) {
        size_t at = (size_t)i * slab->block_size;
        if (at > bytes_of(slab)) break;
        for (size_t near = at < 17 ? 0 : at - 17; near < at + 17 && near < bytes_of(slab); near++)
          check_offset(slab, near);
      }
    } while (slab->carved < 3 * size_classes[class].carve_step && slab_carve(slab));
    unmake(slab);
  }
}
END_TEST

/* Wherever the slab lies: the same in each unit of a SuperSlab, in the last of the region, outside of it. */
START_TEST(blocks_are_told_anywhere) {
  region_units = region_units != 0 ? 3 * SUPERSLAB_UNITS : 0;
  unsigned outside = 0;
  for (unsigned i = 0; i < 5 * SUPERSLAB_UNITS; i++) {
    struct slab *slab = make(i % CLASS_MID_FIRST);
    outside += superslab_of(slab)->outside;
    carve_all(slab);
    for (size_t at = 0; at < bytes_of(slab); at += i % 3 + 1) check_offset(slab, at);
  }
  ck_assert_uint_ge(outside, 2 * SUPERSLAB_UNITS);
}
END_TEST

START_TEST(a_run_that_has_grown_is_still_one_block) {
  struct slab *slab = make(CLASS_RUN_FIRST);
  ck_assert_ptr_eq(slab_carve_one(slab), slab->start);
  slab_resize_run(slab, CLASS_COUNT - 1);
  ck_assert_uint_eq(slab->block_size, L25_MAX);
  ck_assert_uint_eq(slab->remote_block_size, L25_MAX);
  ck_assert_uint_eq(slab->units, L25_MAX / UNIT_SIZE);
  check_every_offset(slab);
}
END_TEST

/* ---- made and given back ---- */

START_TEST(a_fresh_slab_is_empty_and_unknown_until_it_has_an_owner) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    struct slab *slab = slab_create(&some_heap, class);
    require(slab != NULL && slab->free == NULL && slab->carved == 0 && slab->used == 0);
    require(slab->capacity == size_classes[class].capacity && slab->class_index == class);
    require(is_aligned(slab->start, UNIT_SIZE) && slab->heap == &some_heap &&
            remote_count(slab->remote) == 0);
    require(slab->start == superslab_of(slab)->base + (size_t)slab->first * UNIT_SIZE);
    for (size_t at = 0; at < bytes_of(slab); at += UNIT_SIZE)
      require(registry_lookup(slab->start + at).owner == OWNER_NONE);
    slab_set_owner(slab, 0x4560);
    for (size_t at = 0; at < bytes_of(slab); at += UNIT_SIZE / 2) {
      struct registry_entry entry = registry_lookup(slab->start + at);
      require(entry.owner == 0x4560 && entry.slab == slab);
    }
    require(slab->first + slab->units == SUPERSLAB_UNITS || slab_of(slab->start + bytes_of(slab)) != slab);
  }
}
END_TEST

START_TEST(a_destroyed_slab_is_nobodys) {
  struct slab *slab = make(class_for(8192));
  char *from = slab->start;
  size_t bytes = bytes_of(slab);
  uint64_t held = counter_get(COUNT_SPAN_BYTES);
  carve_all(slab);
  unmake(slab);
  for (size_t at = 0; at < bytes; at += UNIT_SIZE)
    ck_assert_uint_eq(registry_lookup(from + at).owner, OWNER_NONE);
  ck_assert_ptr_null(slab->heap);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), held - bytes);
}
END_TEST

START_TEST(pending_stays_with_the_descriptor) {
  struct slab *slab = make(0);
  slab->remote = REMOTE_PENDING;
  unmake(slab);
  struct slab *again = make(5);
  ck_assert_ptr_eq(again, slab);
  ck_assert_uint_eq(again->remote, REMOTE_PENDING);
}
END_TEST

START_TEST(no_memory_is_no_slab) {
  core_check_masks();
  kernel_refuse_all(true);
  ck_assert_ptr_null(slab_create(no_heap, CLASS_COUNT - 1));
  kernel_refuse_all(false);
  make(CLASS_COUNT - 1);
  core_check_masks();
}
END_TEST

/* ---- carving ---- */

/* At least 16 blocks where the pages are there already (_i). */
START_TEST(a_list_grows_by_a_page_in_order_of_address) {
  for (unsigned class = 0; class < CLASS_RUN_FIRST; class++) {
    const struct size_class *row = &size_classes[class];
    struct slab *slab = make(class);
    slab->zeroed = _i == 0;
    uint32_t step = _i != 0 && row->carve_step < 16 ? 16 : row->carve_step;
    for (uint32_t carved = 0; carved < row->capacity;) {
      require(slab->free == NULL && slab_carve(slab));
      uint32_t count = step < row->capacity - carved ? step : row->capacity - carved;
      for (uint32_t i = 0; i < count; i++) {
        require((char *)slab->free == slab->start + (size_t)(carved + i) * row->block_size);
        require(!CHECKS || block_is_free(slab->free));
        struct block *block = slab_pop(slab);
        require(!block_is_free(block));
      }
      carved += count;
      require(slab->carved == carved && slab->free == NULL);
    }
    require(!slab_carve(slab) && slab->carved == row->capacity);
    unmake(slab);
  }
}
END_TEST

START_TEST(carving_keeps_what_is_on_the_list) {
  struct slab *slab = make(class_for(512));
  slab_carve(slab);
  uint32_t first = slab_count_free(slab);
  slab_carve(slab);
  ck_assert_uint_eq(slab_count_free(slab), 2 * first);
  ck_assert_uint_eq(slab->carved, 2 * first);
}
END_TEST

START_TEST(single_blocks_come_straight_from_the_bump) {
  for (unsigned class = class_for(2048); class < CLASS_COUNT; class++) {
    struct slab *slab = make(class);
    for (uint32_t i = 0; i < slab->capacity; i++) {
      struct block *block = slab_carve_one(slab);
      require((char *)block == slab->start + (size_t)i * slab->block_size);
      require(slab->free == NULL && slab->carved == i + 1 && !block_is_free(block));
    }
    require(slab_carve_one(slab) == NULL && slab->carved == slab->capacity);
    unmake(slab);
  }
}
END_TEST

/* A block of an earlier life was free at this address: its key must not make the new one look free. */
START_TEST(keys_of_an_earlier_life_are_cleared) {
  skip_if(!CHECKS, "built without checks");
  unsigned class = class_for(4096);
  struct slab *slab = make(class);
  for (uint32_t i = 0; i < slab->capacity; i++) {
    struct block *block = slab_carve_one(slab);
    slab_push(slab, block, block_key(block));
  }
  unmake(slab);
  struct slab *again = make(class);
  ck_assert_ptr_eq(again->start, slab->start);
  ck_assert(!again->zeroed);
  struct block *block;
  while ((block = slab_carve_one(again)) != NULL) ck_assert(!block_is_free(block));
}
END_TEST

/* ---- list and counts ---- */

START_TEST(the_list_is_last_in_first_out_and_marks_its_blocks) {
  struct slab *slab = make(3);
  slab_carve(slab);
  struct block *first = slab_pop(slab), *second = slab_pop(slab);
  ck_assert(!block_is_free(first) && !block_is_free(second));
  slab_push(slab, first, block_key(first));
  slab_push(slab, second, block_key(second));
  if (CHECKS) ck_assert(block_is_free(first) && block_is_free(second));
  ck_assert_ptr_eq(slab_pop(slab), second);
  ck_assert_ptr_eq(slab_pop(slab), first);
  ck_assert(!block_is_free(first) && !block_is_free(second));
}
END_TEST

START_TEST(a_key_is_one_address_s_alone) {
  skip_if(!CHECKS, "built without checks");
  struct slab *slab = make(3);
  slab_carve(slab);
  struct block *first = slab_pop(slab), *second = slab_pop(slab);
  second->key = block_key(first);
  ck_assert(!block_is_free(second));
  ck_assert_uint_ne(block_key(first), block_key(second));
  ck_assert_uint_ne(block_key(first), (uintptr_t)first);
}
END_TEST

START_TEST(counting_ends_on_a_list_that_does_not) {
  struct slab *slab = make(7);
  slab_carve(slab);
  ck_assert_uint_eq(slab_count_free(slab), size_classes[7].carve_step);
  slab->free->next = slab->free;
  ck_assert_uint_eq(slab_count_free(slab), slab->capacity + 1);
}
END_TEST

START_TEST(frees_are_counted_down_and_settled) {
  static struct slab slab;
  slab.used = 10;
  slab_arm(&slab, 3);
  ck_assert_uint_eq(slab_count_down(&slab), 2);
  ck_assert_uint_eq(slab.used, 10);
  ck_assert_uint_eq(slab_settle(&slab), 1);
  ck_assert_uint_eq(slab.used, 9);
  ck_assert_uint_eq(slab_settle(&slab), 0);
  ck_assert_uint_eq(slab.countdown, 2);
  ck_assert_uint_eq(slab_count_down(&slab), 1);
  ck_assert_uint_eq(slab_count_down(&slab), 0);
  ck_assert_uint_eq(slab_settle(&slab), 2);
  ck_assert_uint_eq(slab.used, 7);
}
END_TEST

START_TEST(the_slab_of_an_empty_table_has_nothing_to_give) {
  ck_assert_ptr_null(slab_none.free);
  ck_assert(!slab_is_block(&slab_none, 0));
  ck_assert(!slab_may_be_block(&slab_none, 4096));
}
END_TEST

UNIT_MAIN_WITH("slab", start, NULL, exactly_multiples_are_tiny_blocks, exactly_multiples_are_mid_blocks,
               exactly_multiples_are_large_blocks, only_carved_blocks_are_blocks, blocks_are_told_anywhere,
               a_run_that_has_grown_is_still_one_block,
               a_fresh_slab_is_empty_and_unknown_until_it_has_an_owner, a_destroyed_slab_is_nobodys,
               pending_stays_with_the_descriptor, no_memory_is_no_slab,
               a_list_grows_by_a_page_in_order_of_address, carving_keeps_what_is_on_the_list,
               single_blocks_come_straight_from_the_bump, keys_of_an_earlier_life_are_cleared,
               the_list_is_last_in_first_out_and_marks_its_blocks, a_key_is_one_address_s_alone,
               counting_ends_on_a_list_that_does_not, frees_are_counted_down_and_settled,
               the_slab_of_an_empty_table_has_nothing_to_give)
