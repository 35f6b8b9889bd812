/* purge.h - ranges of pages collected, coalesced and given back together. Layer 5.

   A batch lives on the stack of the call that purges: ranges are added in order of address, ranges
   that touch become one, and each of what remains is one madvise. */
#ifndef HAKMEM_PURGE_H
#define HAKMEM_PURGE_H

#include "compiler.h"

enum { PURGE_BATCH_RANGES = 16 };

struct purge_range { char *start; size_t size; bool done; };
struct purge_batch {
  unsigned count;
  size_t bytes;
  struct purge_range range[PURGE_BATCH_RANGES];
};

HAK_INLINE void purge_batch_init(struct purge_batch *batch) { batch->count = 0; batch->bytes = 0; }
/* False: full, nothing was added. */
bool purge_batch_add(struct purge_batch *batch, char *start, size_t size);
/* Issues it; no lock is held. range[i].done says which are clean now. */
void purge_batch_issue(struct purge_batch *batch);
/* True if [start, start + size) lies in a range that was purged. */
bool purge_batch_done(const struct purge_batch *batch, const char *start, size_t size);

#endif
