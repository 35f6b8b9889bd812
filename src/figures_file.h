/* figures_file.h - the file in HAKMEM_STATS_DIR in which processes publish their figures. Layer 8.

   One file for each user, hakmem-figures.UID, shared by all of that user's processes and by hakmemctl, which
   has this header compiled in. Fixed in size and layout, the same for 32-bit and 64-bit processes; another
   layout gets another FIGURES_VERSION. Numbers are the machine's.

   A process owns the slot whose owner word it has changed from 0 to its process id by compare-and-swap. Words
   of processes that are gone are taken over by those that start and find no other; a word that is not the
   process's own any more is not written to. The owner writes a slot between two increments of its
   sequence. */
#ifndef HAKMEM_FIGURES_FILE_H
#define HAKMEM_FIGURES_FILE_H

#include "compiler.h"

#define FIGURES_FILE_NAME "hakmem-figures."   /* and the effective user id */
#define FIGURES_MAGIC UINT64_C(0x736769666b6168)
enum {
  FIGURES_VERSION = 3,
  FIGURES_SLOTS = 1000,
  FIGURES_TIERS = 4, FIGURES_CLASSES_MAX = 104, FIGURES_COUNTERS_MAX = 64,
  FIGURES_PLACES = 6, FIGURES_TALLIES_MAX = 16, FIGURES_STEERING_MAX = 14,
  FIGURES_PROGRAM_MAX = 32, FIGURES_RELEASE_MAX = 16
};

struct figures_slot {
  uint32_t sequence;            /* odd: being written (release); readers load it before and after (acquire) */
  uint32_t process;
  uint64_t started_ms, updated_ms;   /* by CLOCK_MONOTONIC */
  char program[FIGURES_PROGRAM_MAX], release[FIGURES_RELEASE_MAX];   /* terminated */
  uint64_t live_bytes, held_bytes;   /* held: live, kept and free ones, and the library's own */
  uint64_t live_peak, held_peak;     /* of those that were published */
  uint64_t metadata_bytes;
  struct { uint64_t requests, live_blocks, live_bytes, held_bytes; } tier[FIGURES_TIERS];
  uint64_t counter[FIGURES_COUNTERS_MAX];     /* by enum counter */
  uint32_t class_live[FIGURES_CLASSES_MAX];   /* blocks in use of each class, at most UINT32_MAX */
  uint64_t tally[FIGURES_PLACES][FIGURES_TALLIES_MAX];   /* by enum place and enum tally */
  uint64_t steering[FIGURES_STEERING_MAX];    /* by enum steering */
};
_Static_assert(sizeof(struct figures_slot) == 2048, "the same on all machines");
_Static_assert(offsetof(struct figures_slot, tier) % 8 == 0, "nothing is aligned by the compiler");
_Static_assert(offsetof(struct figures_slot, class_live) % 8 == 0, "nothing is aligned by the compiler");

struct figures_file {
  uint64_t magic;               /* written last (release) by those who find 0 */
  uint32_t version, slots;
  uint32_t tiers, classes, counters;
  uint32_t spare[17];
  uint32_t owner[FIGURES_SLOTS];   /* process id, 0: free; compare-and-swap */
  struct figures_slot slot[FIGURES_SLOTS];
};
_Static_assert(offsetof(struct figures_file, slot) == 4096, "the same on all machines");

#endif
