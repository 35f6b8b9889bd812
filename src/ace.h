/* ace.h - the adaptive controller: HAKMEM_ACE. Layer 5.

   Looks at the counters when the clock comes by on a slow path, no more often than each ten milliseconds, and no thread
   waits for another that does; ace_decide.h says what is decided. Nothing is allocated, no lock is held or taken; only with
   HAKMEM_ACE_LOG is a system call made, for a line about each decision. */
#ifndef HAKMEM_ACE_H
#define HAKMEM_ACE_H

#include "ace_decide.h"

extern HAK_HIDDEN bool ace_is_on;       /* constant after the start */
extern HAK_HIDDEN uint64_t ace_ticks;   /* of all heaps' slow paths; relaxed */
extern HAK_HIDDEN uint64_t ace_kept_units;   /* in EMPTY slabs of heaps, as they have told; relaxed */

/* At start: as the options have it. */
void ace_init(void);

void ace_look(uint64_t now_ms);
HAK_INLINE void ace_tick(uint64_t now_ms) {
  if (unlikely(ace_is_on)) ace_look(now_ms);
}
/* A heap's slow paths have come by once more; told: what it has said last, its own. */
void ace_tell_kept(uint32_t *told, uint32_t kept_units);
HAK_INLINE void ace_count_tick(uint32_t *told, uint32_t kept_units) {
  if (likely(!ace_is_on)) return;
  __atomic_fetch_add(&ace_ticks, 1, __ATOMIC_RELAXED);
  ace_tell_kept(told, kept_units);
}

/* For the report; zeros when it is off. */
struct ace_figures {
  uint64_t mode;                     /* enum ace */
  uint64_t windows, trials, stayed;  /* times it looked at a whole window; tried; what was tried paid */
  long knobs[KNOB_COUNT];            /* as they are set now */
};
struct ace_figures ace_figures(void);

void ace_fork_child(void);

#endif
