/* heap_inside.h - what heap.c and heap_keep.c share, and nobody else. Layer 7. The heap's lock is held where nothing else is said. */
#ifndef HAKMEM_HEAP_INSIDE_H
#define HAKMEM_HEAP_INSIDE_H

#include "limit.h"
#include "options.h"
#include "remote.h"
#include "superslab.h"

enum {
  BIGCACHE_RUN_MIN = 512 << 10,
  REQUEUE_SHARE = 8,             /* a full slab is queued once an eighth of it is free */
  KEEP_UNITS = 64, KEEP_SHARE = 4,   /* EMPTY slabs kept: 4 MiB and a quarter of the heap */
  PRESSED_KEEP_UNITS = 4             /* near the memory limit */
};

HAK_INLINE void heap_enqueue(struct heap *heap, struct slab *slab, bool in_front) {
  slab_queue_add(&heap->queue[slab->class_index], slab, in_front);
}

/* With HAKMEM_BIGCACHE_L25 runs of that size are BigCache's too: kept within its budget, not heap_keep_bound. */
HAK_INLINE bool heap_is_bigcache_run(const struct slab *slab) {
  return option.bigcache_l25 && option.bigcache && slab->capacity == 1 && slab->block_size >= BIGCACHE_RUN_MIN;
}

/* PARTIAL or EMPTY slabs are in their class's queue. */
HAK_INLINE void heap_dequeue(struct heap *heap, struct slab *slab) {
  if (slab->state == SLAB_EMPTY) {
    store_racy(&heap->kept_units, heap->kept_units - slab->units);
  } else {
    heap_park_leave(heap, slab);
  }
  slab_queue_remove(&heap->queue[slab->class_index], slab);
}

/* Free blocks from which on a full slab is worth being queued: fewer, and random churn would come here for each block. */
HAK_INLINE uint32_t heap_requeue_count(const struct slab *slab) {
  return slab->capacity / REQUEUE_SHARE > 1 ? slab->capacity / REQUEUE_SHARE : 1;
}
HAK_INLINE bool heap_has_pending_reference(const struct slab *slab) {
  return (__atomic_load_n(&slab->remote, __ATOMIC_RELAXED) & REMOTE_PENDING) != 0;
}

/* Units of EMPTY slabs that the heap may keep. */
HAK_INLINE uint32_t heap_keep_bound(const struct heap *heap) {
  if (unlikely(limit_stage() >= LIMIT_EAGER)) return PRESSED_KEEP_UNITS;
  return KEEP_UNITS + heap_resident_units(heap) / KEEP_SHARE + heap->credit_units;
}

/* What a slow path has to finish once its lock is released, since it may take system calls: slabs to destroy, on no
   list (chain by next), and PENDING references to slabs of others (chain by pending_next). */
struct heap_leftovers { struct slab *destroy, *hand_over; };

HAK_INLINE void heap_leave_to_destroy(struct heap_leftovers *left, struct slab *slab) {
  slab->next = left->destroy;
  left->destroy = slab;
}

/* No lock is held. */
void heap_finish(struct heap_leftovers *left);

/* heap.c. After used has fallen, in a slab that is not current. Returns the slab when it is to be destroyed by the caller. */
struct slab *heap_after_frees(struct heap *heap, struct slab *slab);
/* Out of every table entry first, so that no pop goes uncounted; then used is assigned. */
void heap_leave_current(struct heap *heap, struct slab *slab, uint32_t free_count);
/* An abandoned slab: FULL, on no queue; NULL: there is none. */
struct slab *heap_adopt(struct heap *heap, unsigned class);

/* heap_keep.c. Before the heap grows by so many units: EMPTY slabs of other classes go back, their pages are used again. */
void heap_reuse_empty(struct heap *heap, unsigned units, struct heap_leftovers *left);

#endif
