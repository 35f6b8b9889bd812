/* heap_park.c - pages of slabs that hold blocks in use: when they go back, and when they are taken again.

   A slab waits from when it becomes PARTIAL until it is looked at, and again when half of what was in use
   then has come back. Waiting costs a count (waiting_units) and a byte in the slab, no list: a cursor goes
   round the heap's list of all slabs, a bounded number with each call, and passes over those that do not
   wait. A slab that is looked at is settled; if enough of it is free its list is walked, and the granules
   without a block in use are parked (slab.h).

   When. With the clock: a slab that has been seen waiting for the delay. And at once, when those that wait
   make up more than 2 MiB and an eighth of what is resident: what a process keeps that then only sleeps. Both
   bounds double with each level of patience, which rises when pages are taken back within a second. */
#include <config.h>
#include "counters.h"
#include "heap_sample.h"
#include "knobs.h"
#include "options.h"
#include "os.h"
#include "remote.h"
#include "superslab.h"

enum {
  TICK_VISITS = 128, TICK_WALKS = 8,       /* slabs met, and lists walked, by one tick */
  SURPLUS_VISITS = 32, SURPLUS_WALKS = 2,  /* by one free that finds too many waiting */
  SURPLUS_UNITS = 32, SURPLUS_SHARE = 8,   /* too many: more than 2 MiB and an eighth of what is resident */
  FREE_SHARE = 8,                          /* walked if at least an eighth of the slab's bytes is free */
  REFUSED_MS = 1000                        /* the kernel is asked again after so long */
};

void heap_count_parked(struct heap *heap, uint32_t before, uint32_t after) {
  heap->parked_kib += after / 1024 - before / 1024;
  store_racy(&heap->parked_units, heap->parked_kib / (UNIT_SIZE / 1024));
  if (after > before) counter_add(COUNT_PARKED_BYTES, after - before);
  else counter_sub(COUNT_PARKED_BYTES, before - after);
}

/* --- taken again --- */

void heap_unpark(struct heap *heap, struct slab *slab, bool all) {
  uint32_t before = slab_parked_bytes(slab), blocks = slab->parked_blocks;
  if (all) slab_unpark_granules(slab, heap->owner, UINT64_MAX);
  else slab_unpark(slab, heap->owner);
  uint32_t after = slab_parked_bytes(slab);
  heap_count_parked(heap, before, after);
  if (heap_samples(heap)) heap_sample_gained(heap, slab, blocks - slab->parked_blocks);
  place_add(size_class_tier(slab->class_index), EVENT_REFAULTED_BYTES, before - after);
  heap->unparked_pages += (before - after) / (uint32_t)os_page_size;
  heap->unparked_ms = slab->parked_ms;
  heap->ticks = HEAP_TICK_PERIOD;   /* the clock is read at the end of the slow path: soon after they were parked? */
}

/* A granule with the start of a block, and those that its last block reaches into. */
uint32_t heap_unpark_bytes(const struct slab *slab, bool all) {
  uint32_t parked = slab_parked_bytes(slab), some = (2u << slab_granule_shift(slab)) + slab->block_size;
  return all || some > parked ? parked : some;
}

/* Those taken back soon would better have been kept. */
static void note_regret(struct heap *heap, uint64_t now_ms) {
  uint32_t pages = heap->unparked_pages;
  heap->unparked_pages = 0;
  bool soon = (uint32_t)now_ms - heap->unparked_ms <= PATIENCE_SOON_MS;
  if (pages != 0 && soon) patience_reused(&heap->patience, pages, now_ms);
}

/* --- given back --- */

/* What a call goes through. */
struct tour {
  unsigned visits, walks;   /* at most */
  bool pressed;             /* while too many wait, at any age */
  bool all;                 /* whatever can be parked */
  uint32_t now_ms;
  uint64_t delay_ms;
  struct purge_batch batch;
  struct { struct slab *slab; uint64_t granules; } parked[TICK_WALKS];
  unsigned parked_count;
  size_t parked_bytes[SLAB_TIERS];   /* that the kernel took, by tier */
};

/* A slab that is settled and waits: is it to be looked at now? */
static bool is_due(const struct tour *tour, struct slab *slab) {
  uint32_t free_count = slab->carved - slab->used;
  if ((size_t)free_count * slab->block_size < (size_t)slab->units * UNIT_SIZE / FREE_SHARE) return false;
  if (tour->all) return true;
  if (tour->pressed) return free_count >= slab->carved / 2;
  if (slab->kept_ms == 0) slab->kept_ms = tour->now_ms;
  return tour->now_ms - slab->kept_ms >= tour->delay_ms;
}

/* It waits again when half of what is in use now has come back. */
static void have_looked(struct heap *heap, struct slab *slab) {
  heap_park_leave(heap, slab);
  slab_arm(slab, (slab->used + 1) / 2);
  slab_check(slab);
}

static size_t bytes_of(const struct slab *slab, uint64_t granules) {
  return (size_t)__builtin_popcountll(granules) << slab_granule_shift(slab);
}

/* False: the batch is full, the slab is to be met again. */
static bool park_slab(struct heap *heap, struct slab *slab, struct tour *tour) {
  uint32_t before = slab_parked_bytes(slab);
  uint64_t granules = slab->parked;
  bool whole = slab_park(slab, heap->owner, &tour->batch);
  heap_count_parked(heap, before, slab_parked_bytes(slab));
  granules = slab->parked & ~granules;
  if (granules != 0) {
    slab->parked_ms = tour->now_ms;
    tour->parked_bytes[size_class_tier(slab->class_index)] += bytes_of(slab, granules);
    tour->parked[tour->parked_count].slab = slab;
    tour->parked[tour->parked_count++].granules = granules;
  }
  if (whole) have_looked(heap, slab);
  return whole;
}

static uint32_t bound(const struct heap *heap) {
  if (option.purge_delay_ms <= 0) return option.purge_delay_ms == 0 ? 0 : UINT32_MAX;
  return (SURPLUS_UNITS + heap_resident_units(heap) / SURPLUS_SHARE) << heap->patience.level;
}

static struct slab *next_slab(struct heap *heap) {
  struct slab *slab = heap->cursor != NULL ? heap->cursor : heap->all;
  if (slab != NULL) heap->cursor = slab->all_next;
  return slab;
}

/* Lock held. */
static void go_round(struct heap *heap, struct tour *tour) {
  struct slab *slab;
  for (; tour->visits > 0 && heap->waiting_units != 0 && (slab = next_slab(heap)) != NULL; tour->visits--) {
    if (slab->waiting == 0) continue;
    heap->frees[slab->class_index] += slab_settle(slab);
    if (!is_due(tour, slab)) {
      if (tour->all) have_looked(heap, slab);
      continue;
    }
    if (!park_slab(heap, slab, tour)) {
      heap->cursor = slab;
      return;
    }
    if (--tour->walks == 0 || (tour->pressed && heap->waiting_units <= bound(heap))) return;
  }
}

/* The kernel has kept some (locked memory, say): those are no parked ones, for the figures, for the slab's frees,
   and when it is looked at again. */
static void take_refused_back(struct heap *heap, struct tour *tour) {
  lock_acquire(&heap->lock);
  for (unsigned i = 0; i < tour->parked_count; i++) {
    struct slab *slab = tour->parked[i].slab;
    unsigned shift = slab_granule_shift(slab);
    uint64_t refused = 0;
    for (uint64_t left = tour->parked[i].granules; left != 0; left &= left - 1) {
      const char *start = slab->start + ((size_t)__builtin_ctzll(left) << shift);
      if (!purge_batch_done(&tour->batch, start, (size_t)1 << shift)) refused |= left & -left;
    }
    if (refused == 0) continue;
    tour->parked_bytes[size_class_tier(slab->class_index)] -= bytes_of(slab, refused);
    uint32_t before = slab_parked_bytes(slab);
    slab_unpark_granules(slab, heap->owner, refused);
    heap_count_parked(heap, before, slab_parked_bytes(slab));
    have_looked(heap, slab);   /* also if the batch was full: not again at once */
  }
  lock_release(&heap->lock);
}

/* Lock not held. Returns the bytes that went back. */
static size_t give_pages_back(struct heap *heap, struct tour *tour) {
  if (tour->batch.count == 0) return 0;
  for (unsigned i = 0; i < tour->parked_count; i++) superslab_end_huge(superslab_of(tour->parked[i].slab));
  purge_batch_issue(&tour->batch);
  size_t bytes = 0;
  for (unsigned i = 0; i < tour->batch.count; i++)
    if (tour->batch.range[i].done) bytes += tour->batch.range[i].size;
  heap->refused = bytes != tour->batch.bytes;
  heap->refused_ms = tour->now_ms;
  if (heap->refused) take_refused_back(heap, tour);
  for (unsigned tier = 0; tier < SLAB_TIERS; tier++)
    if (tour->parked_bytes[tier] != 0) place_add(tier, EVENT_PURGED_BYTES, tour->parked_bytes[tier]);
  patience_purged(&heap->patience, (unsigned)(bytes / os_page_size));
  return bytes;
}

static size_t run(struct heap *heap, struct tour *tour) {
  purge_batch_init(&tour->batch);
  tour->parked_count = 0;
  for (unsigned tier = 0; tier < SLAB_TIERS; tier++) tour->parked_bytes[tier] = 0;
  lock_acquire(&heap->lock);
  go_round(heap, tour);
  heap->waiting_bound = bound(heap);
  lock_release(&heap->lock);
  return give_pages_back(heap, tour);
}

/* Huge pages that the user asks for everywhere are not cut up. */
static bool is_off(const struct heap *heap, uint64_t now_ms) {
  bool refused = heap->refused && (uint32_t)now_ms - heap->refused_ms < REFUSED_MS;
  return option.purge_delay_ms < 0 || option.thp == THP_ALWAYS || refused;
}

bool heap_park_tick(struct heap *heap, uint64_t now_ms) {
  note_regret(heap, now_ms);
  patience_tick(&heap->patience, now_ms);
  heap->waiting_bound = bound(heap);
  if (heap->waiting_units == 0 || is_off(heap, now_ms)) return false;
  struct tour tour = { .visits = TICK_VISITS, .walks = TICK_WALKS, .now_ms = (uint32_t)now_ms,
                       .delay_ms = (uint64_t)knob_get(KNOB_PURGE_DELAY_MS) << heap->patience.level };
  return run(heap, &tour) != 0;
}

void heap_park_surplus(struct heap *heap) {
  uint64_t now_ms = os_now_ms();
  heap->waiting_bound = bound(heap);
  if (heap->waiting_units <= heap->waiting_bound || is_off(heap, now_ms)) return;
  bool at_once = option.purge_delay_ms == 0;
  struct tour tour = { .visits = SURPLUS_VISITS, .walks = SURPLUS_WALKS, .pressed = !at_once, .all = at_once,
                       .now_ms = (uint32_t)now_ms };
  run(heap, &tour);
  heap_release_empty(heap, now_ms, false);   /* what they may keep has become less */
}

size_t heap_park_all(struct heap *heap) {
  lock_acquire(&heap->lock);
  for (struct slab *slab = heap->all; slab != NULL; slab = slab->all_next)
    if (slab->state == SLAB_PARTIAL && slab->waiting == 0) heap_park_wait(heap, slab);
  lock_release(&heap->lock);
  return heap_park_waiting(heap);
}

size_t heap_park_waiting(struct heap *heap) {
  struct tour tour = { .all = true, .now_ms = (uint32_t)os_now_ms() };
  if (option.thp == THP_ALWAYS) return 0;
  size_t bytes = 0;
  while (heap->waiting_units != 0) {
    tour.visits = TICK_VISITS;
    tour.walks = TICK_WALKS;
    bytes += run(heap, &tour);
  }
  return bytes;
}
