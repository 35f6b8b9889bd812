/* tally.c - the names in the reports. */
#include <config.h>
#include "tally.h"

enum { NAME_MAX_LENGTH = 16, STEERING_MAX_LENGTH = 24 };

/* Characters, not pointers: nothing to relocate at start. */
static const char place_names[PLACE_COUNT][NAME_MAX_LENGTH] = { "tiny", "mid", "l25", "huge", "bigcache", "whale" };

static const char tally_names[TALLY_END][NAME_MAX_LENGTH] = {
  [TALLY_REQUESTS] = "requests",
  [TALLY_HITS] = "hits",
  [TALLY_MISSES] = "misses",
  [TALLY_REFILLS] = "refills",
  [TALLY_FLUSHES] = "flushes",
  [TALLY_REMOTE_FREES] = "remote_frees",
  [TALLY_REMOTE_BATCHES] = "remote_batches",
  [TALLY_ADOPTIONS] = "adoptions",
  [TALLY_MADE] = "made",
  [TALLY_KEPT] = "kept",
  [TALLY_KEPT_BYTES] = "kept_bytes",
  [TALLY_LIVE_BYTES] = "live_bytes",
  [TALLY_HELD_BYTES] = "held_bytes",
  [TALLY_PURGED_BYTES] = "purged_bytes",
  [TALLY_REFAULTED_BYTES] = "refaulted_bytes",
};

static const char steering_names[STEERING_END][STEERING_MAX_LENGTH] = {
  [STEERING_LIMIT_BYTES] = "limit_bytes",
  [STEERING_LIMIT_MAPPED_BYTES] = "limit_mapped_bytes",
  [STEERING_LIMIT_PASSES] = "limit_passes",
  [STEERING_LIMIT_REFUSED] = "limit_refused",
  [STEERING_ACE_MODE] = "ace_mode",
  [STEERING_ACE_WINDOWS] = "ace_windows",
  [STEERING_ACE_TRIALS] = "ace_trials",
  [STEERING_ACE_STAYED] = "ace_stayed",
  [STEERING_ACE_PURGE_DELAY_MS] = "ace_purge_delay_ms",
  [STEERING_ACE_BATCH_FLUSH_BYTES] = "ace_batch_flush_bytes",
  [STEERING_ACE_EMPTY_SUPERSLABS] = "ace_empty_superslabs",
  [STEERING_ACE_CACHE_DELAY_MS] = "ace_cache_delay_ms",
  [STEERING_ACE_CACHE_FLOOR_BYTES] = "ace_cache_floor_bytes",
};

const char *place_name(unsigned place) { return place_names[place]; }
const char *tally_name(unsigned tally) { return tally_names[tally]; }
const char *steering_name(unsigned figure) { return steering_names[figure]; }
bool tally_is_estimate(unsigned tally) { return tally == TALLY_REFAULTED_BYTES; }
