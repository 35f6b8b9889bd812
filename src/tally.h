/* tally.h - what is told of each tier and of each cache, and of what steers them, with names. Layer 4.

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

/* What the memory limit and the adaptive controller tell; zeros in a process without them. The order of struct hak_stats. */
enum steering {
  STEERING_LIMIT_BYTES, STEERING_LIMIT_MAPPED_BYTES, STEERING_LIMIT_PASSES, STEERING_LIMIT_REFUSED,
  STEERING_LIMIT_END,
  STEERING_ACE_MODE = STEERING_LIMIT_END, STEERING_ACE_WINDOWS, STEERING_ACE_TRIALS, STEERING_ACE_STAYED,
  STEERING_ACE_PURGE_DELAY_MS, STEERING_ACE_BATCH_FLUSH_BYTES, STEERING_ACE_EMPTY_SUPERSLABS,
  STEERING_ACE_CACHE_DELAY_MS, STEERING_ACE_CACHE_FLOOR_BYTES,
  STEERING_END
};

/* "tiny", "bigcache"; "requests". */
const char *place_name(unsigned place);
const char *tally_name(unsigned tally);
/* "limit_bytes", "ace_mode". */
const char *steering_name(unsigned figure);
/* True: an estimate, for all places or for the slabs of tiers only. All others are exact sums of what has happened. */
bool tally_is_estimate(unsigned tally);

#endif
