/* heap_life.c - heaps opened and closed, listed, and kept whole over fork(). */
#include <config.h>
#include "ace.h"
#include "counters.h"
#include "heap_sample.h"
#include "message.h"
#include "metadata.h"
#include "options.h"
#include "remote.h"
#include "superslab.h"

static struct lock heaps_lock = LOCK_INIT(RANK_HEAPS);
static struct heap first_heap = { .lock = LOCK_INIT(RANK_HEAP) };   /* the main thread's, nearly always */
static struct heap *all_heaps;    /* pushed under the lock, read without (acquire) */
static struct heap *free_heaps;   /* lock */

struct heap *heap_first(void) { return __atomic_load_n(&all_heaps, __ATOMIC_ACQUIRE); }

struct heap *heap_find(uintptr_t id) {
  struct heap *found = NULL;
  lock_acquire(&heaps_lock);
  for (struct heap *heap = all_heaps; heap != NULL && found == NULL; heap = heap->next_heap)
    if (heap->in_use && (heap->owner & ~OWNER_SLOW) == id) found = heap;
  lock_release(&heaps_lock);
  return found;
}

static struct heap *new_heap(uintptr_t owner) {
  struct heap *heap = &first_heap;
  lock_acquire(&heaps_lock);
  bool is_first = all_heaps == NULL;
  if (!is_first) {
    lock_release(&heaps_lock);
    heap = metadata_alloc(sizeof *heap);
    if (heap == NULL) return NULL;
    heap->lock = (struct lock)LOCK_INIT(RANK_HEAP);
    lock_acquire(&heaps_lock);
  }
  heap->owner = owner;
  heap->in_use = true;
  heap->next_heap = all_heaps;
  __atomic_store_n(&all_heaps, heap, __ATOMIC_RELEASE);
  lock_release(&heaps_lock);
  counter_add(COUNT_HEAPS_MADE, 1);
  message_print(MESSAGE_VERBOSE, "heap %lu", (unsigned long)counter_get(COUNT_HEAPS_MADE));
  return heap;
}

struct heap *heap_open(uintptr_t id) {
  uintptr_t owner = id | (option.free_route_trace ? OWNER_SLOW : 0);
  lock_acquire(&heaps_lock);
  struct heap *heap = free_heaps;
  if (heap != NULL) {
    free_heaps = heap->next_free;
    heap->owner = owner;
    heap->in_use = true;
  }
  lock_release(&heaps_lock);
  if (heap == NULL) heap = new_heap(owner);
  if (heap == NULL) return NULL;
  heap->table = NULL;
  heap->shared_spent = 0;
  heap_sample_end(heap);
  __atomic_store_n(&heap->pending, NULL, __ATOMIC_RELEASE);
  counter_add(COUNT_HEAPS_LIVE, 1);
  heap_sample_follow(heap);
  return heap;
}

/* The settled count of blocks that have not come back to the list, whatever the state; the slab is on no queue
   afterwards. What is on the remote list stays there: for whoever adopts the slab. Lock of the heap. */
static void settle_for_good(struct heap *heap, struct slab *slab) {
  unsigned class = slab->class_index;
  if (slab->state == SLAB_CURRENT) {
    uint32_t free_count = slab_join_rest(slab);
    uint32_t freed = slab->armed - slab->countdown;
    heap->frees[class] += freed;
    heap->supplied[class] += freed - free_count;
    heap->current[class] = NULL;
    slab->used = slab->carved - free_count;
  } else {
    if (slab->state == SLAB_EMPTY) heap_leave_bigcache(slab);
    heap->frees[class] += slab_settle(slab);
  }
  slab->next = slab->previous = NULL;
  slab->shared = slab->waiting = 0;
  slab->state = SLAB_FULL;
  slab_arm(slab, UINT32_MAX);
}

/* Every slab is given up: those without a block in use are returned as a chain, the others abandoned. */
static struct slab *give_up_slabs(struct heap *heap) {
  struct slab *chain = NULL;
  for (unsigned class = 0; class < CLASS_COUNT; class++) heap->queue[class] = (struct slab_queue){ NULL };
  for (struct slab *slab = heap->all, *next; slab != NULL; slab = next) {
    next = slab->all_next;
    settle_for_good(heap, slab);
    heap_forget_slab(heap, slab);
    if (slab->used != 0 && abandoned_add(slab, slab->used)) continue;
    slab->state = SLAB_NONE;
    slab->next = chain;
    chain = slab;
  }
  heap->kept_units = heap->given_up_units = heap->credit_units = heap->waiting_units = 0;
  ace_tell_kept(&heap->kept_told, 0);
  return chain;
}

/* First every slab is given up, then CLOSED is swapped in: a pusher that meets CLOSED (acquire) sees that the slab is
   not this heap's any more. What was on the stack is handed on. */
void heap_close(struct heap *heap) {
  remote_flush(heap);
  lock_acquire(&heap->lock);
  if (heap->table != NULL) heap_table_clear(heap->table);
  heap->table = NULL;
  struct slab *chain = give_up_slabs(heap);
  struct slab *stack[2] = { heap->pending_private, __atomic_exchange_n(&heap->pending, HEAP_CLOSED, __ATOMIC_ACQ_REL) };
  heap->pending_private = NULL;
  lock_release(&heap->lock);
  while (chain != NULL) {
    struct slab *next = chain->next;
    slab_destroy(chain);
    chain = next;
  }
  for (unsigned i = 0; i < 2; i++)
    for (struct slab *slab = stack[i], *next; slab != NULL; slab = next) {
      next = slab->pending_next;
      remote_hand_over(slab);
    }
  counter_sub(COUNT_HEAPS_LIVE, 1);
  lock_acquire(&heaps_lock);
  heap->in_use = false;
  heap->next_free = free_heaps;
  free_heaps = heap;
  lock_release(&heaps_lock);
}

/* --- fork --- */

void heap_fork_prepare(void) {
  lock_acquire(&heaps_lock);
  for (struct heap *heap = all_heaps; heap != NULL; heap = heap->next_heap) lock_acquire(&heap->lock);
}

void heap_fork_release(bool child) {
  for (struct heap *heap = all_heaps; heap != NULL; heap = heap->next_heap) {
    if (child) lock_reset(&heap->lock);
    else lock_release(&heap->lock);
  }
  if (child) lock_reset(&heaps_lock);
  else lock_release(&heaps_lock);
}

static void clear_pending_flags(struct superslab *superslab) {
  for (unsigned i = 0; i < SUPERSLAB_UNITS; i++)
    if ((superslab->slabs[i].remote & REMOTE_PENDING) != 0) superslab->slabs[i].remote &= ~REMOTE_PENDING;
}

/* The heap of sampled blocks is no thread's. */
static bool stays(const struct heap *heap, const struct heap *mine) {
  return heap == mine || (heap->owner & ~OWNER_SLOW) == OWNER_PROFILE;
}

static void take_up_again(struct heap *heap) {
  for (struct slab *slab = heap->all; slab != NULL; slab = slab->all_next)
    if (remote_count(slab->remote) != 0) {
      slab->remote |= REMOTE_PENDING;
      remote_hand_over(slab);
    }
}

/* A thread that is gone may have told the sum and not noted it. */
static void tell_kept_anew(void) {
  uint64_t units = 0;
  for (const struct heap *heap = all_heaps; heap != NULL; heap = heap->next_heap) units += heap->kept_told;
  __atomic_store_n(&ace_kept_units, units, __ATOMIC_RELAXED);
}

/* References in the hands of threads that are gone are lost: all flags are cleared, and set again where a list waits. */
void heap_fork_child(struct heap *mine) {
  /* There was never a second thread here, neither with a heap nor one that only freed. */
  if (all_heaps == mine && (mine == NULL || mine->next_heap == NULL) && counter_get(COUNT_REMOTE_BATCHES) == 0) return;
  superslab_fork_child();
  registry_each_superslab(clear_pending_flags);
  for (struct heap *heap = all_heaps; heap != NULL; heap = heap->next_heap) {
    heap->pending_private = NULL;
    if (heap->in_use) heap->pending = NULL;
  }
  for (struct heap *heap = all_heaps; heap != NULL; heap = heap->next_heap)
    if (stays(heap, mine)) take_up_again(heap);
  for (struct heap *heap = all_heaps; heap != NULL; heap = heap->next_heap) {
    if (stays(heap, mine) || !heap->in_use) continue;
    remote_fork_flush(heap);
    heap->table = NULL;   /* it was in the memory of a thread that is not here */
    heap_close(heap);
  }
  tell_kept_anew();
  abandoned_fork_child();
}
