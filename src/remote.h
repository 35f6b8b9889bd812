/* remote.h - frees by threads that do not own the slab. Layer 7.

   The remote word of a slab: [63 ABANDONED][62 PENDING][61..42 count][41..21 tail][20..0 head], head and tail being the
   offsets of the list's first and last block from the slab's start in granules, plus 1, 0 for none. The tail is what makes
   one list of two without a walk over blocks that other cores have written to.
   - A pusher links its chain in front by compare-and-swap (release; pairs with the acquire of whoever takes
     the list). The one that sets PENDING, and only that one, puts the slab on its owner's pending stack.
   - PENDING stays with the descriptor, also when the slab dies and its units are used again: as long as
     it is set there is exactly one reference, in a pusher's hands or on some heap's stack, and whoever
     meets that reference hands it on to the owner of that moment (remote_hand_over).
   - The owner may take the list at any time (fetch-and that keeps PENDING).
   - ABANDONED is set and cleared under lock ABANDONED. While it is set a pusher sets no PENDING, but
     the one whose push makes count equal abandoned_used claims the slab. */
#ifndef HAKMEM_REMOTE_H
#define HAKMEM_REMOTE_H

#include "heap.h"

#define REMOTE_ABANDONED ((uint64_t)1 << 63)
#define REMOTE_PENDING ((uint64_t)1 << 62)
#define REMOTE_FLAGS (REMOTE_ABANDONED | REMOTE_PENDING)

enum { REMOTE_BLOCK_BITS = 21, REMOTE_COUNT_SHIFT = 2 * REMOTE_BLOCK_BITS, REMOTE_COUNT_BITS = 62 - REMOTE_COUNT_SHIFT };
_Static_assert(SUPERSLAB_SIZE / GRANULE < 1u << REMOTE_BLOCK_BITS && SUPERSLAB_SIZE / GRANULE < 1u << REMOTE_COUNT_BITS,
               "any block of a slab has a place in the remote word, and all of them together");

HAK_INLINE uint32_t remote_count(uint64_t word) {
  return (uint32_t)(word >> REMOTE_COUNT_SHIFT) & ((1u << REMOTE_COUNT_BITS) - 1);
}
HAK_INLINE struct block *remote_block(const struct slab *slab, uint64_t word, unsigned shift) {
  uint32_t granule = (uint32_t)(word >> shift) & ((1u << REMOTE_BLOCK_BITS) - 1);
  return granule == 0 ? NULL : (struct block *)(void *)(slab->start + (size_t)(granule - 1) * GRANULE);
}
HAK_INLINE struct block *remote_head(const struct slab *slab, uint64_t word) { return remote_block(slab, word, 0); }
HAK_INLINE struct block *remote_tail(const struct slab *slab, uint64_t word) {
  return remote_block(slab, word, REMOTE_BLOCK_BITS);
}

/* Frees a block of another thread's (or nobody's) slab. heap: the caller's, NULL if it has none.
   The block is checked: false when it is free already or no block. */
enum remote_result { REMOTE_FREED, REMOTE_DOUBLE, REMOTE_NOT_A_BLOCK };
enum remote_result remote_free(struct heap *heap, struct slab *slab, void *p);
/* Pushes all open batches. */
void remote_flush(struct heap *heap);
/* Takes the list of an own slab onto its free list; returns the number of blocks. settled: the caller
   holds the PENDING reference and gives it up with this. */
uint32_t remote_take(struct slab *slab, bool settled);
/* The caller holds slab's PENDING reference: gives it to the owner of now. */
void remote_hand_over(struct slab *slab);
/* In the child of fork: the batches of a heap whose thread is gone. */
void remote_fork_flush(struct heap *heap);

#endif
