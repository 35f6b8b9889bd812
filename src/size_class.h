/* size_class.h - the table of block sizes. Layer 4. */
#ifndef HAKMEM_SIZE_CLASS_H
#define HAKMEM_SIZE_CLASS_H

#include "align.h"

enum tier { TIER_TINY, TIER_MID, TIER_L25, TIER_HUGE, TIER_COUNT, SLAB_TIERS = TIER_HUGE };

enum {
  UNIT_SHIFT = 16,
  UNIT_SIZE = 1 << UNIT_SHIFT,          /* 64 KiB */
  SUPERSLAB_SHIFT = 21,
  SUPERSLAB_SIZE = 1 << SUPERSLAB_SHIFT,
  SUPERSLAB_UNITS = SUPERSLAB_SIZE / UNIT_SIZE,
  GRANULE = 16,                         /* smallest block, and alignment of all */
  TINY_MAX = 1024,
  MID_MAX = 32 << 10,
  CACHED_MAX = 256 << 10,               /* largest size with a place in the thread's table */
  L25_MAX = 1 << 20,
  TINY_GRANULES = TINY_MAX / GRANULE + 1,
  STEP_SHIFT = 7,                       /* sizes above TINY_MAX are looked up in steps of 128 bytes */
  CLASS_TINY_COUNT = 32,
  CLASS_MID_COUNT = 30,
  CLASS_CACHED_L25_COUNT = 24,
  CLASS_RUN_COUNT = 16,
  CLASS_MID_FIRST = CLASS_TINY_COUNT,
  CLASS_L25_FIRST = CLASS_MID_FIRST + CLASS_MID_COUNT,
  CLASS_RUN_FIRST = CLASS_L25_FIRST + CLASS_CACHED_L25_COUNT,
  CLASS_COUNT = CLASS_RUN_FIRST + CLASS_RUN_COUNT,
  CLASS_NONE = 0xff,
  CACHED_COUNT = CLASS_MID_COUNT + CLASS_CACHED_L25_COUNT,   /* classes over TINY_MAX in the thread's table */
  CACHED_STEPS = (CACHED_MAX >> STEP_SHIFT) + 1
};

struct size_class {
  uint32_t block_size;
  uint16_t units;           /* 64 KiB units in a slab of it */
  uint16_t carve_step;      /* blocks added to a list by one extension */
  uint32_t capacity;        /* blocks in a slab */
  uint64_t reciprocal;      /* floor(2^64 / block_size) + 1 */
  uint32_t excess;          /* reciprocal * block_size - 2^64; slab.h says what for */
};

extern HAK_HIDDEN const struct size_class size_classes[CLASS_COUNT];
extern HAK_HIDDEN const char tier_names[TIER_COUNT][5];
/* Those below are constant after size_class_init(). Exact class of a tiny request, by (size + 15) / 16; honours the options. */
extern HAK_HIDDEN uint8_t class_of_granule[TINY_GRANULES];
/* Index in the thread's table of a request over TINY_MAX, up to CACHED_MAX, by (size + 127) / 128; CACHED_COUNT: none. */
extern HAK_HIDDEN uint8_t cached_of_step[CACHED_STEPS];

/* Computes where sizes go: which tiers are on decides it. */
void size_class_init(bool tiny, bool mid, bool l25);
/* The class for a size of at most L25_MAX, CLASS_NONE when it is to be huge. */
unsigned size_class_of(size_t size);
/* The same with the alignment (a power of two, <= UNIT_SIZE) of every block start. */
unsigned size_class_of_aligned(size_t size, size_t alignment);
HAK_INLINE enum tier size_class_tier(unsigned class) {
  return (enum tier)((class >= CLASS_MID_FIRST) + (class >= CLASS_L25_FIRST) + (class >= CLASS_COUNT));
}
/* The same, of a slab's blocks by their size. */
HAK_INLINE enum tier size_class_tier_of_block(uint32_t block_size) {
  return (enum tier)((block_size > TINY_MAX) + (block_size > MID_MAX));
}

#endif
