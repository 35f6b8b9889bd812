/* knobs.c - settings that may change while the process runs. */
#include <config.h>
#include "knobs.h"
#include "options.h"

long knob_values[KNOB_COUNT];

void knobs_init(void) {
  knob_set(KNOB_PURGE_DELAY_MS, option.purge_delay_ms);
  knob_set(KNOB_BATCH_FLUSH, option.batch_flush);
  knob_set(KNOB_EMPTY_SUPERSLABS, option.superslab_max_cached);
  knob_set(KNOB_CACHE_DELAY_MS, option.purge_delay_ms);
  knob_set(KNOB_CACHE_FLOOR, KNOB_CACHE_FLOOR_BYTES);
}
