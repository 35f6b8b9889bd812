/* heap_sums.c - what heaps count by class, beyond 32 bits.

   A heap's own sums are narrow, since its page is full. The owner looks at one of them with each tick, and moves what
   has grown large to process-wide ones of 64 bits: between two looks at a sum there are 408 ticks of 32 slow paths, each of
   which adds a slab's blocks at most, so that none can wrap in between. */
#include <config.h>
#include "heap.h"

static HAK_SPARSE uint64_t carried[HEAP_SUMS];   /* atomic, relaxed */
static uint32_t carries;                         /* atomic; changes after each of them */

void heap_sums_carry(struct heap *heap, unsigned which) {
  lock_acquire(&heap->lock);
  uint32_t *sum = &heap->sums[which];
  int64_t moved = (int32_t)*sum > 0 ? HEAP_SUM_LARGE : -HEAP_SUM_LARGE;
  *sum -= (uint32_t)moved;
  __atomic_fetch_add(&carried[which], (uint64_t)moved, __ATOMIC_RELAXED);
  __atomic_fetch_add(&carries, 1, __ATOMIC_RELEASE);
  lock_release(&heap->lock);
}

static uint64_t widened(uint32_t sum) { return (uint64_t)(int64_t)(int32_t)sum; }

void heap_sums_add(struct heap_sums *sums, const struct heap *heap, unsigned class) {
  sums->supplied += widened(heap->supplied[class]);
  sums->frees += widened(heap->frees[class]);
  sums->misses += widened(heap->misses[class]);
  sums->refills += widened(heap->refills[class]);
}

void heap_sums_add_carried(struct heap_sums *sums, unsigned class) {
  uint64_t *const add[] = { &sums->supplied, &sums->frees, &sums->misses, &sums->refills };   /* in the order of the heap's */
  for (unsigned i = 0; i < HEAP_SUMS / CLASS_COUNT; i++)
    *add[i] += __atomic_load_n(&carried[i * CLASS_COUNT + class], __ATOMIC_RELAXED);
}

/* Acquire: pairs with heap_sums_carry. */
uint32_t heap_sums_carried(void) { return __atomic_load_n(&carries, __ATOMIC_ACQUIRE); }
