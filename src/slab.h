/* slab.h - one slab: blocks of one size in consecutive units. Layer 6.

   Invariants
     carved <= capacity; blocks [0, carved) have been on a list or handed out at least once
     carved == used + (blocks on free) + rest_count + parked_blocks, where used counts live blocks and blocks
       that wait in another thread's batch or on the remote list
     rest is NULL or a list of rest_count blocks, apart from the one on free
     a block on a free list has the key word (region_key ^ address) as second word
     parked_blocks blocks start in granules of the mask parked; none of them is on a list or in use
     the owner words of a slab with parked blocks carry OWNER_SLOW (where there are checks)
   A slab that is not current: used is settled: used - (armed - countdown) blocks are in use.
   A current slab: used is unknown (malloc does not count); it is assigned when the slab leaves.

   Parked pages. A slab has up to 64 granules, of a page or more. A granule that no block in use touches can be given back
   while others stay: it is set in the mask parked, and the carved blocks that start in it are taken off the list, since
   their links and keys are gone with the page: they are parked. When the list has run out, slab_unpark puts those of
   one granule back on it. Whether a parked block is freed a second time is told by the mask, without a look at its
   page; OWNER_SLOW keeps the fast path, which asks the key only, away. The pages are given back after the blocks have been
   taken off the list, without the heap's lock: a page that is still there, since fork() came in between, holds
   nothing that anybody reads. Those that the kernel refused to take are put back on the list.

   States, and who moves a slab between them
     from       to         by      when
     (none)     CURRENT    owner   heap_alloc: a fresh span
     CURRENT    FULL       owner   heap_alloc: list and bump are exhausted
     FULL       PARTIAL    owner   an eighth was freed (countdown), or remote frees were taken in
     PARTIAL    CURRENT    owner   heap_alloc
     PARTIAL    EMPTY      owner   the last block came back; kept for a while
     EMPTY      CURRENT    owner   heap_alloc
     FULL, PARTIAL, EMPTY
                (none)     owner   no block in use: the span goes back
     any owned  ABANDONED  owner (or the child of fork)   thread exit
     ABANDONED  CURRENT    adopter, under lock ABANDONED
     ABANDONED  (none)     whoever pushed the last block back, under lock ABANDONED */
#ifndef HAKMEM_SLAB_H
#define HAKMEM_SLAB_H

#include "os.h"
#include "purge.h"
#include "registry.h"

struct heap;

enum { PARK_GRANULES = 64 };
enum slab_state { SLAB_NONE, SLAB_CURRENT, SLAB_FULL, SLAB_PARTIAL, SLAB_EMPTY, SLAB_ABANDONED };

struct block {
  struct block *next;
  uintptr_t key;
};

struct slab {
  /* Line 0: owner only, hot. */
  struct block *free;        /* blocks that malloc pops and the owner's free pushes */
  uint64_t reciprocal;       /* see slab_is_block */
  uint64_t bias;
  uint64_t bound;
  uint32_t countdown;        /* frees by the owner until the next event */
  uint32_t armed;            /* what countdown was set to */
  uint32_t used;             /* settled count, see above */
  uint32_t carved;
  uint32_t capacity;
  uint32_t block_size;
  uint32_t parked_ms;        /* when it last had granules parked; low bits of the clock */
  uint32_t event_ms;         /* CURRENT: when frees were last counted, or since when; low bits of the clock */

  /* Line 1: owner only, cold. start, first, units: constant while the slab lives. */
  struct slab *next, *previous;           /* queue of its class in the heap, or the abandoned list (lock ABANDONED) */
  struct slab *all_next, *all_previous;   /* all slabs of the heap */
  struct block *rest;                     /* another list, of rest_count blocks: taken when free is NULL */
  char *start;
  uint8_t class_index;
  uint8_t state;                          /* enum slab_state */
  uint8_t first, units;                   /* in the SuperSlab */
  uint8_t zeroed;                         /* blocks past carved read as zero */
  uint8_t shared;                         /* current for several sizes */
  uint8_t rest_in_pieces;                 /* an adopter's rest: taken some blocks at a time */
  uint8_t waiting;                        /* PARTIAL: units if it waits to be looked at for pages to park, else 0 */
  uint32_t kept_ms;                       /* EMPTY: since when; PARTIAL: seen waiting since when, 0: not yet (low bits of the
                                             clock); CURRENT: activity when last looked at */
  uint16_t parked_blocks, rest_count;

  /* Line 2: read and written by other threads. */
  HAK_LINE_ALIGNED uint64_t remote;       /* the remote word, see remote.h */
  struct heap *heap;                      /* owner, NULL when abandoned; written by owner or adopter (release), read (acquire) */
  struct slab *pending_next;              /* whoever holds the PENDING reference */
  uint64_t remote_reciprocal, remote_bias;   /* constant while the slab lives: for checks by other threads */
  uint64_t remote_bound;                  /* owner (relaxed); a block that another thread has was carved before it got it */
  uint32_t abandoned_used;                /* written under lock ABANDONED before the ABANDONED flag is set (release) */
  uint32_t remote_block_size;
  uint64_t parked;                        /* bit per granule: parked. Owner writes, others read (relaxed) */
};

/* A slab with nothing on its list: where the table of a thread points at first. */
extern HAK_HIDDEN struct slab slab_none;

/* True if p is the start of a block among those that have been carved. p - start is a
   multiple k of block_size exactly when (p - start) * reciprocal (mod 2^64) is k * excess, which
   is less than reciprocal for all k; the bound, carved * excess, rejects blocks past
   the carved ones by the same compare. The product is linear, so (offset in the region)
   * reciprocal less bias = start's offset * reciprocal is the same number. */
HAK_INLINE bool slab_is_block(const struct slab *slab, uintptr_t offset) {
  return offset * slab->reciprocal - slab->bias < slab->bound;
}
/* The same for threads that do not own it, without its hot line. */
HAK_INLINE bool slab_may_be_block(const struct slab *slab, uintptr_t offset) {
  return offset * slab->remote_reciprocal - slab->remote_bias < __atomic_load_n(&slab->remote_bound, __ATOMIC_RELAXED);
}

HAK_INLINE struct block *slab_block_at(const struct slab *slab, uint32_t index) {
  return (struct block *)(void *)(slab->start + (size_t)index * slab->block_size);
}

HAK_INLINE uintptr_t block_key(const void *block) { return (uintptr_t)block ^ load_racy(&region_key); }

/* True if the block's second word says that it is free. Reads the block, which must be one of ours. */
HAK_INLINE bool block_is_free(const void *p) {
  return CHECKS && load_racy(&((const struct block *)p)->key) == block_key(p);
}

/* Bytes of a granule, as a shift: a page, or as much as makes 64 granules of the slab. */
HAK_INLINE unsigned slab_granule_shift(const struct slab *slab) {
  unsigned shift = (unsigned)__builtin_ctzl(os_page_size);
  while (((uint32_t)slab->units << UNIT_SHIFT) >> shift > PARK_GRANULES) shift++;
  return shift;
}

/* True if p, the start of a carved block, is parked. Does not read the block. By any thread: the owner has
   cleared the bit before it hands the block out, and whoever got the block from there sees that; of a block
   that is not live the answer may be late. */
HAK_INLINE bool slab_is_parked(const struct slab *slab, const void *p) {
  uint64_t parked = __atomic_load_n(&slab->parked, __ATOMIC_RELAXED);
  if (!CHECKS || likely(parked == 0)) return false;
  return (parked >> ((size_t)((const char *)p - slab->start) >> slab_granule_shift(slab)) & 1) != 0;
}

/* True if p, the start of a carved block, is free: parked, or the key says so. */
HAK_INLINE bool slab_block_is_free(const struct slab *slab, const void *p) {
  return slab_is_parked(slab, p) || block_is_free(p);
}

/* key: block_key(block), which the caller has computed for its check. */
HAK_INLINE void slab_push(struct slab *slab, struct block *block, uintptr_t key) {
  block->next = slab->free;
  if (CHECKS) block->key = key;
  compiler_barrier();   /* fork: a block on the list is whole, at worst one block is on no list */
  slab->free = block;
}
HAK_INLINE struct block *slab_pop(struct slab *slab) {
  struct block *block = slab->free;
  slab->free = block->next;
  if (CHECKS) block->key = 0;
  return block;
}

/* After a push by the owner; 0: time for heap_free_event. */
HAK_INLINE uint32_t slab_count_down(struct slab *slab) {
  compiler_barrier();
  uint32_t left = slab->countdown - 1;
  store_racy(&slab->countdown, left);   /* figures.c of another thread may read it */
  return left;
}

/* A slab for a class on a fresh span, all of whose owner words are set; NULL: no memory. System calls. */
struct slab *slab_create(struct heap *heap, unsigned class_index);
/* Takes owner words away and gives the span back. No block is in use, the slab is on no list. System calls
   possible. */
void slab_destroy(struct slab *slab);
/* Sets the owner words of all units. */
void slab_set_owner(struct slab *slab, uintptr_t owner);
/* Adds blocks from the bump to the list: a page's worth. False: nothing left. */
bool slab_carve(struct slab *slab);
/* The next block straight from the bump, on no list; NULL: nothing left. */
struct block *slab_carve_one(struct slab *slab);
/* Free blocks: those on the list, by walking, which stops at capacity + 1, the rest, and the parked ones. */
uint32_t slab_count_free(const struct slab *slab);
/* The rest. Two lists are one only after a walk to the end of the first; what others have freed stays apart until it is
   needed. And malloc does not count, so that the list of a current slab is walked when its thread ends; a slab that goes
   from thread to thread would have its whole list walked by each. An adopter keeps what it has counted as the rest and
   takes some blocks at a time: then it walks what it has taken and freed itself.
   A list of so many blocks becomes the rest; there is none yet. */
void slab_put_rest(struct slab *slab, struct block *list, uint32_t count);
/* A list goes in front of the rest; no walk. */
void slab_add_rest(struct slab *slab, struct block *head, struct block *tail, uint32_t count);
/* The free list becomes the rest, so many blocks, unless there is one. */
void slab_set_rest(struct slab *slab, uint32_t count);
enum { SLAB_REST_BLOCKS = 64 };   /* of a rest_in_pieces, taken at a time */
/* Puts at most so many blocks of the rest on the list, which is empty; the rest is not. Returns how many. */
uint32_t slab_take_rest(struct slab *slab, uint32_t most);
/* Puts all of it behind the list; returns the free blocks, as slab_count_free. */
uint32_t slab_join_rest(struct slab *slab);
/* slab_park.c. Parks the granules in which no block is in use, as far as the batch has room, if they are an eighth of the
   slab or more; the caller issues the batch, without a lock. Has the owner words changed when these are the
   first. False: the batch is full, something is left. */
bool slab_park(struct slab *slab, uintptr_t owner, struct purge_batch *batch);
/* Puts the blocks of the lowest parked granule that has any on the list; parked_blocks is not 0. Their memory is
   not said to be zero. */
void slab_unpark(struct slab *slab, uintptr_t owner);
/* The same for all parked granules of a mask. */
void slab_unpark_granules(struct slab *slab, uintptr_t owner, uint64_t mask);
/* Bytes in parked granules. */
uint32_t slab_parked_bytes(const struct slab *slab);
/* The mask and the count of parked blocks agree. */
bool slab_parked_sane(const struct slab *slab);
/* The owner words of a slab of that owner. */
HAK_INLINE uintptr_t slab_owner_word(const struct slab *slab, uintptr_t owner) {
  return CHECKS && slab->parked_blocks != 0 ? owner | OWNER_SLOW : owner;
}
HAK_INLINE void slab_arm(struct slab *slab, uint32_t count) { slab->armed = slab->countdown = count; }
/* Settles used from the countdown (not for current slabs); returns the frees seen since. */
HAK_INLINE uint32_t slab_settle(struct slab *slab) {
  uint32_t freed = slab->armed - slab->countdown;
  slab->used -= freed;
  slab->armed = slab->countdown;
  return freed;
}
/* A run (one block) on more units than before becomes one of another class; no other thread frees it
   meanwhile. */
void slab_resize_run(struct slab *slab, unsigned class_index);
/* Debug builds: aborts when an invariant does not hold. */
void slab_check(const struct slab *slab);

#endif
