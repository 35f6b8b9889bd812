/* purge.c - ranges of pages collected, coalesced and given back together. */
#include <config.h>
#include "counters.h"
#include "os.h"
#include "purge.h"

bool purge_batch_add(struct purge_batch *batch, char *start, size_t size) {
  struct purge_range *last = batch->count == 0 ? NULL : &batch->range[batch->count - 1];
  if (last != NULL && last->start + last->size == start) {
    last->size += size;
  } else {
    if (batch->count == PURGE_BATCH_RANGES) return false;
    batch->range[batch->count++] = (struct purge_range){ start, size, false };
  }
  batch->bytes += size;
  return true;
}

void purge_batch_issue(struct purge_batch *batch) {
  for (unsigned i = 0; i < batch->count; i++) {
    struct purge_range *range = &batch->range[i];
    range->done = os_purge(range->start, range->size);
    counter_add(COUNT_PURGE_CALLS, 1);
    if (range->done) counter_add(COUNT_PURGED_BYTES, range->size);
  }
}

bool purge_batch_done(const struct purge_batch *batch, const char *start, size_t size) {
  for (unsigned i = 0; i < batch->count; i++) {
    const struct purge_range *range = &batch->range[i];
    if (start >= range->start && start + size <= range->start + range->size) return range->done;
  }
  return false;
}
