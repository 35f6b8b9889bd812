/* huge.h - blocks over 1 MiB (or of tiers that are switched off): a mapping each. Layer 6.

   A record per mapping (mapping_cache.h), in metadata, found by the registry at the block's
   start. The block starts where the mapping starts, always at a multiple of 64 KiB: what an
   alignment over that leaves before it is unmapped.

   Order on free: BigCache (size in range, within budget), else whale cache, else
   munmap. A mapping that is kept stays in the registry with state HUGE_KEPT, so
   that a second free of it is recognised. */
#ifndef HAKMEM_HUGE_H
#define HAKMEM_HUGE_H

#include "mapping_cache.h"

enum huge_free_result { HUGE_FREED, HUGE_NOT_LIVE };

/* size > 0; alignment a power of two. *zeroed: all of it reads as zero. NULL: no memory
   (after every cache has been given back and one more try). */
void *huge_alloc(size_t size, size_t alignment, bool *zeroed);
/* huge came from registry_lookup(start). HUGE_NOT_LIVE: a double free, nothing was changed. */
enum huge_free_result huge_free(struct huge *huge, const void *start);
/* realloc to new_size bytes, still huge: in place, or with pages moved by mremap. Returns the
   new start (old one when in place), NULL: not possible, the old block is unchanged. */
void *huge_resize(struct huge *huge, size_t new_size);
/* The mapping whose inside holds p (p > start), live or kept; NULL if none. For bad pointers only: walks. */
struct huge *huge_find_inside(const void *p);
/* True if a huge block started at p not long ago and was unmapped: for the text about a double free. */
bool huge_was_freed(const void *p);
/* Gives all kept mappings back; returns bytes. */
size_t huge_trim(void);
/* Gives back a few of those that have been kept for too long. For slow paths: no lock is held. */
void huge_tick(uint64_t now_ms);

/* Called when the kernel refuses memory, before the one more try: gives back what the other tiers keep,
   returns bytes. Set once at start; NULL: nothing to call. */
extern size_t (*huge_reclaim)(void);

void huge_fork_prepare(void);
void huge_fork_release(bool child);

#endif
