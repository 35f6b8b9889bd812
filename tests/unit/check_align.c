/* check_align.c - arithmetic on sizes and addresses, and requests with an alignment. */
#include <config.h>

#include "align.h"
#include "allocator.h"
#include "core.h"

START_TEST(powers_of_two) {
  ck_assert(!is_power_of_two(0));
  for (unsigned bit = 0; bit < sizeof(size_t) * 8; bit++) {
    size_t power = (size_t)1 << bit;
    require(is_power_of_two(power));
    if (bit >= 2) require(!is_power_of_two(power - 1) && !is_power_of_two(power + 1));
  }
  ck_assert(!is_power_of_two(SIZE_MAX));
}
END_TEST

START_TEST(up_and_down) {
  for (size_t a = 1; a <= 4096; a *= 2)
    for (size_t n = 0; n < 10000; n++) {
      size_t up = align_up(n, a), down = align_down(n, a);
      require(up % a == 0 && up >= n && up - n < a);
      require(down % a == 0 && down <= n && n - down < a);
    }
  ck_assert_uint_eq(align_up(SIZE_MAX, 4096), 0);
  ck_assert_uint_eq(align_down(SIZE_MAX, 4096), SIZE_MAX - 4095);
}
END_TEST

START_TEST(addresses_and_the_smaller_of_two) {
  ck_assert(is_aligned(NULL, 4096));
  ck_assert(is_aligned((void *)(uintptr_t)0x1040, 64));
  ck_assert(!is_aligned((void *)(uintptr_t)0x1041, 2));
  ck_assert(!is_aligned((void *)(uintptr_t)0x1040, 128));
  ck_assert_uint_eq(min_size(3, SIZE_MAX), 3);
  ck_assert_uint_eq(max_size(3, SIZE_MAX), SIZE_MAX);
}
END_TEST

/* ---- requests ---- */

enum { SLOTS = 6 };

/* Blocks of one alignment and size: aligned, apart, whole, known, and free afterwards. */
static void try_aligned(size_t alignment, size_t size) {
  unsigned char *block[SLOTS];
  for (int i = 0; i < SLOTS; i++) {
    block[i] = allocator_aligned(alignment, size);
    require(block[i] != NULL && is_aligned(block[i], alignment) && is_aligned(block[i], GRANULE));
    require(allocator_usable_size(block[i]) >= size);
    memset(block[i], i + 1, size);
  }
  for (int i = 0; i < SLOTS; i++) {
    require(all_bytes(block[i], size, i + 1));
    require(allocator_owns(block[i]));
    allocator_free(block[i]);
    require(!CHECKS || !allocator_owns(block[i]));
  }
}

START_TEST(every_alignment_up_to_a_unit) {
  static const size_t sizes[] = { 0, 1, 15, 24, 48, 100, 1000, 1024, 1025, 3000, 5000, 20000, 70000, 300000 };
  core_watch_process();
  for (size_t alignment = 1; alignment <= UNIT_SIZE; alignment *= 2)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) try_aligned(alignment, sizes[i]);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

START_TEST(alignments_over_a_unit) {
  core_watch_process();
  for (size_t alignment = 2 * UNIT_SIZE; alignment <= (size_t)64 << 20; alignment *= 2) {
    try_aligned(alignment, 1);
    try_aligned(alignment, 100000);
  }
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

/* A young heap serves small sizes from slabs of larger blocks, which must be aligned as well. */
START_TEST(alignment_in_shared_slabs) {
  core_watch_process();
  for (size_t size = 1; size <= 4096; size += 7)
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
      void *p = allocator_aligned(alignment, size);
      require(p != NULL && is_aligned(p, alignment));
      allocator_free(p);
    }
}
END_TEST

/* Aligned and plain blocks of all kinds together, so that each aligned one comes from any list. */
START_TEST(alignment_in_a_mixed_heap) {
  enum { BLOCKS = 4000 };
  static void *block[BLOCKS];
  uint64_t seed = 7;
  core_watch_process();
  for (int round = 0; round < CORE_ROUNDS(200000); round++) {
    unsigned i = core_random(&seed) % BLOCKS;
    allocator_free(block[i]);
    size_t size = core_random(&seed) % (size_t)(1 << (core_random(&seed) % 14 + 1));
    size_t alignment = (size_t)1 << core_random(&seed) % 13;
    block[i] = round % 2 == 0 ? allocator_aligned(alignment, size) : allocator_malloc(size);
    require(block[i] != NULL);
    require(is_aligned(block[i], round % 2 == 0 ? max_size(alignment, GRANULE) : GRANULE));
  }
  for (int i = 0; i < BLOCKS; i++) allocator_free(block[i]);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

START_TEST(impossible_alignments_and_sizes) {
  core_watch_process();
  ck_assert_ptr_null(allocator_aligned((size_t)1 << (sizeof(size_t) * 8 - 1), 1));
  ck_assert_ptr_null(allocator_aligned((size_t)1 << (sizeof(size_t) * 8 - 2), ALLOCATOR_MAX));
  ck_assert_ptr_null(allocator_aligned(64, ALLOCATOR_MAX));
  ck_assert_ptr_null(allocator_aligned(64, ALLOCATOR_MAX - 63));
  ck_assert_ptr_null(allocator_aligned(64, SIZE_MAX));
  ck_assert_ptr_null(allocator_aligned(SIZE_MAX / 2 + 1, SIZE_MAX));
  try_aligned(64, 64);
}
END_TEST

/* Realloc promises no alignment, but must neither lose the contents nor mistake the block. */
START_TEST(realloc_of_aligned_blocks) {
  core_watch_process();
  for (size_t alignment = 32; alignment <= 4 * UNIT_SIZE; alignment *= 2) {
    bool bad;
    char *p = allocator_aligned(alignment, 100);
    memset(p, 'a', 100);
    p = allocator_realloc(p, 200000, &bad);
    require(p != NULL && !bad && all_bytes(p, 100, 'a'));
    p = allocator_realloc(p, 50, &bad);
    require(p != NULL && !bad && all_bytes(p, 50, 'a'));
    allocator_free(p);
  }
}
END_TEST

UNIT_MAIN("align", powers_of_two, up_and_down, addresses_and_the_smaller_of_two, every_alignment_up_to_a_unit,
          alignments_over_a_unit, alignment_in_shared_slabs, alignment_in_a_mixed_heap,
          impossible_alignments_and_sizes, realloc_of_aligned_blocks)
