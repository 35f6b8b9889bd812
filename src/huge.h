/* huge.h - blocks over 1 MiB (or of tiers that are switched off): a mapping each. Layer 6.

   A record per mapping, in metadata, found by the registry at the block's start
   (always a multiple of 64 KiB). The mapping may start below the block only when an
   alignment over the mapping's own was asked for: then the slack before it is unmapped,
   so block start == mapping start always. Records are reused, never given back.

   Order on free: BigCache (size in range, within budget), else whale cache, else
   munmap. A mapping that is kept stays in the registry with state HUGE_KEPT,
   so that a second free of it is recognised. */
#ifndef HAKMEM_HUGE_H
#define HAKMEM_HUGE_H

#include "compiler.h"

enum huge_state { HUGE_UNUSED, HUGE_LIVE, HUGE_KEPT };

struct huge {
  char *start;            /* constant while live or kept */
  size_t size;            /* bytes of the mapping, a multiple of the page; usable size */
  uint32_t state;         /* enum huge_state; atomic: HUGE_LIVE -> HUGE_KEPT or HUGE_UNUSED by compare-and-swap in huge_free */
  uint32_t dirty;         /* 0: every page reads as zero (fresh or purged) */
  uint32_t growths;       /* times that realloc has made it larger: slack from the second on */
  uint64_t kept_since_ms;
  struct huge *next, *previous;   /* list of live ones or a cache's list; lock HUGE / MAPPING_CACHE */
};

enum huge_free_result { HUGE_FREED, HUGE_NOT_LIVE };

/* size > 0; alignment a power of two. *zeroed: all of it reads as zero. NULL: no memory
   (after every cache has been given back and one more try). */
void *huge_alloc(size_t size, size_t alignment, bool *zeroed);
/* huge came from registry_lookup(p). HUGE_NOT_LIVE: a double free, nothing was changed. */
enum huge_free_result huge_free(struct huge *huge);
/* realloc to new_size bytes, still huge: in place, or with pages moved by mremap. Returns the
   new start (old one when in place), NULL: not possible, the old block is unchanged. */
void *huge_resize(struct huge *huge, size_t new_size);
/* The mapping whose inside holds p (p > start), live or kept; NULL if none. For bad pointers only: walks. */
struct huge *huge_find_inside(const void *p);
/* True if a huge block started at p not long ago and was unmapped: for the text about a double free. */
bool huge_was_freed(const void *p);
/* Gives all kept mappings back; returns bytes. */
size_t huge_trim(void);

void huge_fork_prepare(void);
void huge_fork_release(bool child);

#endif
