/* tally.h - what is told of each tier and of each cache, with names. Layer 4.

   The same for all of them, 0 where it has no meaning; struct hak_counts of hakmem.h has the members in this order, and
   hak_stats_get(3) says what each counts and what a high value means. Always: requests == hits + misses,
   kept_bytes <= held_bytes and live_bytes <= held_bytes. Of the caches also: refills == hits + flushes + kept. */
#ifndef HAKMEM_TALLY_H
#define HAKMEM_TALLY_H

#include "counters.h"
#include "size_class.h"

enum tally {
  TALLY_REQUESTS, TALLY_HITS, TALLY_MISSES,
  TALLY_REFILLS, TALLY_FLUSHES,
  TALLY_REMOTE_FREES, TALLY_REMOTE_BATCHES,
  TALLY_ADOPTIONS,
  TALLY_MADE, TALLY_KEPT, TALLY_KEPT_BYTES,
  TALLY_LIVE_BYTES, TALLY_HELD_BYTES,
  TALLY_PURGED_BYTES, TALLY_REFAULTED_BYTES,
  TALLY_END
};

_Static_assert((int)PLACE_TINY == (int)TIER_TINY && (int)PLACE_MID == (int)TIER_MID && (int)PLACE_L25 == (int)TIER_L25 &&
               (int)PLACE_HUGE == (int)TIER_HUGE && (int)PLACE_BIGCACHE == (int)TIER_COUNT, "tiers are places");

/* "tiny", "bigcache"; "requests". */
const char *place_name(unsigned place);
const char *tally_name(unsigned tally);
/* True: an estimate, for all places or for the slabs of tiers only. All others are exact sums of what has happened. */
bool tally_is_estimate(unsigned tally);

#endif
