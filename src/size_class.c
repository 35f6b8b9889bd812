/* size_class.c - the table of block sizes. */
#include <config.h>
#include "size_class.h"

/* One row a group: classes first + step, ..., last; units in a slab. */
static const struct {
  uint32_t after, last, step;
  uint16_t units;       /* at most; 0: a run, one block on as many units as it needs */
} groups[] = {
  { 0, 128, 16, 1 },           { 128, 256, 16, 1 },
  { 256, 512, 32, 1 },         { 512, 1024, 64, 1 },
  { 1024, 2048, 128, 1 },      { 2048, 4096, 256, 2 },
  { 4096, 8192, 512, 4 },      { 8192, 32 << 10, 4096, 8 },
  { 32 << 10, 64 << 10, 4096, 8 },
  { 64 << 10, 128 << 10, 8192, 8 },
  { 128 << 10, 256 << 10, 16384, 8 },
  { 256 << 10, 512 << 10, 32768, 0 },
  { 512 << 10, 1 << 20, 65536, 0 },
};
_Static_assert(L25_MAX == 1 << 20 && CACHED_MAX == 256 << 10 && MID_MAX == 32 << 10, "the groups end there");
_Static_assert(CLASS_COUNT < CLASS_NONE, "a class fits in a byte");

/* Bytes of a page that one extension of a list may touch. */
enum { CARVE_BYTES = 4096, CARVE_ONE_FROM = 2048 };

struct size_class size_classes[CLASS_COUNT];
uint8_t class_of_granule[TINY_GRANULES];
uint8_t cached_of_step[CACHED_STEPS];
static bool tier_on[TIER_COUNT];   /* constant after size_class_init */

static void fill_class(struct size_class *row, uint32_t size, unsigned units) {
  row->block_size = size;
  row->capacity = units != 0 ? units * UNIT_SIZE / size : 1;
  row->units = (uint16_t)((row->capacity * size + UNIT_SIZE - 1) / UNIT_SIZE);   /* none that no block reaches */
  row->carve_step = (uint16_t)(size >= CARVE_ONE_FROM ? 1 : CARVE_BYTES / size);
  row->reciprocal = UINT64_MAX / size + 1;
  if (is_power_of_two(size)) row->reciprocal++;      /* so that the excess is never 0 */
  row->excess = (uint32_t)(row->reciprocal * size);   /* modulo 2^64 */
}

enum tier size_class_tier(unsigned class) {
  if (class < CLASS_MID_FIRST) return TIER_TINY;
  if (class < CLASS_L25_FIRST) return TIER_MID;
  return class < CLASS_COUNT ? TIER_L25 : TIER_HUGE;
}

/* The first class at or after that one whose tier is on. */
static unsigned first_enabled(unsigned class, const bool on[TIER_COUNT]) {
  while (class < CLASS_COUNT && !on[size_class_tier(class)]) class++;
  return class < CLASS_COUNT ? class : CLASS_NONE;
}

void size_class_init(bool tiny, bool mid, bool l25) {
  const bool on[TIER_COUNT] = { tiny, mid, l25, true };
  unsigned class = 0;
  for (unsigned g = 0; g < sizeof groups / sizeof groups[0]; g++)
    for (uint32_t size = groups[g].after + groups[g].step; size <= groups[g].last; size += groups[g].step)
      fill_class(&size_classes[class++], size, groups[g].units);

  class = 0;
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
