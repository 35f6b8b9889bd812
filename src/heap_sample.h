/* heap_sample.h - which request is a sample, without an instruction on the fast path. Layer 7.

   Whether the next byte is a sample does not depend on the bytes before it (profile_draw.h), so that each class of
   each heap counts by itself: left requests, and the one after them is the sample. But malloc and free of the fast
   path count no requests. What bounds them is what the slow path gives away:

     - the visible blocks, on the list of the current slab: each can be handed out once;
     - the frees that go uncounted before the slab's countdown is 0: each makes one more block visible.

   Both are taken out of what is left when they are given:
     requests up to the sample == unassigned + visible blocks + frees that may still come uncounted
   A request makes one visible block less, and is one request less to the sample. A free makes one visible block out of
   one uncounted free. So the equation stays true, although nobody counts, and the fast path ends at the sample's
   request at the latest: with unassigned and both others 0 the next request finds an empty list, and is the sample,
   exactly. Blocks that are not visible wait in the slab's rest (slab.h).

   A slow path of malloc finds no block visible: it takes back what frees have not come, and gives away anew. A slow
   path of free, when the countdown is 0, gives more frees; with nothing unassigned it puts the visible blocks, which
   it counts, behind the rest. Whoever else adds to the list of a current slab (remote frees, parked pages) takes as
   many from unassigned, and if there are not so many does the same. How the rest is split between blocks and frees
   follows what ran out last, and matters for the number of slow paths only: a handful for each sample. */
#ifndef HAKMEM_HEAP_SAMPLE_H
#define HAKMEM_HEAP_SAMPLE_H

#include "heap.h"

struct sampler {
  bool inside;                        /* the thread is taking a sample: what it allocates meanwhile is none */
  bool told;                          /* a request was told that it is a sample, and none has been taken yet */
  bool inherited;                     /* memory is of a thread that had the heap before */
  struct profile_memory *memory;      /* profile.c's; NULL: not yet */
  uint64_t random;                    /* profile_draw's */
  uint64_t rate;
  int64_t mapping_left;               /* bytes to the next sample among mappings of their own */
  int64_t unassigned[CLASS_COUNT];    /* by the class that serves */
  uint8_t frees_lead[CLASS_COUNT];    /* frees ran out last, not blocks */
};

/* Odd while samples are taken; another number with each start and stop. Heaps follow on their slow paths. */
extern HAK_HIDDEN uint32_t heap_sample_epoch;
/* rate 0: none are taken. seed: 0 but in tests. One caller at a time. */
void heap_sample_set(uint64_t rate, uint64_t seed);

/* What heap_alloc returns for a request that is a sample. The next one has been drawn. Where none can be taken a second call
   is for the same request, and gets a block, also where every request is a sample. The heap may have stopped taking
   samples since. */
#define HEAP_SAMPLE_DUE ((struct block *)1)
/* It has been taken. */
HAK_INLINE void heap_sample_taken(struct heap *heap) { heap->sampler_room->told = false; }

HAK_INLINE bool heap_samples(const struct heap *heap) { return unlikely(heap->sampler != NULL); }
void heap_sample_adopt(struct heap *heap);
/* Adopts the epoch, now and then; no lock is held. */
HAK_INLINE void heap_sample_follow(struct heap *heap) {
  if (unlikely(load_racy(&heap_sample_epoch) != heap->sample_epoch)) heap_sample_adopt(heap);
}
/* True if a mapping of so many bytes is a sample. */
bool heap_sample_mapping(struct heap *heap, uint64_t size);
/* The heap has ended: the next thread draws for itself. */
void heap_sample_end(struct heap *heap);

/* Those below with the heap's lock, while heap_samples(heap). A class without a current slab: is its next request the
   sample? */
bool heap_sample_is_due(struct heap *heap, unsigned class_index);
/* A block of the current slab, NULL when it has none, or HEAP_SAMPLE_DUE. */
struct block *heap_sample_take(struct heap *heap, struct slab *slab, bool *zeroed);
/* The slab has become current: nothing of it is visible, no free goes uncounted. */
void heap_sample_current(struct slab *slab);
/* Its countdown is 0. */
void heap_sample_event(struct heap *heap, struct slab *slab);
/* So many blocks were put on the list of a current slab. */
void heap_sample_gained(struct heap *heap, struct slab *slab, uint32_t count);
/* Counts the visible blocks of a current slab and puts them into the rest. */
void heap_sample_aside(struct heap *heap, struct slab *slab);
/* It is current no more; its list has been empty, or put aside. */
void heap_sample_leave(struct heap *heap, struct slab *slab);

#endif
