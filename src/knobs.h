/* knobs.h - settings that may change while the process runs. Layer 3.

   The start gives each its option's value. With HAKMEM_ACE=on the controller (ace.h) changes them, within bounds; else nobody
   does. Read and written relaxed, each for itself: who reads an old value keeps something a little longer, or less long. */
#ifndef HAKMEM_KNOBS_H
#define HAKMEM_KNOBS_H

#include "compiler.h"

enum knob {
  KNOB_PURGE_DELAY_MS,      /* of free pages; as the option: -1 never, 0 at once, and only the start sets these two */
  KNOB_BATCH_FLUSH,         /* bytes of free pages that may wait for it */
  KNOB_EMPTY_SUPERSLABS,    /* kept; 0: none, and only the start sets that */
  KNOB_CACHE_DELAY_MS,      /* of kept mappings, as the first */
  KNOB_CACHE_FLOOR,         /* bytes of mappings that may be kept whatever the process has had */
  KNOB_COUNT
};

enum { KNOB_CACHE_FLOOR_BYTES = 8 << 20 };   /* there is no option for it */

extern HAK_HIDDEN long knob_values[KNOB_COUNT];

HAK_INLINE long knob_get(enum knob knob) { return __atomic_load_n(&knob_values[knob], __ATOMIC_RELAXED); }
HAK_INLINE void knob_set(enum knob knob, long value) { __atomic_store_n(&knob_values[knob], value, __ATOMIC_RELAXED); }

/* At start: as the options have it. */
void knobs_init(void);

#endif
