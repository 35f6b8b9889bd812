/* patience.h - how long free pages wait, and how many may. Layer 5.

   Pages that are given back and taken again cost a system call and a fault each; pages that are kept and not taken cost
   memory. Which of the two a program does is seen only afterwards, so the bounds follow what it did: each time that it has
   taken back pages soon after they were purged, as many as the present bounds would have spared it, the level rises by one and
   the bounds double; a purge of much that nobody wanted back, or a second without regret, lowers it. What is kept in vain is at
   most four times what was purged in vain. One for the process, guarded by lock SUPERSLAB; the level is also read without it. */
#ifndef HAKMEM_PATIENCE_H
#define HAKMEM_PATIENCE_H

#include "compiler.h"

enum { PATIENCE_MAX = 5, PATIENCE_SOON_MS = 1000 };

struct patience {
  uint32_t purged, reused;   /* units since the level last changed; reused: within PATIENCE_SOON_MS of their purge */
  uint32_t level;            /* 0 to PATIENCE_MAX */
  uint32_t regret_ms;        /* when it last rose, or would have, or was lowered for want of it; low bits */
};

void patience_purged(struct patience *patience, unsigned units);
void patience_reused(struct patience *patience, unsigned units, uint64_t now_ms);
/* The level is to be lowered: a second has gone by. Also without the lock. now_ms may be older than what another thread has
   read and set: then it has not. */
HAK_INLINE bool patience_is_due(const struct patience *patience, uint64_t now_ms) {
  return __atomic_load_n(&patience->level, __ATOMIC_RELAXED) != 0 &&
         (int32_t)((uint32_t)now_ms - __atomic_load_n(&patience->regret_ms, __ATOMIC_RELAXED)) > PATIENCE_SOON_MS;
}
void patience_tick(struct patience *patience, uint64_t now_ms);

#endif
