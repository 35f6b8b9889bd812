/* figures.h - the sums over all heaps. Layer 8. */
#ifndef HAKMEM_FIGURES_H
#define HAKMEM_FIGURES_H

#include "tally.h"

struct class_figures {
  uint64_t requests;       /* blocks handed out */
  uint64_t misses;         /* by the slow path */
  uint64_t refills;        /* slabs put where malloc looks */
  uint64_t frees;          /* blocks taken back */
  uint64_t live;           /* blocks in use: requests - frees */
  uint64_t slabs;          /* slabs of the class now */
  uint64_t kept;           /* of those, without a block in use */
  uint64_t parked_bytes;   /* pages given back in slabs that threads own */
};
struct figures {
  struct class_figures class[CLASS_COUNT];
  uint64_t tally[PLACE_COUNT][TALLY_END];
  uint64_t requests[TIER_COUNT], live_blocks[TIER_COUNT], live_bytes[TIER_COUNT], held_bytes[TIER_COUNT];
  uint64_t counter[COUNT_END];
  uint64_t metadata_bytes;
  uint64_t steering[STEERING_END];
};
/* Walks all heaps. Exact for the calling thread and for threads that do not allocate meanwhile;
   others' current slabs are read as they are. Allocates nothing. */
void figures_collect(struct figures *figures);
/* The same without waiting for anybody. False: another thread is at work on its heap just now. */
bool figures_try_collect(struct figures *figures);

#endif
