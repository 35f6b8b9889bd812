/* profile.h - which allocations are live, and from where: samples of them. Layer 8.

   Which requests are samples is the heaps' matter (heap_sample.h). A sampled block comes from slabs of a heap that is no
   thread's: its owner word, OWNER_PROFILE, sends every free of one on the slow path, where it is known by that word;
   other frees pay nothing. Mappings of their own have a flag in their record. */
#ifndef HAKMEM_PROFILE_H
#define HAKMEM_PROFILE_H

#include "heap_sample.h"
#include "huge.h"

/* From now on samples are taken, about one in so many bytes, into an empty table. seed: 0 but in tests. False: no memory.
   No lock is held. */
bool profile_start(uint64_t rate, uint64_t seed);
/* No more are taken; what has been stays. */
void profile_stop(void);

/* Samples are being taken; one in so many bytes, or were when they last were. */
bool profile_is_on(void);
uint64_t profile_rate(void);

/* A block for a request that is a sample, in the place of heap_alloc's; NULL: none could be had. */
struct block *profile_alloc(struct heap *heap, unsigned class_index, bool *zeroed);
/* The block of a sampled slab: is about to be freed; has been. */
void profile_forget(const void *block);
void profile_freed(void);
/* A mapping of so many bytes was handed out: samples it if its turn has come. heap: the caller's, may be NULL. */
void profile_mapping(struct heap *heap, void *start, size_t size);
/* A mapping is about to be freed, or to get another size. */
HAK_INLINE void profile_forget_mapping(struct huge *huge, const void *start) {
  if (likely(load_racy(&huge->sampled) == 0)) return;
  store_racy(&huge->sampled, 0);
  profile_forget(start);
}
/* Gives back what the heap of sampled blocks keeps; returns bytes. */
size_t profile_trim(void);

/* The caller is a handler of a signal that came while its thread had what samples are taken with: no sample can be taken
   here, and profile_start and profile_stop would wait for ever. */
bool profile_is_here(void);

void profile_fork_prepare(void);
void profile_fork_release(bool child);

#endif
