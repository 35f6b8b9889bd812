/* mapping_cache.h - whole mappings kept for reuse instead of unmapped. Layer 5.

   One mechanism, two policies and one byte budget:
   BigCache keeps mappings of 2 MiB and more (512 KiB and more with HAKMEM_BIGCACHE_L25=1),
   64 of them at most; the whale cache is a ring of HAKMEM_WHALE_SLOTS mappings of any
   size, oldest out first.

   The budget is HAKMEM_BIGCACHE_MAX_MB, but never more than 8 MiB or half the peak of live huge
   bytes, whichever is larger. The peak is halved every second, so that a process whose
   blocks have gone keeps at most 8 MiB after a few seconds with huge requests or frees in them.
   What is kept for longer than HAKMEM_PURGE_DELAY_MS, or is over the budget, is handed out by
   mapping_cache_expire() to be unmapped; with a delay of 0 nothing is kept at all.
   A program that maps again what it has just given back is met with patience (patience.h): with each level the 8 MiB and
   the delay double, and from the first on the whole peak may be kept.

   No system call is made with the lock held: what has to be unmapped is returned to the
   caller, a bounded number at a time. Only mappings that huge.c owns ever come here. */
#ifndef HAKMEM_MAPPING_CACHE_H
#define HAKMEM_MAPPING_CACHE_H

#include "compiler.h"

/* UNUSED: no block, or one thread is working on it. LIVE: a block of the program's. KEPT: in a
   cache, or on its way out of it. Who moves it: huge.c alone, see there. */
enum huge_state { HUGE_UNUSED, HUGE_LIVE, HUGE_KEPT };

/* One mapping. In metadata, used again for other mappings, never given back. Written by the one
   thread that has it in hand; start and size of a linked record under lock HUGE too, for those
   who walk the list. */
struct huge {
  char *start;            /* of the mapping and of the block: a multiple of 64 KiB */
  size_t size;            /* bytes of the mapping, a multiple of the page; usable size */
  uint32_t state;         /* enum huge_state; atomic: away from LIVE by compare-and-swap only */
  uint32_t dirty;         /* 0: every page reads as zero (fresh or purged) */
  uint32_t joined;        /* 1: may be several mappings to the kernel, which mremap does not move */
  uint32_t growths;       /* times that realloc has made it larger: slack from the second on */
  uint32_t sampled;       /* LIVE: the profile has a record of the block (profile.h); whoever has the block */
  uint64_t kept_since_ms;
  struct huge *next, *previous;   /* list of live ones (lock HUGE) or a cache's list (lock MAPPING_CACHE) */
};

/* Takes a kept mapping of at least size bytes, aligned: the smallest such, the latest of those; the caller gives back what
   is too much of it. If there is none, the largest of at least half the size, for the caller to make larger: its pages are
   there, a fresh mapping's would all be faulted in. NULL: nothing of use. size is a multiple of the page. */
struct huge *mapping_cache_take(size_t size, size_t alignment);
/* Takes a kept mapping that ends where huge starts, or starts where it ends; NULL if none. */
struct huge *mapping_cache_take_neighbour(const struct huge *huge);
/* Offers a freed mapping (its bytes are no longer counted as live). True: kept. False: the caller unmaps it.
   *evicted: a chain (by next) of a few mappings pushed out for it, to be unmapped by the caller. */
bool mapping_cache_put(struct huge *huge, uint64_t now_ms, struct huge **evicted);
/* Chain of at most limit mappings that are too old or over the budget; the caller unmaps them. */
struct huge *mapping_cache_expire(uint64_t now_ms, unsigned limit);
/* Everything, for trim and under pressure. */
struct huge *mapping_cache_drain(void);
size_t mapping_cache_bytes(void);
/* So many bytes went back to the kernel; so many had to be mapped, since nothing that was kept would do. */
void mapping_cache_given_up(size_t bytes, uint64_t now_ms);
void mapping_cache_missed(size_t bytes, uint64_t now_ms);
/* The kept mapping with p in it, past its start; NULL if none. */
struct huge *mapping_cache_find_inside(const void *p);

void mapping_cache_fork_prepare(void);
void mapping_cache_fork_release(bool child);

#endif
