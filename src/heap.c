/* heap.c - what a thread owns: the way of a slab through its states (table in slab.h). */
#include <config.h>
#include "ace.h"
#include "counters.h"
#include "heap_inside.h"
#include "heap_sample.h"
#include "huge.h"
#include "knobs.h"
#include "os.h"

enum {
  BUSY_FREES_MS = 160,           /* a current slab with so many frees a millisecond is not to take the slow path */
  CREDIT_MAX_UNITS = 1024, CREDIT_DECAY = 16,   /* kept beyond the bound: what was given up and wanted again, up to 64 MiB; a
                                                   sixteenth is forgotten with each look */
  /* The smallest sizes share a slab for two pages: a heap with more of them has enough of each, and they take half as
     much by themselves. */
  SHARED_SMALL = 64, SHARED_BLOCKS = 128,
  RELEASE_LOOKS = 16,            /* looks for EMPTY slabs in the time that they may stay */
  DRAIN_SLABS = 16,              /* pending slabs taken in by one slow path, until one of the class is found */
  TICK_DRAIN_SLABS = 4,          /* and by a tick */
  ADOPT_TRIES = 4
};

/* --- lists --- */

static void all_link(struct heap *heap, struct slab *slab) {
  slab->all_previous = NULL;
  slab->all_next = heap->all;
  if (heap->all != NULL) heap->all->all_previous = slab;
  heap->all = slab;
  store_racy(&heap->bytes_units, heap->bytes_units + slab->units);
}

void heap_forget_slab(struct heap *heap, struct slab *slab) {
  if (unlikely(heap->cursor == slab)) heap->cursor = slab->all_next;
  if (slab->all_previous != NULL) slab->all_previous->all_next = slab->all_next;
  else heap->all = slab->all_next;
  if (slab->all_next != NULL) slab->all_next->all_previous = slab->all_previous;
  slab->all_next = slab->all_previous = NULL;
  store_racy(&heap->bytes_units, heap->bytes_units - slab->units);
  if (unlikely(slab->parked != 0)) heap_count_parked(heap, slab_parked_bytes(slab), 0);
}

/* With HAKMEM_BIGCACHE_L25: a class of which heap_is_bigcache_run is true. */
static bool is_bigcache_class(unsigned class) {
  const struct size_class *row = &size_classes[class];
  return option.bigcache && row->capacity == 1 && row->block_size >= BIGCACHE_RUN_MIN;
}

void heap_leave_bigcache(const struct slab *slab) {
  if (!heap_is_bigcache_run(slab)) return;
  counter_sub(COUNT_BIGCACHE_BYTES, slab->block_size);
  place_add(PLACE_BIGCACHE, EVENT_FLUSHES, 1);
}

static bool is_queued(const struct slab *slab) { return slab->state == SLAB_PARTIAL || slab->state == SLAB_EMPTY; }

/* --- states --- */

static void make_current(struct heap *heap, struct slab *slab) {
  if (slab->state == SLAB_EMPTY && heap_is_bigcache_run(slab)) {
    counter_add(COUNT_BIGCACHE_HITS, 1);
    counter_sub(COUNT_BIGCACHE_BYTES, slab->block_size);
  }
  if (is_queued(slab)) heap_dequeue(heap, slab);
  heap->frees[slab->class_index] += slab_settle(slab);
  heap->supplied[slab->class_index] += slab->carved - slab->used;
  heap->refills[slab->class_index]++;
  slab->shared = heap_is_shared(heap, slab->class_index);
  slab->state = SLAB_CURRENT;
  if (heap_samples(heap)) heap_sample_current(slab);
  else slab_arm(slab, heap_current_countdown(heap));
  heap->current[slab->class_index] = slab;
}

static uint32_t min_count(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Out of every table entry; sizes that shared it get slabs of their own. */
static void take_out_of_table(struct heap *heap, struct slab *slab) {
  heap_table_unpoint(heap, slab);
  if (slab->shared) heap->shared_spent |= (uint8_t)(1u << heap_shared_group(slab->class_index));
  slab->shared = 0;
}

/* Out of every table entry first, so that no pop goes uncounted; then used is assigned. */
void heap_leave_current(struct heap *heap, struct slab *slab, uint32_t free_count) {
  take_out_of_table(heap, slab);
  heap_count_current_frees(heap, slab);
  if (heap_samples(heap)) heap_sample_leave(heap, slab);
  heap->supplied[slab->class_index] -= free_count;
  heap->current[slab->class_index] = NULL;
  slab->used = slab->carved - free_count;
  slab->state = SLAB_FULL;
  slab_arm(slab, heap_requeue_count(slab));
  slab_check(slab);
}

/* A slab is made: those that were given up would have served. */
static void note_growth(struct heap *heap, uint32_t units) {
  uint32_t regretted = min_count(units, heap->given_up_units);
  heap->given_up_units -= regretted;
  heap->credit_units = min_count(heap->credit_units + regretted, CREDIT_MAX_UNITS);
}

static void forget_regret(struct heap *heap) {
  heap->given_up_units /= 2;
  heap->credit_units -= (heap->credit_units + CREDIT_DECAY - 1) / CREDIT_DECAY;
}

/* May an empty slab stay? It must while it is on a pending stack: its next life's owner could not be told of frees. */
static bool keep_empty(const struct heap *heap, const struct slab *slab) {
  if (heap_has_pending_reference(slab)) return true;
  if (heap_is_bigcache_run(slab))
    return counter_get(COUNT_BIGCACHE_BYTES) + slab->block_size <= (uint64_t)option.bigcache_max;
  return option.purge_delay_ms != 0 && heap->kept_units + slab->units <= heap_keep_bound(heap);
}

/* After used has fallen, in a slab that is not current. Returns the slab when it is to be destroyed by the caller. */
struct slab *heap_after_frees(struct heap *heap, struct slab *slab) {
  slab_check(slab);
  if (slab->used == 0) {
    if (is_queued(slab)) heap_dequeue(heap, slab);
    if (keep_empty(heap, slab)) {
      slab->state = SLAB_EMPTY;
      slab->kept_ms = (uint32_t)heap->clock_ms;   /* a few slow paths old, and never read under the lock */
      store_racy(&heap->kept_units, heap->kept_units + slab->units);
      if (heap_is_bigcache_run(slab)) {
        counter_add(COUNT_BIGCACHE_KEPT, 1);
        counter_add(COUNT_BIGCACHE_BYTES, slab->block_size);
      }
      /* The last one in is the first one used; the oldest are at the end. */
      struct slab *first = heap->queue[slab->class_index].head;
      heap_enqueue(heap, slab, first == NULL || first->state == SLAB_EMPTY);
      slab_arm(slab, UINT32_MAX);
      return NULL;
    }
    heap_forget_slab(heap, slab);
    heap->given_up_units += slab->units;
    slab->state = SLAB_NONE;
    return slab;
  }
  if (slab->state == SLAB_FULL) {
    uint32_t free_count = slab->carved - slab->used, enough = heap_requeue_count(slab);
    if (free_count < enough) {
      slab_arm(slab, min_count(enough - free_count, slab->used));
      return NULL;
    }
    slab->state = SLAB_PARTIAL;
    heap_enqueue(heap, slab, true);
    heap_park_wait(heap, slab);
  } else if (slab->waiting == 0) {
    if (slab->countdown != 0) {
      slab_arm(slab, min_count(slab->countdown, slab->used));
      return NULL;
    }
    heap_park_wait(heap, slab);   /* half of what was in use when it was looked at has come back */
  }
  slab_arm(slab, slab->used);
  return NULL;
}

void heap_finish(struct heap_leftovers *left) {
  for (struct slab *slab = left->destroy, *next; slab != NULL; slab = next) {
    next = slab->next;
    slab_destroy(slab);
  }
  for (struct slab *slab = left->hand_over, *next; slab != NULL; slab = next) {
    next = slab->pending_next;
    remote_hand_over(slab);
  }
  *left = (struct heap_leftovers){ NULL, NULL };
}

/* --- remote frees --- */

static struct slab *take_pending(struct heap *heap) {
  if (heap->pending_private == NULL && __atomic_load_n(&heap->pending, __ATOMIC_RELAXED) != NULL)
    heap->pending_private = __atomic_exchange_n(&heap->pending, NULL, __ATOMIC_ACQUIRE);   /* pairs with push_pending */
  struct slab *slab = heap->pending_private;
  if (slab != NULL) heap->pending_private = slab->pending_next;
  return slab;
}

static struct slab *take_in(struct heap *heap, struct slab *slab) {
  const struct block *rest = slab->rest;
  uint32_t count = remote_take(slab, true);
  if (count == 0) return NULL;   /* the list was taken when the slab was current */
  heap->frees[slab->class_index] += count;
  if (slab->state == SLAB_CURRENT) {
    heap->supplied[slab->class_index] += count;
    if (heap_samples(heap) && slab->rest == rest) heap_sample_gained(heap, slab, count);   /* not if they are the rest now */
    return NULL;
  }
  heap->frees[slab->class_index] += slab_settle(slab);
  slab->used -= count;
  slab_arm(slab, slab->countdown - min_count(slab->countdown, count));   /* they count like the owner's */
  return heap_after_frees(heap, slab);
}

/* One pending slab. False: there was none. Lock held. */
static bool drain_one(struct heap *heap, struct heap_leftovers *left) {
  struct slab *slab = take_pending(heap);
  if (slab == NULL) return false;
  if (__atomic_load_n(&slab->heap, __ATOMIC_ACQUIRE) != heap) {
    slab->pending_next = left->hand_over;
    left->hand_over = slab;
    return true;
  }
  struct slab *gone = take_in(heap, slab);
  if (gone != NULL) heap_leave_to_destroy(left, gone);
  return true;
}

void heap_drain_pending(struct heap *heap, unsigned limit) {
  struct heap_leftovers left = { NULL, NULL };
  lock_acquire(&heap->lock);
  while (limit-- > 0 && drain_one(heap, &left)) {}
  lock_release(&heap->lock);
  heap_finish(&left);
}

/* --- allocation --- */

/* A block of the current slab: from its list, its remote list, its bump. NULL: exhausted. */
static struct block *take_block(struct heap *heap, struct slab *slab, bool *zeroed) {
  if (heap_samples(heap)) return heap_sample_take(heap, slab, zeroed);
  *zeroed = false;
  uint32_t *supplied = &heap->supplied[slab->class_index];
  if (slab->free == NULL && remote_count(__atomic_load_n(&slab->remote, __ATOMIC_RELAXED)) != 0) {
    uint32_t count = remote_take(slab, false);
    *supplied += count;
    heap->frees[slab->class_index] += count;
  }
  if (slab->free == NULL && slab->rest != NULL) slab_take_rest(slab, slab->rest_in_pieces ? SLAB_REST_BLOCKS : UINT32_MAX);
  if (slab->free != NULL) return slab_pop(slab);
  uint32_t carved = slab->carved;
  struct block *block;
  if (slab->zeroed && size_classes[slab->class_index].carve_step == 1) {
    block = slab_carve_one(slab);
    *zeroed = true;   /* and nobody has written to it since */
  } else {
    block = slab_carve(slab) ? slab_pop(slab) : NULL;
  }
  *supplied += slab->carved - carved;
  return block;
}

/* FULL, on no queue; NULL: there is none. Lock held. */
struct slab *heap_adopt(struct heap *heap, unsigned class) {
  struct slab *slab = abandoned_adopt(heap, class);
  if (slab == NULL) return NULL;
  all_link(heap, slab);
  heap_count_parked(heap, 0, slab_parked_bytes(slab));
  slab_arm(slab, UINT32_MAX);
  slab_set_rest(slab, slab->carved - slab->used - slab->parked_blocks);
  uint32_t count = remote_take(slab, false);   /* an empty list, mostly: no walk */
  heap->frees[class] += count;
  slab->used -= count;
  return slab;
}

/* A slab with room, or that may have some: queued, handed back by others, or adopted. */
static struct slab *next_slab(struct heap *heap, unsigned class, unsigned *adoptions, struct heap_leftovers *left) {
  struct slab *slab;
  for (unsigned drained = 0; (slab = heap->queue[class].head) == NULL; drained++)
    if (drained == DRAIN_SLABS || !drain_one(heap, left)) break;
  if (slab != NULL) return slab;
  if ((heap->owner & ~OWNER_SLOW) == OWNER_PROFILE) return NULL;   /* its slabs are its own: threads do without no others */
  if ((*adoptions)++ >= ADOPT_TRIES) return NULL;
  return heap_adopt(heap, class);
}

/* What a request cannot have under the lock. */
struct need {
  unsigned class;                 /* a fresh slab of it, if unpark is 0 */
  uint32_t unpark;                /* so many bytes of parked pages are to be taken again: the limit is to be asked */
  bool admitted;                  /* it was, and has not been taken: request */
  struct limit_request request;
};

/* False: the limit is to be asked first. */
static bool take_parked(struct heap *heap, struct slab *slab, struct need *need) {
  if (limit_is_set && !need->admitted) {
    need->unpark = heap_unpark_bytes(slab, false);
    return false;
  }
  heap_unpark(heap, slab, false);
  if (need->admitted) limit_done(&need->request);
  need->admitted = false;
  return true;
}

/* NULL: something is needed. Lock held. */
static struct block *alloc_locked(struct heap *heap, unsigned class, bool *zeroed, struct need *need,
                                  struct heap_leftovers *left) {
  unsigned adoptions = 0;
  for (;;) {
    unsigned serving = need->class = heap_serving_class(heap, class);
    struct slab *slab = heap->current[serving];
    if (slab == NULL) {
      if (heap_samples(heap) && heap_sample_is_due(heap, serving)) return HEAP_SAMPLE_DUE;
      slab = next_slab(heap, serving, &adoptions, left);
      if (slab == NULL) return NULL;
      make_current(heap, slab);
    }
    if (slab->shared && slab->free == NULL && slab->carved >= SHARED_BLOCKS && slab->block_size <= SHARED_SMALL) {
      take_out_of_table(heap, slab);
      continue;
    }
    struct block *block = take_block(heap, slab, zeroed);
    if (block != NULL) {   /* HEAP_SAMPLE_DUE too: an empty list is no harm */
      heap->misses[slab->class_index] += block != HEAP_SAMPLE_DUE;
      heap_table_point(heap, class, slab);
      return block;
    }
    if (slab->parked_blocks == 0) heap_leave_current(heap, slab, 0);
    else if (!take_parked(heap, slab, need)) return NULL;
  }
}

/* --- requests --- */

/* Each is called with the lock held and returns with it; false: there is no memory, and no lock is held. What changes meanwhile
   is seen by alloc_locked. */
static bool make_slab(struct heap *heap, const struct need *need, struct heap_leftovers *left) {
  if (heap->kept_units > 0) heap_reuse_empty(heap, size_classes[need->class].units, left);
  lock_release(&heap->lock);
  heap_finish(left);
  struct slab *slab = slab_create(heap, need->class);
  if (slab == NULL) return false;
  if (unlikely(option.bigcache_l25 != 0) && is_bigcache_class(need->class)) place_add(PLACE_BIGCACHE, EVENT_MISSES, 1);
  lock_acquire(&heap->lock);
  all_link(heap, slab);
  note_growth(heap, slab->units);
  make_current(heap, slab);
  slab_set_owner(slab, heap->owner);
  return true;
}

static HAK_NOINLINE bool ask_for_parked(struct heap *heap, struct need *need, struct heap_leftovers *left) {
  lock_release(&heap->lock);
  heap_finish(left);
  need->admitted = limit_admit(&need->request, need->unpark, 0);
  need->unpark = 0;
  if (need->admitted) lock_acquire(&heap->lock);
  else limit_done(&need->request);
  return need->admitted;
}

struct block *heap_alloc(struct heap *heap, unsigned class_index, bool *zeroed) {
  bool fresh = false;
  struct need need;
  need.unpark = 0;
  need.admitted = false;
  struct heap_leftovers left = { NULL, NULL };
  lock_acquire(&heap->lock);
  struct block *block;
  while ((block = alloc_locked(heap, class_index, &fresh, &need, &left)) == NULL)
    if (!(unlikely(need.unpark != 0) ? ask_for_parked(heap, &need, &left) : make_slab(heap, &need, &left))) break;
  if (unlikely(need.admitted)) limit_done(&need.request);
  if (block == NULL) return NULL;
  lock_release(&heap->lock);
  heap_finish(&left);
  heap_tick(heap);
  if (zeroed != NULL) *zeroed = fresh;
  return block;
}

/* --- frees by the owner --- */

/* A current slab has seen many frees. Those of one with parked pages take the slow path: if they come fast, all its
   pages are taken back. */
static HAK_NOINLINE void current_event(struct heap *heap, struct slab *slab) {
  uint64_t now_ms = os_now_ms();
  uint32_t elapsed_ms = (uint32_t)now_ms - slab->event_ms;
  bool busy = elapsed_ms < (slab->armed - slab->countdown) / BUSY_FREES_MS;
  lock_acquire(&heap->lock);
  heap_count_current_frees(heap, slab);
  if (heap_samples(heap)) heap_sample_event(heap, slab);
  else slab_arm(slab, heap_current_countdown(heap));
  if (slab->parked_blocks != 0 && busy) {
    struct limit_request request = { 0, 0, false };
    if (limit_admit_spare(&request, heap_unpark_bytes(slab, true))) heap_unpark(heap, slab, true);
    limit_done(&request);
  }
  slab->event_ms = (uint32_t)now_ms;
  lock_release(&heap->lock);
  heap_sample_follow(heap);
  if (now_ms != heap->clock_ms) heap->ticks = HEAP_TICK_PERIOD;
}

void heap_free_event(struct slab *slab) {
  struct heap *heap = slab->heap;
  if (slab->state == SLAB_CURRENT) {
    current_event(heap, slab);
    heap_tick(heap);
    return;
  }
  lock_acquire(&heap->lock);
  heap->frees[slab->class_index] += slab_settle(slab);
  struct slab *gone = heap_after_frees(heap, slab);
  lock_release(&heap->lock);
  if (gone != NULL) {
    slab_destroy(gone);
    if (load_racy(&heap->kept_units) > heap_keep_bound(heap)) heap_release_empty(heap, heap->clock_ms, false);
  } else if (unlikely(heap->waiting_units > heap->waiting_bound)) {
    heap_park_surplus(heap);
  }
  heap_tick(heap);
}

void heap_free_local(struct slab *slab, struct block *block) {
  slab_push(slab, block, block_key(block));
  struct heap *heap = slab->heap;
  if (slab_count_down(slab) == 0) heap_free_event(slab);
  else if (slab->parked_blocks != 0 && ++heap->ticks >= HEAP_TICK_PERIOD) heap_tick(heap);   /* light work sees the clock */
}

HAK_CONSTANT void (*heap_publish)(void);

/* Clock-driven work. */
static HAK_NOINLINE void tick(struct heap *heap) {
  heap->ticks = 0;
  heap_sample_follow(heap);
  heap_sums_tick(heap);
  remote_flush(heap);
  heap_drain_pending(heap, TICK_DRAIN_SLABS);
  uint64_t now_ms = os_now_ms(), before_ms = heap->clock_ms;
  heap->clock_ms = now_ms;
  if (unlikely(heap->packs_seen != (uint8_t)__atomic_load_n(&limit_packs, __ATOMIC_RELAXED))) heap_pack(heap, LIMIT_OWN_HEAP);
  long delay_ms = knob_get(KNOB_PURGE_DELAY_MS);
  ace_count_tick(&heap->kept_told, load_racy(&heap->kept_units));
  if (delay_ms >= 0 && now_ms - heap->looked_ms > (uint64_t)delay_ms) {
    heap->looked_ms = now_ms;
    forget_regret(heap);
    heap_retire_idle(heap, false);
  }
  if (load_racy(&heap->kept_units) > 0 && delay_ms >= 0 &&
      now_ms - heap->released_ms > (uint64_t)delay_ms / RELEASE_LOOKS) {
    heap->released_ms = now_ms;
    heap_release_empty(heap, now_ms, false);
  }
  heap->purging = superslab_tick(now_ms);
  if (now_ms != before_ms || heap->unparked_pages != 0) heap->purging |= heap_park_tick(heap, now_ms);
  huge_tick(now_ms);
}

void heap_tick(struct heap *heap) {
  if (unlikely(heap_publish != NULL)) heap_publish();
  if (++heap->ticks >= HEAP_TICK_PERIOD) tick(heap);
}

bool heap_grow_run(struct heap *heap, struct slab *slab, unsigned class_index) {
  const struct size_class *row = &size_classes[class_index];
  if (slab->capacity != 1 || row->capacity != 1 || row->units < slab->units || slab->carved != 1) return false;
  if (row->units > slab->units && !superslab_extend_span(superslab_of(slab), slab->first, slab->units, row->units)) return false;
  lock_acquire(&heap->lock);
  unsigned old = slab->class_index;
  if (slab->state == SLAB_CURRENT) heap_leave_current(heap, slab, 0);   /* its one block is in use: the list is empty */
  store_racy(&heap->bytes_units, heap->bytes_units + row->units - slab->units);
  heap->supplied[old]--;   /* the request is now one of the other class */
  heap->supplied[class_index]++;
  heap->misses[old]--;
  heap->misses[class_index]++;
  slab_resize_run(slab, class_index);
  slab_set_owner(slab, heap->owner);
  lock_release(&heap->lock);
  return true;
}
