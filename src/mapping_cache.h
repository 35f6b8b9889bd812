/* mapping_cache.h - whole mappings kept for reuse instead of unmapped. Layer 5.

   One mechanism, two policies and one byte budget (HAKMEM_BIGCACHE_MAX_MB):
   BigCache keeps mappings of 2 MiB and more (512 KiB and more with
   HAKMEM_BIGCACHE_L25=1); the whale cache is a ring of HAKMEM_WHALE_SLOTS
   mappings of any size up to the budget, oldest out first.
   What is kept for longer than HAKMEM_PURGE_DELAY_MS is purged or unmapped by the next
   mapping_cache_tick(). No system call is made with the lock held: what has to be
   unmapped or purged is returned to the caller, a bounded number at a time. */
#ifndef HAKMEM_MAPPING_CACHE_H
#define HAKMEM_MAPPING_CACHE_H

#include "huge.h"

/* Takes a kept mapping of at least size bytes, aligned, with bounded slack; NULL if none. */
struct huge *mapping_cache_take(size_t size, size_t alignment);
/* Offers a freed mapping. True: kept. False: the caller unmaps it.
   *evicted: a chain (by next) of at most a few mappings pushed out for it, to be unmapped by the caller. */
bool mapping_cache_put(struct huge *huge, uint64_t now_ms, struct huge **evicted);
/* Chain of at most limit mappings that are too old; the caller unmaps them. */
struct huge *mapping_cache_expire(uint64_t now_ms, unsigned limit);
/* Everything, for trim and under pressure. */
struct huge *mapping_cache_drain(void);
size_t mapping_cache_bytes(void);
struct huge *mapping_cache_find_inside(const void *p);

void mapping_cache_fork_prepare(void);
void mapping_cache_fork_release(bool child);

#endif
