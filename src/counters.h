/* counters.h - what is counted on slow paths. Layer 3.

   Events are process-wide and relaxed: exact sums, no order between them.
   Per-class requests live in the heaps (heap.h) and are summed by figures.c. */
#ifndef HAKMEM_COUNTERS_H
#define HAKMEM_COUNTERS_H

#include "compiler.h"

enum counter {
  COUNT_HUGE_REQUESTS,        /* requests served by mappings of their own */
  COUNT_HUGE_FREES,
  COUNT_HUGE_LIVE_BYTES,      /* gauge: bytes of live huge blocks */
  COUNT_MAPPINGS_MADE,        /* mmap calls for huge mappings */
  COUNT_MAPPINGS_GONE,        /* munmap calls for huge mappings */
  COUNT_BIGCACHE_HITS, COUNT_BIGCACHE_KEPT, COUNT_BIGCACHE_BYTES /* gauge */,
  COUNT_WHALE_HITS, COUNT_WHALE_KEPT, COUNT_WHALE_BYTES /* gauge */,
  COUNT_SUPERSLABS,           /* gauge: SuperSlabs opened and not unmapped */
  COUNT_SPANS_MADE, COUNT_SPANS_FREED /* by figures.c */,
  COUNT_SPAN_BYTES,           /* gauge: bytes in spans handed out */
  COUNT_COMMITTED_BYTES,      /* gauge: bytes made readable and writable in SuperSlabs */
  COUNT_DIRTY_BYTES,          /* gauge: free units whose pages may be resident */
  COUNT_PARKED_BYTES,         /* gauge: pages given back within slabs that threads own */
  COUNT_PURGE_CALLS, COUNT_PURGED_BYTES,
  COUNT_REFILLS,              /* slow allocations from slabs */
  COUNT_ADOPTIONS, COUNT_ABANDONED /* gauge: slabs without an owner */,
  COUNT_REMOTE_FREES, COUNT_REMOTE_BATCHES,
  COUNT_HEAPS_MADE, COUNT_HEAPS_LIVE /* gauge */,
  COUNT_FOREIGN_FREES,        /* forwarded to the C library */
  COUNT_INVALID_FREES,
  COUNT_ROUTE_TINY, COUNT_ROUTE_MID, COUNT_ROUTE_L25, COUNT_ROUTE_HUGE, /* routed by the slow path (all, when traced) */
  COUNT_REGISTRY_MISSES,
  COUNT_FAILED_REQUESTS,      /* for which there was no memory */
  COUNT_END
};

extern uint64_t counter_values[COUNT_END];

HAK_INLINE void counter_add(enum counter c, uint64_t n) {
  __atomic_fetch_add(&counter_values[c], n, __ATOMIC_RELAXED);
}
HAK_INLINE void counter_sub(enum counter c, uint64_t n) {
  __atomic_fetch_sub(&counter_values[c], n, __ATOMIC_RELAXED);
}
HAK_INLINE uint64_t counter_get(enum counter c) {
  return __atomic_load_n(&counter_values[c], __ATOMIC_RELAXED);
}
/* What serves requests: the tiers (size_class.h has them in this order) and the caches of mappings behind huge blocks. */
enum place { PLACE_TINY, PLACE_MID, PLACE_L25, PLACE_HUGE, PLACE_BIGCACHE, PLACE_WHALE, PLACE_COUNT };
/* Counted by place as they happen. What of tally.h is not here is in the heaps, or follows from what is. */
enum place_event {
  EVENT_MISSES,               /* huge: requests that no kept mapping served; caches: that found nothing there */
  EVENT_FLUSHES,              /* mappings given up */
  EVENT_ADOPTIONS,
  EVENT_MADE,                 /* slabs on fresh spans */
  EVENT_PURGED_BYTES, EVENT_REFAULTED_BYTES,
  EVENT_REMOTE_FREES, EVENT_REMOTE_BATCHES,   /* by threads without a heap */
  EVENT_END
};
extern uint64_t place_events[PLACE_COUNT][EVENT_END];

HAK_INLINE void place_add(unsigned place, enum place_event event, uint64_t n) {
  __atomic_fetch_add(&place_events[place][event], n, __ATOMIC_RELAXED);
}
HAK_INLINE uint64_t place_get(unsigned place, enum place_event event) {
  return __atomic_load_n(&place_events[place][event], __ATOMIC_RELAXED);
}

/* The name in the JSON report, "bigcache_hits" for COUNT_BIGCACHE_HITS. */
const char *counter_name(enum counter c);

#endif
