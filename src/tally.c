/* tally.c - the names in the reports. */
#include <config.h>
#include "tally.h"

enum { NAME_MAX_LENGTH = 16 };

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

const char *place_name(unsigned place) { return place_names[place]; }
const char *tally_name(unsigned tally) { return tally_names[tally]; }
bool tally_is_estimate(unsigned tally) { return tally == TALLY_REFAULTED_BYTES; }
