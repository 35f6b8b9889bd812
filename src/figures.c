/* figures.c - the sums over all heaps. */
#include <config.h>
#include "figures.h"

#include <string.h>
#include "metadata.h"
#include "thread.h"

static void add_slab(struct figures *figures, struct slab *slab, bool mine) {
  unsigned class = slab->class_index;
  struct class_figures *row = &figures->class[class];
  uint32_t freed = slab->armed - load_racy(&slab->countdown);
  row->slabs++;
  row->frees += freed;
  figures->held_bytes[size_class_tier(class)] += (uint64_t)slab->units * UNIT_SIZE;
  if (slab->state != SLAB_CURRENT) return;
  row->requests += freed;
  if (mine) row->requests -= slab_count_free(slab);
}

/* Lock of the heap, which is released. */
static void add_heap(struct figures *figures, struct heap *heap, bool mine) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    figures->class[class].requests += heap->supplied[class];
    figures->class[class].frees += heap->frees[class];
  }
  for (struct slab *slab = heap->all; slab != NULL; slab = slab->all_next) add_slab(figures, slab, mine);
  figures->counter[COUNT_REFILLS] += heap->refills;
  figures->counter[COUNT_REMOTE_FREES] += load_racy(&heap->remote_frees);
  figures->counter[COUNT_REMOTE_BATCHES] += load_racy(&heap->remote_pushes);
  lock_release(&heap->lock);
}

static bool collect(struct figures *figures, bool may_wait) {
  memset(figures, 0, sizeof *figures);
  for (unsigned c = 0; c < COUNT_END; c++) figures->counter[c] = counter_get((enum counter)c);
  struct heap *own = thread_heap();
  for (struct heap *heap = heap_first(); heap != NULL; heap = heap->next_heap) {
    if (may_wait) lock_acquire(&heap->lock);
    else if (!lock_try(&heap->lock)) return false;
    add_heap(figures, heap, heap == own);
  }
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    struct class_figures *row = &figures->class[class];
    enum tier tier = size_class_tier(class);
    row->frees += abandoned_frees(class);
    if (row->frees > row->requests) row->requests = row->frees;   /* another thread was at it */
    row->live = row->requests - row->frees;
    figures->requests[tier] += row->requests;
    figures->live_blocks[tier] += row->live;
    figures->live_bytes[tier] += row->live * size_classes[class].block_size;
  }
  figures->requests[TIER_HUGE] = figures->counter[COUNT_HUGE_REQUESTS];
  figures->live_blocks[TIER_HUGE] = figures->counter[COUNT_HUGE_REQUESTS] - figures->counter[COUNT_HUGE_FREES];
  figures->live_bytes[TIER_HUGE] = figures->counter[COUNT_HUGE_LIVE_BYTES];
  figures->held_bytes[TIER_HUGE] = figures->counter[COUNT_HUGE_LIVE_BYTES] + figures->counter[COUNT_BIGCACHE_BYTES] +
                                   figures->counter[COUNT_WHALE_BYTES];
  figures->metadata_bytes = metadata_bytes();
  return true;
}

void figures_collect(struct figures *figures) { (void)collect(figures, true); }
bool figures_try_collect(struct figures *figures) { return collect(figures, false); }
