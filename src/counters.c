/* counters.c - what is counted on slow paths, and the names in the JSON report. */
#include <config.h>
#include "counters.h"

uint64_t counter_values[COUNT_END];
uint64_t place_events[PLACE_COUNT][EVENT_END];

/* One line a counter, in the order of the enum. */
#define COUNTER_NAMES(name)                       \
  name(HUGE_REQUESTS, "huge_requests")            \
  name(HUGE_FREES, "huge_frees")                  \
  name(HUGE_LIVE_BYTES, "huge_live_bytes")        \
  name(MAPPINGS_MADE, "mappings_made")            \
  name(MAPPINGS_GONE, "mappings_gone")            \
  name(BIGCACHE_HITS, "bigcache_hits")            \
  name(BIGCACHE_KEPT, "bigcache_kept")            \
  name(BIGCACHE_BYTES, "bigcache_bytes")          \
  name(WHALE_HITS, "whale_hits")                  \
  name(WHALE_KEPT, "whale_kept")                  \
  name(WHALE_BYTES, "whale_bytes")                \
  name(SUPERSLABS, "superslabs")                  \
  name(SPANS_MADE, "spans_made")                  \
  name(SPANS_FREED, "spans_freed")                \
  name(SPAN_BYTES, "span_bytes")                  \
  name(COMMITTED_BYTES, "committed_bytes")        \
  name(DIRTY_BYTES, "dirty_bytes")                \
  name(PARKED_BYTES, "parked_bytes")              \
  name(PURGE_CALLS, "purge_calls")                \
  name(PURGED_BYTES, "purged_bytes")              \
  name(REFILLS, "refills")                        \
  name(ADOPTIONS, "adoptions")                    \
  name(ABANDONED, "abandoned")                    \
  name(REMOTE_FREES, "remote_frees")              \
  name(REMOTE_BATCHES, "remote_batches")          \
  name(HEAPS_MADE, "heaps_made")                  \
  name(HEAPS_LIVE, "heaps_live")                  \
  name(FOREIGN_FREES, "foreign_frees")            \
  name(INVALID_FREES, "invalid_frees")            \
  name(ROUTE_TINY, "route_tiny")                  \
  name(ROUTE_MID, "route_mid")                    \
  name(ROUTE_L25, "route_l25")                    \
  name(ROUTE_HUGE, "route_huge")                  \
  name(REGISTRY_MISSES, "registry_misses")        \
  name(FAILED_REQUESTS, "failed_requests")

enum { NAME_MAX_LENGTH = 24 };

/* Characters, not pointers: nothing to relocate at start. */
static const char names[COUNT_END][NAME_MAX_LENGTH] = {
#define NAME_ROW(constant, text) [COUNT_##constant] = text,
  COUNTER_NAMES(NAME_ROW)
};

#define COUNT_ONE(constant, text) +1
_Static_assert(0 COUNTER_NAMES(COUNT_ONE) == COUNT_END, "each counter has a name");
#define FITS(constant, text) _Static_assert(sizeof text <= NAME_MAX_LENGTH, "a longer name: " text);
COUNTER_NAMES(FITS)

const char *counter_name(enum counter c) { return names[c]; }
