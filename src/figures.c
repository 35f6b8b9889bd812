/* figures.c - the sums over all heaps. */
#include <config.h>
#include "figures.h"

#include <string.h>
#include "ace.h"
#include "limit.h"
#include "metadata.h"
#include "thread.h"

/* Lock of the slab's heap. */
static void add_slab(struct figures *figures, struct slab *slab, bool mine) {
  unsigned class = slab->class_index;
  struct class_figures *row = &figures->class[class];
  uint32_t freed = slab->armed - load_racy(&slab->countdown);
  row->slabs++;
  row->kept += slab->state == SLAB_EMPTY;
  row->parked_bytes += slab_parked_bytes(slab);
  row->frees += freed;
  if (slab->state != SLAB_CURRENT) return;
  row->requests += freed;
  if (mine) row->requests -= slab_count_free(slab);
}

/* Lock of the heap, which is released. */
static void add_heap(struct figures *figures, struct heap *heap, bool mine) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    struct heap_sums sums = { 0, 0, 0, 0 };
    struct class_figures *row = &figures->class[class];
    heap_sums_add(&sums, heap, class);
    row->requests += sums.supplied;
    row->frees += sums.frees;
    row->misses += sums.misses;
    row->refills += sums.refills;
  }
  for (struct slab *slab = heap->all; slab != NULL; slab = slab->all_next) add_slab(figures, slab, mine);
  for (unsigned tier = 0; tier < SLAB_TIERS; tier++) {
    figures->tally[tier][TALLY_REMOTE_FREES] += load_racy(&heap->remote_frees[tier]);
    figures->tally[tier][TALLY_REMOTE_BATCHES] += load_racy(&heap->remote_pushes[tier]);
  }
  lock_release(&heap->lock);
}

/* All heaps. False: another thread is at work on its heap just now. */
static bool add_heaps(struct figures *figures, bool may_wait) {
  struct heap *own = thread_heap();
  uint32_t carried;
  do {
    carried = heap_sums_carried();
    memset(figures, 0, sizeof *figures);
    for (struct heap *heap = heap_first(); heap != NULL; heap = heap->next_heap) {
      if (may_wait) lock_acquire(&heap->lock);
      else if (!lock_try(&heap->lock)) return false;
      add_heap(figures, heap, heap == own);
    }
    for (unsigned class = 0; class < CLASS_COUNT; class++) {
      struct heap_sums sums = { 0, 0, 0, 0 };
      struct class_figures *row = &figures->class[class];
      heap_sums_add_carried(&sums, class);
      row->requests += sums.supplied;
      row->frees += sums.frees;
      row->misses += sums.misses;
      row->refills += sums.refills;
    }
  } while (carried != heap_sums_carried());
  return true;
}

/* From the sums of a class to those of its tier. */
static void finish_class(struct figures *figures, unsigned class) {
  struct class_figures *row = &figures->class[class];
  enum tier tier = size_class_tier(class);
  uint64_t *tally = figures->tally[tier];
  uint64_t bytes = (uint64_t)size_classes[class].units * UNIT_SIZE;
  struct abandoned_sums abandoned = abandoned_sums(class);
  row->frees += abandoned.frees;
  row->slabs += abandoned.slabs;
  if (row->frees > row->requests) row->requests = row->frees;   /* another thread was at it */
  if (row->misses > row->requests) row->misses = row->requests;
  row->live = row->requests - row->frees;
  figures->requests[tier] += row->requests;
  figures->live_blocks[tier] += row->live;
  figures->live_bytes[tier] += row->live * size_classes[class].block_size;
  figures->held_bytes[tier] += row->slabs * bytes;
  tally[TALLY_MISSES] += row->misses;
  tally[TALLY_REFILLS] += row->refills;
  tally[TALLY_KEPT] += row->kept;
  tally[TALLY_KEPT_BYTES] += row->kept * bytes;
  tally[TALLY_FLUSHES] -= row->slabs;   /* those made that are not there any more */
}

static void finish_slab_tiers(struct figures *figures) {
  uint64_t *counter = figures->counter;
  for (unsigned tier = 0; tier < SLAB_TIERS; tier++) {
    uint64_t *tally = figures->tally[tier];
    counter[COUNT_REFILLS] += tally[TALLY_MISSES];
    counter[COUNT_REMOTE_FREES] += tally[TALLY_REMOTE_FREES];
    counter[COUNT_REMOTE_BATCHES] += tally[TALLY_REMOTE_BATCHES];
    tally[TALLY_MADE] = place_get(tier, EVENT_MADE);
    tally[TALLY_FLUSHES] += tally[TALLY_MADE];
    if ((int64_t)tally[TALLY_FLUSHES] < 0) tally[TALLY_FLUSHES] = 0;   /* a run of another tier's size, or another thread */
    counter[COUNT_SPANS_FREED] += tally[TALLY_FLUSHES];
    tally[TALLY_REMOTE_FREES] += place_get(tier, EVENT_REMOTE_FREES);
    tally[TALLY_REMOTE_BATCHES] += place_get(tier, EVENT_REMOTE_BATCHES);
  }
}

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void finish_huge(struct figures *figures) {
  const uint64_t *counter = figures->counter;
  uint64_t *tally = figures->tally[PLACE_HUGE];
  uint64_t kept = counter[COUNT_BIGCACHE_BYTES] + counter[COUNT_WHALE_BYTES];
  figures->requests[TIER_HUGE] = counter[COUNT_HUGE_REQUESTS];
  figures->live_blocks[TIER_HUGE] = counter[COUNT_HUGE_REQUESTS] - lesser(counter[COUNT_HUGE_FREES], counter[COUNT_HUGE_REQUESTS]);
  figures->live_bytes[TIER_HUGE] = counter[COUNT_HUGE_LIVE_BYTES];
  figures->held_bytes[TIER_HUGE] = counter[COUNT_HUGE_LIVE_BYTES] + kept;
  tally[TALLY_MISSES] = lesser(place_get(PLACE_HUGE, EVENT_MISSES), counter[COUNT_HUGE_REQUESTS]);
  tally[TALLY_MADE] = counter[COUNT_MAPPINGS_MADE];
  tally[TALLY_KEPT_BYTES] = kept;
}

/* BigCache, or the whale cache, with its counters. */
static void finish_cache(struct figures *figures, enum place place, enum counter hits, enum counter kept, enum counter bytes) {
  uint64_t *tally = figures->tally[place];
  uint64_t gone = figures->counter[hits] + place_get(place, EVENT_FLUSHES);
  tally[TALLY_HITS] = figures->counter[hits];
  tally[TALLY_MISSES] = place_get(place, EVENT_MISSES);
  tally[TALLY_REQUESTS] = tally[TALLY_HITS] + tally[TALLY_MISSES];
  tally[TALLY_REFILLS] = figures->counter[kept];
  tally[TALLY_KEPT] = figures->counter[kept] - lesser(gone, figures->counter[kept]);
  tally[TALLY_KEPT_BYTES] = tally[TALLY_HELD_BYTES] = figures->counter[bytes];
  figures->tally[PLACE_HUGE][TALLY_KEPT] += tally[TALLY_KEPT];
}

/* What all places have. */
static void finish_places(struct figures *figures) {
  for (unsigned place = 0; place < PLACE_COUNT; place++) {
    uint64_t *tally = figures->tally[place];
    if (place >= SLAB_TIERS) tally[TALLY_FLUSHES] = place_get(place, EVENT_FLUSHES);
    tally[TALLY_ADOPTIONS] = place_get(place, EVENT_ADOPTIONS);
    tally[TALLY_PURGED_BYTES] = place_get(place, EVENT_PURGED_BYTES);
    tally[TALLY_REFAULTED_BYTES] = place_get(place, EVENT_REFAULTED_BYTES);
    if (place >= TIER_COUNT) continue;
    tally[TALLY_REQUESTS] = figures->requests[place];
    tally[TALLY_HITS] = tally[TALLY_REQUESTS] - tally[TALLY_MISSES];
    tally[TALLY_LIVE_BYTES] = figures->live_bytes[place];
    tally[TALLY_HELD_BYTES] = figures->held_bytes[place];
  }
}

static void collect_steering(uint64_t steering[STEERING_END]) {
  struct limit_figures limit = limit_figures();
  steering[STEERING_LIMIT_BYTES] = limit.held_bytes;
  steering[STEERING_LIMIT_MAPPED_BYTES] = limit.mapped_bytes;
  steering[STEERING_LIMIT_PASSES] = limit.passes;
  steering[STEERING_LIMIT_REFUSED] = limit.refused;
  struct ace_figures ace = ace_figures();
  steering[STEERING_ACE_MODE] = ace.mode;
  steering[STEERING_ACE_WINDOWS] = ace.windows;
  steering[STEERING_ACE_TRIALS] = ace.trials;
  steering[STEERING_ACE_STAYED] = ace.stayed;
  steering[STEERING_ACE_PURGE_DELAY_MS] = (uint64_t)ace.knobs[KNOB_PURGE_DELAY_MS];
  steering[STEERING_ACE_BATCH_FLUSH_BYTES] = (uint64_t)ace.knobs[KNOB_BATCH_FLUSH];
  steering[STEERING_ACE_EMPTY_SUPERSLABS] = (uint64_t)ace.knobs[KNOB_EMPTY_SUPERSLABS];
  steering[STEERING_ACE_CACHE_DELAY_MS] = (uint64_t)ace.knobs[KNOB_CACHE_DELAY_MS];
  steering[STEERING_ACE_CACHE_FLOOR_BYTES] = (uint64_t)ace.knobs[KNOB_CACHE_FLOOR];
}

static bool collect(struct figures *figures, bool may_wait) {
  if (!add_heaps(figures, may_wait)) return false;
  for (unsigned c = 0; c < COUNT_END; c++) figures->counter[c] = counter_get((enum counter)c);
  for (unsigned class = 0; class < CLASS_COUNT; class++) finish_class(figures, class);
  finish_slab_tiers(figures);
  finish_huge(figures);
  finish_cache(figures, PLACE_BIGCACHE, COUNT_BIGCACHE_HITS, COUNT_BIGCACHE_KEPT, COUNT_BIGCACHE_BYTES);
  finish_cache(figures, PLACE_WHALE, COUNT_WHALE_HITS, COUNT_WHALE_KEPT, COUNT_WHALE_BYTES);
  finish_places(figures);
  figures->metadata_bytes = metadata_bytes();
  collect_steering(figures->steering);
  return true;
}

void figures_collect(struct figures *figures) { (void)collect(figures, true); }
bool figures_try_collect(struct figures *figures) { return collect(figures, false); }
