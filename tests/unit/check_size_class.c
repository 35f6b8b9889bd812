/* check_size_class.c - the table of block sizes. */
#include <config.h>

#include "core.h"

static void all_tiers(void) { size_class_init(true, true, true); }

START_TEST(every_size_has_the_smallest_class_that_fits) {
  for (size_t size = 0; size <= L25_MAX; size++) {
    unsigned class = size_class_of(size);
    require(class < CLASS_COUNT);
    require(size_classes[class].block_size >= size);
    require(class == 0 || size_classes[class - 1].block_size < size);
  }
}
END_TEST

/* 15 bytes to 128, a ninth to 8 KiB, above that a ninth or what is less than a page. */
START_TEST(waste_is_bounded) {
  for (size_t size = 1; size <= L25_MAX; size++) {
    size_t block = size_classes[size_class_of(size)].block_size, waste = block - size;
    if (size <= 128) require(waste <= 15);
    else if (size <= 8192) require(waste * 9 < block);
    else require(waste * 9 < block || waste < 4096);
  }
}
END_TEST

START_TEST(tiers_begin_and_end_where_they_should) {
  ck_assert_uint_eq(size_class_tier(size_class_of(0)), TIER_TINY);
  ck_assert_uint_eq(size_class_tier(size_class_of(1024)), TIER_TINY);
  ck_assert_uint_eq(size_class_tier(size_class_of(1025)), TIER_MID);
  ck_assert_uint_eq(size_class_tier(size_class_of(32 * KIB)), TIER_MID);
  ck_assert_uint_eq(size_class_tier(size_class_of(32 * KIB + 1)), TIER_L25);
  ck_assert_uint_eq(size_class_tier(size_class_of(MIB)), TIER_L25);
  ck_assert_uint_eq(size_class_of(MIB + 1), CLASS_NONE);
  ck_assert_uint_eq(size_class_of(SIZE_MAX), CLASS_NONE);
  ck_assert_uint_eq(size_class_tier(CLASS_NONE), TIER_HUGE);
  ck_assert_uint_eq(size_classes[CLASS_MID_FIRST - 1].block_size, TINY_MAX);
  ck_assert_uint_eq(size_classes[CLASS_L25_FIRST - 1].block_size, MID_MAX);
  ck_assert_uint_eq(size_classes[CLASS_RUN_FIRST - 1].block_size, CACHED_MAX);
  ck_assert_uint_eq(size_classes[CLASS_COUNT - 1].block_size, L25_MAX);
}
END_TEST

START_TEST(slabs_hold_as_many_blocks_as_fit) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    const struct size_class *row = &size_classes[class];
    size_t bytes = (size_t)row->units * UNIT_SIZE;
    require(row->block_size % GRANULE == 0);
    require(class == 0 || row->block_size > size_classes[class - 1].block_size);
    require(row->units >= 1 && row->units <= SUPERSLAB_UNITS && row->capacity >= 1);
    require((size_t)row->capacity * row->block_size <= bytes);
    require(row->capacity <= UINT16_MAX);   /* parked_blocks and rest_count of a slab */
    require(bytes - (size_t)row->capacity * row->block_size < UNIT_SIZE || class < CLASS_MID_FIRST);
    if (class < CLASS_RUN_FIRST) require((size_t)(row->capacity + 1) * row->block_size > bytes);
    else require(row->capacity == 1 && bytes - row->block_size < UNIT_SIZE);
  }
}
END_TEST

START_TEST(slabs_are_as_large_as_the_design_says) {
  static const struct { size_t last; unsigned units; } rows[] = {
    { 512, 1 }, { 1 * KIB, 2 }, { 2 * KIB, 1 }, { 4 * KIB, 2 }, { 8 * KIB, 4 }, { 256 * KIB, 8 },
  };
  unsigned row = 0;
  for (unsigned class = 0; class < CLASS_RUN_FIRST; class++) {
    while (size_classes[class].block_size > rows[row].last) row++;
    /* So much, less units at the end that no block reaches. */
    size_t bytes = rows[row].units * (size_t)UNIT_SIZE;
    require(size_classes[class].capacity == bytes / size_classes[class].block_size);
    require(size_classes[class].units <= rows[row].units);
  }
}
END_TEST

/* What slab_is_block rests on: multiples give multiples of the excess, all else at least the reciprocal. */
START_TEST(reciprocals_are_exact_within_a_slab) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    const struct size_class *row = &size_classes[class];
    uint64_t most = (uint64_t)row->units * UNIT_SIZE / row->block_size + 1;
    require(row->excess >= 1 && row->excess <= row->block_size);
    require(row->reciprocal * row->block_size == row->excess);
    require(row->reciprocal > most * row->excess);
  }
}
END_TEST

START_TEST(a_list_grows_by_a_page_at_most) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    const struct size_class *row = &size_classes[class];
    require(row->carve_step >= 1);
    require(row->carve_step == 1 || (size_t)row->carve_step * row->block_size <= 4096);
    if (row->block_size < 2048) require(row->carve_step > 1 || row->block_size * 2 > 4096);
    else require(row->carve_step == 1);
  }
}
END_TEST

START_TEST(the_thread_table_agrees_with_the_classes) {
  for (size_t size = 1; size <= CACHED_MAX; size++) {
    unsigned class = size_class_of(size);
    if (size <= TINY_MAX) {
      require(class_of_granule[(size + GRANULE - 1) / GRANULE] == class);
    } else {
      unsigned index = cached_of_step[(size + (1 << STEP_SHIFT) - 1) >> STEP_SHIFT];
      require(index < CACHED_COUNT && index + CLASS_MID_FIRST == class);
    }
  }
}
END_TEST

/* Bit i of tiers: tier i is on. Where a size of this tier goes. */
static enum tier expected_tier(enum tier tier, unsigned tiers) {
  while (tier < TIER_HUGE && (tiers >> tier & 1) == 0) tier++;
  return tier;
}
static enum tier natural_tier(size_t size) {
  return size <= TINY_MAX ? TIER_TINY : size <= MID_MAX ? TIER_MID : TIER_L25;
}

START_TEST(sizes_of_a_tier_that_is_off_go_to_the_next) {
  for (unsigned tiers = 0; tiers < 8; tiers++) {
    size_class_init((tiers & 1) != 0, (tiers & 2) != 0, (tiers & 4) != 0);
    for (size_t size = 0; size <= L25_MAX; size++) {
      unsigned class = size_class_of(size);
      require(size_class_tier(class) == expected_tier(natural_tier(size), tiers));
      require(class == CLASS_NONE || size_classes[class].block_size >= size);
      if (size > TINY_MAX && size <= CACHED_MAX) {
        unsigned index = cached_of_step[(size + (1 << STEP_SHIFT) - 1) >> STEP_SHIFT];
        require(index == (class < CLASS_RUN_FIRST ? class - CLASS_MID_FIRST : (unsigned)CACHED_COUNT));
      }
    }
  }
  all_tiers();
}
END_TEST

static bool starts_are_aligned(unsigned class, size_t alignment) {
  return size_classes[class].capacity == 1 || size_classes[class].block_size % alignment == 0;
}

START_TEST(aligned_sizes_have_the_smallest_class_that_is_aligned) {
  for (size_t alignment = 1; alignment <= UNIT_SIZE; alignment *= 2)
    for (size_t size = 0; size <= L25_MAX; size += size < 9000 ? 1 : 509) {
      unsigned class = size_class_of_aligned(size, alignment);
      require(class < CLASS_COUNT && size_classes[class].block_size >= size);
      require(starts_are_aligned(class, alignment));
      for (unsigned smaller = size_class_of(max_size(size, alignment)); smaller < class; smaller++)
        require(!starts_are_aligned(smaller, alignment));
    }
}
END_TEST

START_TEST(aligned_sizes_never_meet_a_tier_that_is_off) {
  for (unsigned tiers = 0; tiers < 8; tiers++) {
    size_class_init((tiers & 1) != 0, (tiers & 2) != 0, (tiers & 4) != 0);
    for (size_t alignment = 1; alignment <= UNIT_SIZE; alignment *= 2)
      for (size_t size = 0; size <= L25_MAX; size += size < 2000 ? 1 : 1021) {
        unsigned class = size_class_of_aligned(size, alignment);
        if (class == CLASS_NONE) {
          require((tiers & 4) == 0);
          continue;
        }
        require((tiers >> size_class_tier(class) & 1) != 0);
        require(size_classes[class].block_size >= size && starts_are_aligned(class, alignment));
      }
  }
  all_tiers();
}
END_TEST

START_TEST(what_no_slab_can_align_is_huge) {
  ck_assert_uint_eq(size_class_of_aligned(1, 2 * UNIT_SIZE), CLASS_NONE);
  ck_assert_uint_eq(size_class_of_aligned(1, (size_t)1 << 30), CLASS_NONE);
  ck_assert_uint_eq(size_class_of_aligned(L25_MAX + 1, 64), CLASS_NONE);
  ck_assert_uint_eq(size_class_of_aligned(L25_MAX, UNIT_SIZE), CLASS_COUNT - 1);
}
END_TEST

UNIT_MAIN_WITH("size_class", all_tiers, NULL, every_size_has_the_smallest_class_that_fits, waste_is_bounded,
               tiers_begin_and_end_where_they_should, slabs_hold_as_many_blocks_as_fit,
               slabs_are_as_large_as_the_design_says, reciprocals_are_exact_within_a_slab,
               a_list_grows_by_a_page_at_most, the_thread_table_agrees_with_the_classes,
               sizes_of_a_tier_that_is_off_go_to_the_next,
               aligned_sizes_have_the_smallest_class_that_is_aligned,
               aligned_sizes_never_meet_a_tier_that_is_off, what_no_slab_can_align_is_huge)
