/* heap.h - what a thread owns: its current slabs, queues of others, open batches. Layer 7.

   A heap is used by one thread. Its lock is taken on every slow path that changes its lists,
   uncontended, so that fork() finds them whole. No system call is made with it held.
   Heaps are never given back: a dead thread's is used again by the next one. */
#ifndef HAKMEM_HEAP_H
#define HAKMEM_HEAP_H

#include "limit.h"
#include "lock.h"
#include "patience.h"
#include "slab_queue.h"

/* Where malloc looks. Each entry is a slab, never NULL. */
struct thread_table {
  struct slab *granule[TINY_GRANULES];                                   /* by (size + 15) / 16 */
  struct slab *cached[CACHED_COUNT + 1];   /* by class - CLASS_MID_FIRST; the last is always slab_none */
};

/* The library's thread state (thread.h); the interposer has it in TLS. */
struct thread_own {
  struct thread_table table;
  struct heap *heap;      /* NULL: none yet, or closed */
  bool closed;            /* a call past the thread's end */
};

enum { HEAP_SUMS = 4 * CLASS_COUNT };
enum { BATCH_COUNT = 8, BATCH_BLOCKS = 32, BATCH_BYTES = 4096 };
struct batch {
  struct slab *slab;        /* destination */
  struct block *head, *tail;
  uint32_t count;
};

struct heap {
  struct lock lock;
  uintptr_t owner;                           /* owner word of its slabs: the thread's pointer, with OWNER_SLOW when traced */
  struct thread_table *table;                /* the thread's; NULL: a late call's heap has none */
  struct slab *pending;                      /* stack pushed by others (release), taken by exchange (acquire); HEAP_CLOSED when dead */
  struct slab *pending_private;              /* taken and not yet looked at; owner */
  uint32_t bytes_units;                      /* units in its slabs; written under the lock, by other threads too (heap_pack.c), */
  uint32_t kept_units;                       /* of those, in EMPTY slabs; the same, and parked_units: read without it, as they are */
  uint32_t kept_told;                        /* of those, as last told to ace.h; the owner's, or under the lock when it closes */
  uint32_t given_up_units;                   /* EMPTY slabs that were too many, given up lately */
  uint32_t credit_units;                     /* of those, wanted again: kept beyond the bound from then on */
  bool purging;                              /* the last tick found something to purge */
  uint32_t waiting_units;                    /* units of PARTIAL slabs that have not been looked at for pages to park */
  uint32_t waiting_bound;                    /* more than that many are looked at at once */
  uint32_t parked_kib;                       /* KiB in parked granules of its slabs */
  uint32_t parked_units;                     /* the same in units */
  uint32_t unparked_pages;                   /* taken back by this slow path, from slabs parked last at unparked_ms */
  uint32_t unparked_ms;
  uint32_t refused_ms;                       /* when the kernel refused to take pages; refused: it did */
  bool refused;
  uint8_t packs_seen;                        /* of limit_packs (limit.h): what it has packed itself for; low bits */
  struct patience patience;                  /* in pages; owner */
  uint32_t ticks;                            /* slow paths since the clock was read */
  uint32_t sample_epoch;                     /* of heap_sample_epoch that it follows */
  struct sampler *sampler, *sampler_room;    /* heap_sample.h; NULL: it takes no samples; has never taken any */
  uint64_t clock_ms;                         /* at the last tick: never read under a lock, it may be another object's function */
  uint64_t released_ms;                      /* when EMPTY slabs were looked at */
  uint64_t looked_ms;                        /* when idle slabs were looked for */
  uint32_t batch_evictions, batch_total, batch_direct;   /* remote.c */
  uint64_t remote_frees[SLAB_TIERS];         /* blocks freed for others, */
  uint64_t remote_pushes[SLAB_TIERS];        /* and compare-and-swaps that took; both by tier */
  bool in_use;                               /* lock HEAPS */
  uint8_t shared_spent;                      /* bit per shared class that has been exhausted */
  uint16_t sum_looked_at;                    /* which of the sums the last tick looked at (heap_sums.c) */
  struct heap *next_heap;                    /* all heaps ever; constant once linked */
  struct heap *next_free;                    /* lock HEAPS */
  struct batch batch[BATCH_COUNT];
  struct slab *all;                          /* every slab it owns */
  struct slab *cursor;                       /* which of them is looked at next; NULL: the first */
  struct slab *current[CLASS_COUNT];
  struct slab_queue queue[CLASS_COUNT];      /* PARTIAL in front, EMPTY behind */
  /* Sums by class, under the lock; signed, since a block may be counted in one heap and taken off in another. Half the size
     of what they count to: heap_sums.c carries over. */
  union {
    struct {
      uint32_t supplied[CLASS_COUNT];        /* blocks put where malloc pops, less what was there at the end */
      uint32_t frees[CLASS_COUNT];           /* blocks taken back, settled */
      uint32_t misses[CLASS_COUNT];          /* blocks handed out by the slow path */
      uint32_t refills[CLASS_COUNT];         /* slabs made current */
    };
    uint32_t sums[HEAP_SUMS];
  };
#if !HAKMEM_INTERPOSER
  struct thread_own own;
#endif
};

enum {
  HEAP_TICK_PERIOD = 32,   /* slow paths between two looks at the clock */
  /* Frees of a current slab between looks at the clock, for programs without slow paths; where there is something to purge. */
  CURRENT_COUNTDOWN = 2048, PURGING_COUNTDOWN = 128
};
HAK_INLINE uint32_t heap_current_countdown(const struct heap *heap) {
  return heap->purging ? PURGING_COUNTDOWN : CURRENT_COUNTDOWN;
}
/* Frees seen while current go to both sums: they were blocks handed out, and can be again. To be armed after. */
HAK_INLINE void heap_count_current_frees(struct heap *heap, const struct slab *slab) {
  uint32_t freed = slab->armed - slab->countdown;
  heap->frees[slab->class_index] += freed;
  heap->supplied[slab->class_index] += freed;
}

#define HEAP_CLOSED ((struct slab *)1)

/* A block of the class (exact for the request), from wherever; NULL: no memory; HEAP_SAMPLE_DUE (heap_sample.h).
   *zeroed (may be NULL): all its bytes read as zero. */
struct block *heap_alloc(struct heap *heap, unsigned class_index, bool *zeroed);
/* The owner's free on the slow path; p is a block of the slab and not free. */
void heap_free_local(struct slab *slab, struct block *block);
/* Makes the only block of an own slab larger in place, by free units that follow it, for a class of runs.
   False: not possible. */
bool heap_grow_run(struct heap *heap, struct slab *slab, unsigned class_index);
/* slab's countdown has reached zero after a free by its owner. */
void heap_free_event(struct slab *slab) HAK_NOINLINE;
/* Takes in remote frees, a bounded number of slabs. */
void heap_drain_pending(struct heap *heap, unsigned limit);
/* Gives EMPTY slabs back: some of those older than the delay, or all. */
void heap_release_empty(struct heap *heap, uint64_t now_ms, bool all);
/* Current slabs that have not been touched since the last look, a bounded number, or all of them, leave if
   enough of them is free. They are PARTIAL then, EMPTY, or gone. */
void heap_retire_idle(struct heap *heap, bool all);
/* Called on slow paths, when no lock is held; NULL: nothing to call. Set once at start (publish.h). */
extern void (*heap_publish)(void);
/* Clock-driven work, a bounded amount, now and then. */
void heap_tick(struct heap *heap);

/* A heap for the thread with that id, without a table yet; NULL: no memory. */
struct heap *heap_open(uintptr_t id);
/* Settles, gives back or abandons every slab; the heap can be opened again. */
void heap_close(struct heap *heap);
void heap_table_clear(struct thread_table *table);

/* An EMPTY slab is not kept any more, and nobody took it from there: a run that BigCache counts leaves it. */
void heap_leave_bigcache(const struct slab *slab);

/* heap_table.c. The class whose current slab serves a class: in a young heap a larger one, shared by all of
   its group. */
unsigned heap_serving_class(const struct heap *heap, unsigned class_index);
unsigned heap_shared_group(unsigned class_index);
bool heap_is_shared(const struct heap *heap, unsigned class_index);
/* The entries of the sizes of a class point at a slab; none points at it any more. */
void heap_table_point(struct heap *heap, unsigned class_index, struct slab *slab);
void heap_table_unpoint(struct heap *heap, const struct slab *slab);

/* Takes a slab out of the heap's list of all, and its units out of the heap's counts. Lock of the heap. */
void heap_forget_slab(struct heap *heap, struct slab *slab);

/* heap_park.c: pages of slabs that hold blocks in use. So many bytes of a slab of it were parked, and so many
   are now. Lock of the heap. */
void heap_count_parked(struct heap *heap, uint32_t before, uint32_t after);
/* Its list has run out, or all: blocks of parked pages go on it. They are held again: heap_unpark_bytes at most, which are to
   be asked for (limit.h). Lock of the heap. */
void heap_unpark(struct heap *heap, struct slab *slab, bool all);
uint32_t heap_unpark_bytes(const struct slab *slab, bool all);
/* Slabs looked at in time with the clock, a bounded number (true: some had pages that went back, there may be more); or
   because too many wait. No lock is held, here and below. */
bool heap_park_tick(struct heap *heap, uint64_t now_ms);
void heap_park_surplus(struct heap *heap);
/* Parks whatever can be, also of slabs that have been looked at; or of those only that wait. Returns bytes. */
size_t heap_park_all(struct heap *heap);
size_t heap_park_waiting(struct heap *heap);
/* The slab is PARTIAL, and is to be looked at for pages to park; it is not PARTIAL any more, or has been
   looked at. Lock of the heap. */
HAK_INLINE void heap_park_wait(struct heap *heap, struct slab *slab) {
  heap->waiting_units += slab->units;
  slab->waiting = slab->units;
  slab->kept_ms = 0;
}
HAK_INLINE void heap_park_leave(struct heap *heap, struct slab *slab) {
  heap->waiting_units -= slab->waiting;
  slab->waiting = 0;
}
/* heap_pack.c: near the memory limit. Gives back what the heap's own thread can: current slabs that are not needed, pages of those in
   use, slabs whose threads are gone. LIMIT_OWN_RECENT: only of slabs that have not been looked at since; LIMIT_EVERYBODY: all
   that are gone, else a bounded number. */
void heap_pack(struct heap *heap, enum limit_scope scope);
/* EMPTY slabs of all other heaps, whose threads may be asleep; own may be NULL. */
void heap_pack_others(const struct heap *own);
/* Takes so many slabs whose thread is gone, to be packed like the heap's own; returns how many there were. */
unsigned heap_adopt_idle(struct heap *heap, unsigned limit);
/* Units of its slabs without those that are parked. */
HAK_INLINE uint32_t heap_resident_units(const struct heap *heap) {
  return load_racy(&heap->bytes_units) - load_racy(&heap->parked_units);
}

/* heap_sums.c: the sums of a class over all heaps that have been read with heap_sums_add, and what was carried over. Those who
   read them start again when heap_sums_carried has changed meanwhile. */
struct heap_sums { uint64_t supplied, frees, misses, refills; };
void heap_sums_add(struct heap_sums *sums, const struct heap *heap, unsigned class_index);
void heap_sums_add_carried(struct heap_sums *sums, unsigned class_index);
uint32_t heap_sums_carried(void);
/* Carries one over. */
void heap_sums_carry(struct heap *heap, unsigned which);
/* With each tick, by the owner: looks at one after the other. No lock is held. */
enum { HEAP_SUM_LARGE = 1 << 30 };
HAK_INLINE void heap_sums_tick(struct heap *heap) {
  unsigned which = heap->sum_looked_at == 0 ? HEAP_SUMS - 1 : heap->sum_looked_at - 1u;
  heap->sum_looked_at = (uint16_t)which;
  if (unlikely(heap->sums[which] + HEAP_SUM_LARGE > 2u * HEAP_SUM_LARGE)) heap_sums_carry(heap, which);
}

/* First of all heaps, by next_heap. */
struct heap *heap_first(void);
/* The heap in use with that id, NULL if none: walks. */
struct heap *heap_find(uintptr_t id);

/* abandoned.c: slabs without an owner. False: its last blocks have come back meanwhile, the caller destroys
   it. */
bool abandoned_add(struct slab *slab, uint32_t used);
struct slab *abandoned_adopt(struct heap *heap, unsigned class_index);
/* A pusher has made the last block come back: the slab goes, if nobody took it meanwhile. */
void abandoned_claim(struct slab *slab);
/* For the figures: blocks freed that way, and slabs that wait to be adopted. */
struct abandoned_sums { uint64_t frees; uint32_t slabs; };
struct abandoned_sums abandoned_sums(unsigned class_index);

void abandoned_fork_prepare(void);
void abandoned_fork_release(bool child);
/* In the child, after all PENDING flags have been cleared: claims what is whole. */
void abandoned_fork_child(void);

void heap_fork_prepare(void);
void heap_fork_release(bool child);
/* The child: mine is the calling thread's heap or NULL; all others are closed. */
void heap_fork_child(struct heap *mine);

#endif
