/* remote.c - frees by threads that do not own the slab: batches, the remote word, hand-over. */
#include <config.h>
#include "counters.h"
#include "remote.h"

enum {
  WINDOW = 256,           /* remote frees over which evictions are weighed */
  DIRECT_FOR = 1024       /* remote frees pushed one by one when batches do not pay */
};

static uint64_t granule_of(const struct slab *slab, const struct block *block) {
  return (uint64_t)((const char *)block - slab->start) / GRANULE + 1;
}

static uint64_t word_with_list(const struct slab *slab, uint64_t flags, uint32_t count, const struct block *head,
                               const struct block *tail) {
  return flags | (uint64_t)count << REMOTE_COUNT_SHIFT | granule_of(slab, tail) << REMOTE_BLOCK_BITS | granule_of(slab, head);
}

/* Release: whoever adopts or drains the slab sees what the pusher wrote; pairs with the exchange in take_pending
   (heap.c). False: the heap is closed. */
static bool push_pending(struct heap *heap, struct slab *slab) {
  struct slab *top = __atomic_load_n(&heap->pending, __ATOMIC_ACQUIRE);   /* CLOSED: sees the slabs abandoned before it */
  do {
    if (top == HEAP_CLOSED) return false;
    slab->pending_next = top;
  } while (!__atomic_compare_exchange_n(&heap->pending, &top, slab, true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  return true;
}

void remote_hand_over(struct slab *slab) {
  for (;;) {
    struct heap *heap = __atomic_load_n(&slab->heap, __ATOMIC_ACQUIRE);   /* pairs with slab_create, adoption, abandoning */
    if (heap != NULL && push_pending(heap, slab)) return;
    /* Nobody's: the reference ends here. */
    uint64_t old = __atomic_fetch_and(&slab->remote, ~REMOTE_PENDING, __ATOMIC_ACQ_REL);
    if ((old & REMOTE_ABANDONED) != 0) {
      abandoned_claim(slab);   /* goes if its last block is back */
      return;
    }
    if (remote_count(old) == 0) return;   /* whoever pushes next sets PENDING itself */
    /* Blocks have come for an owner that it has by now: take the reference up again, unless another has. */
    if ((__atomic_fetch_or(&slab->remote, REMOTE_PENDING, __ATOMIC_ACQ_REL) & REMOTE_PENDING) != 0) return;
  }
}

/* Links a chain of count blocks in front of the remote list. */
static void push_chain(struct slab *slab, struct block *head, struct block *tail, uint32_t count) {
  uint64_t old = __atomic_load_n(&slab->remote, __ATOMIC_RELAXED);
  uint64_t new;
  do {
    struct block *behind = remote_head(slab, old);
    tail->next = behind;
    uint64_t flags = old & REMOTE_FLAGS;
    if ((flags & REMOTE_ABANDONED) == 0) flags |= REMOTE_PENDING;
    new = word_with_list(slab, flags, remote_count(old) + count, head, behind == NULL ? tail : remote_tail(slab, old));
    /* Release: the links and keys; pairs with the acquire in remote_take and in adoption.
       Acquire: abandoned_used, written before ABANDONED. */
  } while (!__atomic_compare_exchange_n(&slab->remote, &old, new, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  if ((new & REMOTE_ABANDONED) != 0) {
    if (remote_count(new) == __atomic_load_n(&slab->abandoned_used, __ATOMIC_RELAXED)) abandoned_claim(slab);
  } else if ((old & REMOTE_PENDING) == 0) {
    remote_hand_over(slab);
  }
}

/* One more, by the heap's thread; figures.c of another may read it. */
static void count_one(uint64_t *sum) { store_racy(sum, *sum + 1); }

/* Empties a batch. The head is taken out first: the child of a fork in between loses blocks, never frees them twice. */
static void flush_batch(struct heap *heap, struct batch *batch) {
  struct block *head = batch->head;
  if (head == NULL) return;
  uint32_t count = batch->count;
  batch->head = NULL;
  compiler_barrier();
  batch->count = 0;
  count_one(&heap->remote_pushes[size_class_tier_of_block(batch->slab->remote_block_size)]);
  push_chain(batch->slab, head, batch->tail, count);
}

void remote_flush(struct heap *heap) {
  for (unsigned i = 0; i < BATCH_COUNT; i++) flush_batch(heap, &heap->batch[i]);
}

void remote_fork_flush(struct heap *heap) {
  for (unsigned i = 0; i < BATCH_COUNT; i++) {
    struct batch *batch = &heap->batch[i];
    uint32_t count = 0;
    /* Cut off anywhere: the chain from head is whole, count and tail may be one behind. */
    for (struct block *block = batch->head; block != NULL; block = block->next) {
      batch->tail = block;
      count++;
    }
    batch->count = count;
    flush_batch(heap, batch);
  }
}

static unsigned batch_index(const struct slab *slab) {
  uintptr_t n = (uintptr_t)slab / sizeof *slab;
  return (unsigned)(n ^ n >> 5) % BATCH_COUNT;
}

/* Every WINDOW frees: when more than half of them threw another slab's batch out, batches only cost. */
static void weigh_batches(struct heap *heap) {
  if (++heap->batch_total < WINDOW) return;
  if (heap->batch_evictions > WINDOW / 2) heap->batch_direct = DIRECT_FOR;
  heap->batch_total = heap->batch_evictions = 0;
}

static void add_to_batch(struct heap *heap, struct slab *slab, struct block *block) {
  struct batch *batch = &heap->batch[batch_index(slab)];
  if (batch->slab != slab) {
    if (batch->head != NULL) heap->batch_evictions++;
    flush_batch(heap, batch);
    batch->slab = slab;
  }
  block->next = batch->head;
  if (batch->head == NULL) batch->tail = block;
  compiler_barrier();
  batch->head = block;
  compiler_barrier();
  batch->count++;
  weigh_batches(heap);
  if (batch->count >= BATCH_BLOCKS || batch->count * slab->remote_block_size >= BATCH_BYTES) flush_batch(heap, batch);
}

enum remote_result remote_free(struct heap *heap, struct slab *slab, void *p) {
  if (CHECKS && !slab_may_be_block(slab, (uintptr_t)p - (uintptr_t)region_base)) return REMOTE_NOT_A_BLOCK;
  if (slab_block_is_free(slab, p)) return REMOTE_DOUBLE;
  struct block *block = p;
  if (CHECKS) block->key = block_key(block);
  enum tier tier = size_class_tier_of_block(slab->remote_block_size);
  if (heap == NULL) {
    counter_add(COUNT_REMOTE_FREES, 1);
    counter_add(COUNT_REMOTE_BATCHES, 1);
    place_add(tier, EVENT_REMOTE_FREES, 1);
    place_add(tier, EVENT_REMOTE_BATCHES, 1);
    push_chain(slab, block, block, 1);
    return REMOTE_FREED;
  }
  count_one(&heap->remote_frees[tier]);
  if (heap->batch_direct > 0 || slab->remote_block_size * 2 > BATCH_BYTES) {
    if (heap->batch_direct > 0) heap->batch_direct--;
    count_one(&heap->remote_pushes[tier]);
    push_chain(slab, block, block, 1);
  } else {
    add_to_batch(heap, slab, block);
  }
  return REMOTE_FREED;
}

uint32_t remote_take(struct slab *slab, bool settled) {
  /* Acquire: pairs with the release in push_chain. */
  uint64_t old = __atomic_fetch_and(&slab->remote, settled ? REMOTE_ABANDONED : REMOTE_FLAGS, __ATOMIC_ACQ_REL);
  struct block *head = remote_head(slab, old);
  if (head == NULL) return 0;
  uint32_t count = remote_count(old);
  if (slab->free == NULL) slab->free = head;
  else if (slab->rest == NULL) slab_put_rest(slab, head, count);
  else slab_add_rest(slab, head, remote_tail(slab, old), count);
  return count;
}
