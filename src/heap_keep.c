/* heap_keep.c - EMPTY slabs and idle current ones: what is kept, and what is given back. */
#include <config.h>
#include "counters.h"
#include "heap_inside.h"
#include "heap_sample.h"
#include "knobs.h"

enum {
  IDLE_CAPACITY = 64,            /* shared current slabs of at most so many blocks leave when they are idle and empty */
  RETIRE_WALKS = 8,              /* lists of idle current slabs walked by one look */
  RELEASE_SLABS = 16,            /* EMPTY slabs that grow too old, given up by one slow path */
  REUSE_SLABS = 4                /* of them, given up for one slab of another class */
};

/* Gives up an EMPTY slab if nobody holds its PENDING reference. Lock held. */
static bool give_up_empty(struct heap *heap, struct slab *slab, struct heap_leftovers *left) {
  if (heap_has_pending_reference(slab)) return false;
  heap_dequeue(heap, slab);
  heap_leave_bigcache(slab);
  heap_forget_slab(heap, slab);
  slab->state = SLAB_NONE;
  heap_leave_to_destroy(left, slab);
  return true;
}

void heap_release_empty(struct heap *heap, uint64_t now_ms, bool all) {
  struct heap_leftovers left = { NULL, NULL };
  unsigned limit = all ? UINT32_MAX : RELEASE_SLABS;
  long delay_ms = knob_get(KNOB_PURGE_DELAY_MS);
  lock_acquire(&heap->lock);
  for (unsigned class = 0; class < CLASS_COUNT && heap->kept_units > 0; class++) {
    struct slab_queue *queue = &heap->queue[class];
    for (struct slab *slab = slab_queue_last(queue), *before; slab != NULL && slab->state == SLAB_EMPTY; slab = before) {
      before = slab_queue_before(queue, slab);
      bool old = (uint32_t)now_ms - slab->kept_ms >= (uint32_t)delay_ms;
      bool too_many = !all && heap->kept_units > heap_keep_bound(heap) && !heap_is_bigcache_run(slab);   /* the heap has shrunk */
      if (!(all || old || too_many) || limit == 0 || !give_up_empty(heap, slab, &left)) continue;
      if (!all) heap->given_up_units += slab->units;
      limit--;
    }
  }
  lock_release(&heap->lock);
  heap_finish(&left);
}

/* Adopted to be packed: PARTIAL, also one that has only room to carve, EMPTY, or FULL. */
static void file_adopted(struct heap *heap, struct slab *slab) {
  bool empty = slab->used == 0;
  if (slab->used == slab->capacity) {
    slab_arm(slab, heap_requeue_count(slab));
    return;
  }
  slab->state = empty ? SLAB_EMPTY : SLAB_PARTIAL;
  heap_enqueue(heap, slab, !empty);
  slab_arm(slab, empty ? UINT32_MAX : slab->used);
  if (!empty) {
    heap_park_wait(heap, slab);
    return;
  }
  slab->kept_ms = (uint32_t)heap->clock_ms;
  store_racy(&heap->kept_units, heap->kept_units + slab->units);
  if (!heap_is_bigcache_run(slab)) return;
  counter_add(COUNT_BIGCACHE_KEPT, 1);
  counter_add(COUNT_BIGCACHE_BYTES, slab->block_size);
}

unsigned heap_adopt_idle(struct heap *heap, unsigned limit) {
  unsigned adopted = 0;
  lock_acquire(&heap->lock);
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    struct slab *slab;
    for (; adopted < limit && (slab = heap_adopt(heap, class)) != NULL; adopted++) file_adopted(heap, slab);
  }
  lock_release(&heap->lock);
  return adopted;
}

/* Changes with each free, and with nearly every request. */
static uint32_t activity(const struct slab *slab) {
  return slab->countdown ^ (uint32_t)((uintptr_t)slab->free / GRANULE);
}

/* An idle current slab leaves when it is empty, or when pages of it may be parked then. A shared one stays as
   long as it is in use: sizes that it serves would get slabs of their own. One with blocks to carve stays too:
   FULL, nobody would find them. */
static bool may_leave(const struct slab *slab, uint32_t free_count, bool all) {
  if (free_count == slab->carved) return all || !slab->shared || slab->capacity <= IDLE_CAPACITY;
  return !slab->shared && slab->carved == slab->capacity && free_count >= heap_requeue_count(slab);
}

void heap_retire_idle(struct heap *heap, bool all) {
  struct heap_leftovers left = { NULL, NULL };
  unsigned walks = all ? UINT32_MAX : RETIRE_WALKS;
  lock_acquire(&heap->lock);
  for (unsigned class = 0; class < CLASS_COUNT && walks > 0; class++) {
    struct slab *slab = heap->current[class];
    if (slab == NULL) continue;
    /* Untouched since the last look, and walked then: the complement. */
    uint32_t now = activity(slab), before = slab->kept_ms;
    if (!all && before != now) {
      if (before != ~now) slab->kept_ms = now;
      continue;
    }
    if (slab->free == NULL && slab->rest == NULL) continue;
    slab->kept_ms = ~now;
    walks--;
    if (heap_samples(heap)) heap_sample_aside(heap, slab);   /* counts; joining is free then */
    uint32_t free_count = slab_join_rest(slab);
    if (!may_leave(slab, free_count, all)) {
      if (heap_samples(heap)) slab_set_rest(slab, free_count - slab->parked_blocks);
      continue;
    }
    heap_leave_current(heap, slab, free_count);
    struct slab *gone = heap_after_frees(heap, slab);
    if (gone != NULL) heap_leave_to_destroy(&left, gone);
  }
  lock_release(&heap->lock);
  heap_finish(&left);
}

void heap_reuse_empty(struct heap *heap, unsigned units, struct heap_leftovers *left) {
  unsigned freed = 0, slabs = 0;
  for (unsigned class = CLASS_COUNT; class-- > 0 && heap->kept_units > 0 && freed < units && slabs < REUSE_SLABS;) {
    struct slab *slab = slab_queue_last(&heap->queue[class]);
    if (slab == NULL || slab->state != SLAB_EMPTY || !give_up_empty(heap, slab, left)) continue;
    freed += slab->units;
    slabs++;
  }
}
