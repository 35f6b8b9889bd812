/* size_class.c - the table of block sizes. */
#include <config.h>
#include "size_class.h"

/* Bytes of a page that one extension of a list may touch. */
enum { CARVE_BYTES = 4096, CARVE_ONE_FROM = 2048 };

/* The excess must not be 0: 1 more for powers of two. */
#define RECIPROCAL(size) (UINT64_MAX / (size) + 1 + (((size) & ((size) - 1)) == 0))
/* at_most: units in a slab, less those that no block reaches; 0: a run, one block on as many units as it needs. */
#define CAPACITY(size, at_most) ((at_most) != 0 ? (at_most) * UNIT_SIZE / (size) : 1)
#define CLASS(size, at_most) \
  { (size), (CAPACITY(size, at_most) * (size) + UNIT_SIZE - 1) / UNIT_SIZE, \
    (size) >= CARVE_ONE_FROM ? 1 : CARVE_BYTES / (size), CAPACITY(size, at_most), \
    RECIPROCAL(size), (uint32_t)(RECIPROCAL(size) * (size)) }
/* Six and eight classes: after + step, after + 2 * step and so on. */
#define CLASSES_6(after, step, units) \
  CLASS((after) + (step), units), CLASS((after) + 2 * (step), units), CLASS((after) + 3 * (step), units), \
  CLASS((after) + 4 * (step), units), CLASS((after) + 5 * (step), units), CLASS((after) + 6 * (step), units)
#define CLASSES_8(after, step, units) \
  CLASSES_6(after, step, units), CLASS((after) + 7 * (step), units), CLASS((after) + 8 * (step), units)

const struct size_class size_classes[CLASS_COUNT] = {
  CLASSES_8(0, 16, 1),             CLASSES_8(128, 16, 1),
  CLASSES_8(256, 32, 1),           CLASSES_8(512, 64, 2),
  CLASSES_8(1024, 128, 1),         CLASSES_8(2048, 256, 2),
  CLASSES_8(4096, 512, 4),         CLASSES_6(8192, 4096, 8),
  CLASSES_8(32 << 10, 4096, 8),
  CLASSES_8(64 << 10, 8192, 8),
  CLASSES_8(128 << 10, 16384, 8),
  CLASSES_8(256 << 10, 32768, 0),
  CLASSES_8(512 << 10, 65536, 0),
};
_Static_assert(L25_MAX == 1 << 20 && CACHED_MAX == 256 << 10 && MID_MAX == 32 << 10, "the groups end there");
_Static_assert(CLASS_COUNT == 12 * 8 + 6, "each class has a row");
_Static_assert(CLASS_COUNT < CLASS_NONE, "a class fits in a byte");

HAK_CONSTANT uint8_t class_of_granule[TINY_GRANULES];
HAK_CONSTANT uint8_t cached_of_step[CACHED_STEPS];
static HAK_CONSTANT bool tier_on[TIER_COUNT];

const char tier_names[TIER_COUNT][5] = { "tiny", "mid", "l25", "huge" };

/* The first class at or after that one whose tier is on. */
static unsigned first_enabled(unsigned class, const bool on[TIER_COUNT]) {
  while (class < CLASS_COUNT && !on[size_class_tier(class)]) class++;
  return class < CLASS_COUNT ? class : CLASS_NONE;
}

void size_class_init(bool tiny, bool mid, bool l25) {
  const bool on[TIER_COUNT] = { tiny, mid, l25, true };
  unsigned class = 0;
  for (unsigned g = 0; g < TINY_GRANULES; g++) {
    while (size_classes[class].block_size < g * GRANULE) class++;
    class_of_granule[g] = (uint8_t)first_enabled(class, on);
  }
  for (unsigned i = 0; i < TIER_COUNT; i++) tier_on[i] = on[i];
  class = 0;
  for (unsigned s = 0; s < CACHED_STEPS; s++) {
    while (size_classes[class].block_size < s << STEP_SHIFT) class++;
    unsigned served = first_enabled(class, on);
    bool cached = served >= CLASS_MID_FIRST && served < CLASS_RUN_FIRST;
    /* A thread that has not started may look at any of them: all its entries are without a block. */
    store_racy(&cached_of_step[s], (uint8_t)(cached ? served - CLASS_MID_FIRST : CACHED_COUNT));
  }
}

unsigned size_class_of(size_t size) {
  if (size <= TINY_MAX) return class_of_granule[(size + GRANULE - 1) / GRANULE];
  if (size > L25_MAX) return CLASS_NONE;
  unsigned class = CLASS_RUN_FIRST;
  if (size <= CACHED_MAX) {
    unsigned index = cached_of_step[(size + (1 << STEP_SHIFT) - 1) >> STEP_SHIFT];
    if (index < CACHED_COUNT) return CLASS_MID_FIRST + index;
  }
  while (size_classes[class].block_size < size) class++;
  return first_enabled(class, tier_on);
}

unsigned size_class_of_aligned(size_t size, size_t alignment) {
  if (alignment > UNIT_SIZE || size > L25_MAX) return CLASS_NONE;
  unsigned class = size_class_of(max_size(size, alignment));
  enum tier last = TIER_HUGE;
  while (class < CLASS_COUNT) {
    const struct size_class *row = &size_classes[class];
    if (row->capacity == 1 || row->block_size % alignment == 0) return class;
    /* The next class whose tier is on: look its size up, since a tier in between may be off. */
    unsigned next = class + 1;
    last = size_class_tier(class);
    if (next < CLASS_COUNT && size_class_tier(next) != last) next = size_class_of(size_classes[next].block_size);
    class = next;
  }
  return CLASS_NONE;
}
