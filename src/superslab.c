/* superslab.c - spans of units: best fit by longest run, dirty units first. */
#include <config.h>
#include "counters.h"
#include "knobs.h"
#include "limit.h"
#include "lock.h"
#include "message.h"
#include "options.h"
#include "os.h"
#include "patience.h"
#include "purge.h"
#include "superslab.h"

enum {
  BIN_COUNT = SUPERSLAB_UNITS + 1,
  /* More dirty free units than batch_flush bytes and this share of the heap do not wait for the whole delay; but those
     of the last few milliseconds stay, for programs that free all and start again (the clock's step is up to 4 ms). */
  DIRTY_SHARE = 2, HASTY_MS = 20,
  /* Four times that many batches, or as much as the heap, is too much at any age: what a process keeps that then only sleeps. */
  HARD_BATCHES = 4, HARD_SHARE = 1,
  EMPTY_SHARE = 8,
  LONG_RUN = 16,                /* units */
  /* Huge pages are asked for once this much is in spans, seven eighths of what is committed. */
  HUGE_FROM = 128 << 20,
  COMMIT_STEP_MAX_UNITS = SUPERSLAB_UNITS,
  AHEAD_SHARE = 4, AHEAD_MAX = 8,
  COMMIT_SHARE = 4              /* a commit may run ahead by a quarter of what is committed */
};
#define ALL_UNITS ((uint32_t)0xffffffff)

static struct lock superslab_lock = LOCK_INIT(RANK_SUPERSLAB);
/* Lists by the longest run of free, and of free dirty, units; bit n of the set: list n is not empty. Lock. */
static struct superslab *by_free[BIN_COUNT], *by_dirty[BIN_COUNT];
static uint64_t free_set, dirty_set;
static struct superslab *oldest, *youngest;   /* with dirty units, by dirty_since_ms */
static size_t dirty_units;                    /* lock */
static struct patience patience;              /* lock; its level also without */
static unsigned empty_count;                  /* SuperSlabs that are is_empty(); lock */

static uint32_t run_mask(unsigned first, unsigned units) {
  return (units == 32 ? ALL_UNITS : ((uint32_t)1 << units) - 1) << first;
}

/* Bits where a run of units bits of mask begins. */
static uint32_t run_starts(uint32_t mask, unsigned units) {
  unsigned have = 1;
  while (have * 2 <= units) {
    mask &= mask >> have;
    have *= 2;
  }
  return have < units ? mask & (mask >> (units - have)) : mask;
}

static unsigned longest_run(uint32_t mask) {
  unsigned length = 0;
  for (; mask != 0; mask &= mask >> 1) length++;
  return length;
}

static unsigned bit_count(uint32_t mask) { return (unsigned)__builtin_popcount(mask); }

static struct superslab_links *links_of(struct superslab *superslab, struct superslab **lists) {
  return lists == by_free ? &superslab->by_free : &superslab->by_dirty;
}

static void bin_move(struct superslab *superslab, struct superslab **lists, uint64_t *set, uint8_t *bin, unsigned to) {
  struct superslab_links *links = links_of(superslab, lists);
  if (*bin == to) return;
  if (*bin != 0) {
    if (links->previous != NULL) links_of(links->previous, lists)->next = links->next;
    else lists[*bin] = links->next;
    if (links->next != NULL) links_of(links->next, lists)->previous = links->previous;
    if (lists[*bin] == NULL) *set &= ~((uint64_t)1 << *bin);
  }
  *bin = (uint8_t)to;
  if (to == 0) return;
  *links = (struct superslab_links){ lists[to], NULL };
  if (lists[to] != NULL) links_of(lists[to], lists)->previous = superslab;
  lists[to] = superslab;
  *set |= (uint64_t)1 << to;
}

static void age_unlink(struct superslab *superslab) {
  struct superslab_links *links = &superslab->by_age;
  if (links->previous != NULL) links->previous->by_age.next = links->next;
  else oldest = links->next;
  if (links->next != NULL) links->next->by_age.previous = links->previous;
  else youngest = links->previous;
}

static void age_append(struct superslab *superslab, uint64_t now_ms) {
  superslab->dirty_since_ms = now_ms;
  superslab->by_age = (struct superslab_links){ NULL, youngest };
  if (youngest != NULL) youngest->by_age.next = superslab;
  else oldest = superslab;
  youngest = superslab;
}

/* Wholly free, and costing something: pages, or a mapping. */
static bool is_empty(const struct superslab *superslab) {
  return superslab->free_mask == ALL_UNITS && (superslab->dirty_mask != 0 || superslab->outside);
}

/* Some of its dirty units were used again: it is at work, and what it has is not old. */
static void age_refresh(struct superslab *superslab, uint64_t now_ms) {
  if (superslab->dirty_mask == 0 || superslab->dirty_since_ms == now_ms) return;
  age_unlink(superslab);
  age_append(superslab, now_ms);
}

/* Sets both masks and keeps lists and counts in step with them. now_ms: for units that become dirty. */
static void set_masks(struct superslab *superslab, uint32_t free_mask, uint32_t dirty_mask, uint64_t now_ms) {
  bool had_dirty = superslab->dirty_mask != 0;
  empty_count -= is_empty(superslab);
  dirty_units = dirty_units - bit_count(superslab->dirty_mask) + bit_count(dirty_mask);
  superslab->free_mask = free_mask;
  superslab->dirty_mask = dirty_mask;
  empty_count += is_empty(superslab);
  bin_move(superslab, by_free, &free_set, &superslab->free_bin, longest_run(free_mask));
  bin_move(superslab, by_dirty, &dirty_set, &superslab->dirty_bin, longest_run(dirty_mask));
  if (had_dirty && dirty_mask == 0) age_unlink(superslab);
  if (!had_dirty && dirty_mask != 0) age_append(superslab, now_ms);
  __atomic_store_n(&counter_values[COUNT_DIRTY_BYTES], (uint64_t)dirty_units * UNIT_SIZE, __ATOMIC_RELAXED);
}

/* Units of mask are handed out: those that were purged a moment ago would better have been kept. Returns how many had been
   purged, whenever that was. Lock. */
static unsigned note_use(struct superslab *superslab, uint32_t mask, uint64_t now_ms) {
  uint32_t regretted = superslab->purged_mask & mask;
  if (regretted == 0) return 0;
  superslab->purged_mask &= ~mask;
  if (now_ms - superslab->purged_ms <= PATIENCE_SOON_MS) patience_reused(&patience, bit_count(regretted), now_ms);
  return bit_count(regretted);
}

/* The tier of the slab that had a free unit last; if its descriptor has been used again for fewer units: of that one. */
HAK_GUESS static enum tier tier_of_unit(const struct superslab *superslab, unsigned unit) {
  const struct slab *slab = superslab->slab_words[unit];
  return slab == NULL ? TIER_TINY : size_class_tier(slab->class_index);
}

static void count_purged(const struct superslab *superslab, uint32_t mask) {
  uint64_t bytes[TIER_COUNT] = { 0 };
  for (; mask != 0; mask &= mask - 1) bytes[tier_of_unit(superslab, (unsigned)__builtin_ctz(mask))] += UNIT_SIZE;
  for (unsigned tier = 0; tier < SLAB_TIERS; tier++)
    if (bytes[tier] != 0) place_add(tier, EVENT_PURGED_BYTES, bytes[tier]);
}

/* The fullest SuperSlab with a run that long; dirty runs first, since their pages need no fault. */
static struct superslab *find_fit(unsigned units, bool *dirty) {
  uint64_t want = ~(((uint64_t)1 << units) - 1);
  uint64_t fits = dirty_set & want;
  *dirty = fits != 0;
  if (fits != 0) return by_dirty[__builtin_ctzll(fits)];
  fits = free_set & want;
  return fits != 0 ? by_free[__builtin_ctzll(fits)] : NULL;
}

/* Heap large and dense enough for huge pages in a SuperSlab that is opened now? */
static bool huge_pages_earned(void) {
  if (option.thp == THP_ALWAYS) return true;
  if (option.thp != THP_AUTO || limit_is_set) return false;   /* with a limit: what is resident is to be what is counted */
  uint64_t used = counter_get(COUNT_SPAN_BYTES);
  return used >= HUGE_FROM && used >= counter_get(COUNT_COMMITTED_BYTES) / 8 * 7;
}

static void prefault(char *start, size_t size) {
  if (option.ss_prefault == PREFAULT_POPULATE && os_populate(start, size)) return;
  if (option.ss_prefault == PREFAULT_OFF) return;
  /* Nobody else has these units yet. Volatile: compilers make a load of an atomic "or" with nothing. */
  volatile char *byte = start;
  for (size_t at = 0; at < size; at += os_page_size) byte[at] = byte[at];
}

/* A large heap commits the units of so many SuperSlabs with one call: a quarter of what it has. */
static unsigned ahead_superslabs(void) {
  if (limit_stage() != LIMIT_CALM) return 0;
  size_t ahead = (size_t)counter_get(COUNT_COMMITTED_BYTES) / SUPERSLAB_SIZE / AHEAD_SHARE;
  return (unsigned)min_size(ahead, AHEAD_MAX);
}

static bool open_superslab(void) {
  struct superslab *superslab = registry_new_superslab();
  if (superslab == NULL) return false;
  counter_add(COUNT_SUPERSLABS, 1);
  message_print(MESSAGE_VERBOSE, "SuperSlab at %p%s", (void *)superslab->base, superslab->outside ? ", outside the region" : "");
  superslab->huge_pages = huge_pages_earned() && os_advise_huge(superslab->base, SUPERSLAB_SIZE, OS_HUGE_ASK);
  bool committed = superslab->outside || registry_commit_ahead(superslab, ahead_superslabs());
  superslab->committed_mask = committed ? ALL_UNITS : 0;
  if (committed) {
    counter_add(COUNT_COMMITTED_BYTES, SUPERSLAB_SIZE);
    prefault(superslab->base, SUPERSLAB_SIZE);
  }
  lock_acquire(&superslab_lock);
  superslab->purged_mask = 0;   /* its metadata may have been another's */
  set_masks(superslab, ALL_UNITS, 0, 0);
  lock_release(&superslab_lock);
  return true;
}

void superslab_end_huge(struct superslab *superslab) {
  lock_acquire(&superslab_lock);
  bool huge = superslab->huge_pages;
  superslab->huge_pages = false;
  lock_release(&superslab_lock);
  if (huge) os_advise_huge(superslab->base, SUPERSLAB_SIZE, OS_HUGE_NEVER);
}

/* Units to commit with a span: the span's, and some of the free ones behind it. Lock held. */
static uint32_t commit_ahead(const struct superslab *superslab, unsigned first, unsigned units) {
  size_t step = (size_t)counter_get(COUNT_COMMITTED_BYTES) / UNIT_SIZE / COMMIT_SHARE;
  unsigned end = first + units;
  if (superslab->huge_pages) step = COMMIT_STEP_MAX_UNITS;
  if (limit_stage() != LIMIT_CALM) step = 0;
  for (; step > 0 && end < SUPERSLAB_UNITS; step--, end++)
    if ((superslab->free_mask & ~superslab->committed_mask & run_mask(end, 1)) == 0) break;
  return run_mask(first, end - first);
}

/* Commits the units of mask, a run, all of which the caller has taken out of free_mask. Not locked. */
static bool commit_units(struct superslab *superslab, uint32_t mask) {
  unsigned first = (unsigned)__builtin_ctz(mask), units = bit_count(mask);
  char *start = superslab->base + (size_t)first * UNIT_SIZE;
  if (!os_commit(start, (size_t)units * UNIT_SIZE)) return false;
  prefault(start, (size_t)units * UNIT_SIZE);
  return true;
}

/* The run is out of both masks; makes all of it writable. False: put back, dirty (which units were) as before. */
static bool make_committed(struct superslab *superslab, unsigned first, unsigned units, uint32_t dirty) {
  uint32_t mine = run_mask(first, units);
  lock_acquire(&superslab_lock);
  uint32_t run = commit_ahead(superslab, first, units);
  set_masks(superslab, superslab->free_mask & ~run, superslab->dirty_mask & ~run, 0);
  lock_release(&superslab_lock);

  uint32_t done = commit_units(superslab, run) ? run : 0;
  if (done == 0 && run != mine && commit_units(superslab, mine)) done = mine;   /* less may still be had */

  uint64_t now_ms = os_now_ms();
  lock_acquire(&superslab_lock);
  counter_add(COUNT_COMMITTED_BYTES, (uint64_t)bit_count(done & ~superslab->committed_mask) * UNIT_SIZE);
  superslab->committed_mask |= done;
  uint32_t back = done != 0 ? run & ~mine : run;
  set_masks(superslab, superslab->free_mask | back, superslab->dirty_mask | (done != 0 ? 0 : dirty), now_ms);
  lock_release(&superslab_lock);
  return done != 0;
}

/* With a limit, before pages are taken that are not there yet; superslab: where from, NULL: one that is to be opened. Not locked. */
static bool admit(struct limit_request *request, unsigned units, const struct superslab *superslab) {
  size_t size = (size_t)units * UNIT_SIZE;
  return limit_admit(request, size, superslab == NULL ? SUPERSLAB_SIZE : size);
}

/* A SuperSlab with a run that long, the lock held; NULL: no memory, not locked. request: what has been admitted for it. */
static struct superslab *lock_fit(unsigned units, bool *dirty, struct limit_request *request) {
  bool admitted = !limit_is_set;
  lock_acquire(&superslab_lock);
  for (;;) {
    struct superslab *superslab = find_fit(units, dirty);
    if (superslab != NULL && (*dirty || admitted)) return superslab;
    lock_release(&superslab_lock);
    if (!admitted) {
      if (!admit(request, units, superslab)) return NULL;
      admitted = true;
    } else if (!open_superslab()) {
      return NULL;
    }
    lock_acquire(&superslab_lock);
  }
}

static bool alloc_span(unsigned units, struct span *span, struct limit_request *request) {
  uint64_t now_ms = os_now_ms();
  bool dirty;
  struct superslab *superslab = lock_fit(units, &dirty, request);
  if (superslab == NULL) return false;
  uint32_t starts = run_starts(dirty ? superslab->dirty_mask : superslab->free_mask, units);
  unsigned first = (unsigned)__builtin_ctz(starts);
  uint32_t mask = run_mask(first, units);
  uint32_t dirty_part = superslab->dirty_mask & mask;
  *span = (struct span){ superslab, first, units, dirty_part == 0, 0 };
  set_masks(superslab, superslab->free_mask & ~mask, superslab->dirty_mask & ~mask, now_ms);
  if (dirty_part != 0) age_refresh(superslab, now_ms);
  span->purged = note_use(superslab, mask, now_ms);
  bool committed = (superslab->committed_mask & mask) == mask;
  lock_release(&superslab_lock);
  if (!committed && !make_committed(superslab, first, units, dirty_part)) return false;
  counter_add(COUNT_SPANS_MADE, 1);
  counter_add(COUNT_SPAN_BYTES, (uint64_t)units * UNIT_SIZE);
  return true;
}

bool superslab_alloc_span(unsigned units, struct span *span) {
  struct limit_request request = { 0, 0, false };
  bool done = alloc_span(units, span, &request);
  limit_done(&request);
  return done;
}

static bool extend_span(struct superslab *superslab, unsigned first, unsigned units, unsigned new_units) {
  uint32_t mask = run_mask(first + units, new_units - units);
  uint64_t now_ms = os_now_ms();
  unsigned purged = 0;
  lock_acquire(&superslab_lock);
  bool fits = (superslab->free_mask & superslab->committed_mask & mask) == mask;
  if (fits) {
    set_masks(superslab, superslab->free_mask & ~mask, superslab->dirty_mask & ~mask, now_ms);
    purged = note_use(superslab, mask, now_ms);
  }
  lock_release(&superslab_lock);
  if (purged != 0) place_add(PLACE_L25, EVENT_REFAULTED_BYTES, (uint64_t)purged * UNIT_SIZE);   /* only runs grow */
  if (fits) counter_add(COUNT_SPAN_BYTES, (uint64_t)(new_units - units) * UNIT_SIZE);
  return fits;
}

bool superslab_extend_span(struct superslab *superslab, unsigned first, unsigned units, unsigned new_units) {
  struct limit_request request = { 0, 0, false };
  if (first + new_units > SUPERSLAB_UNITS) return false;
  bool done = limit_admit(&request, (size_t)(new_units - units) * UNIT_SIZE, 0) &&
              extend_span(superslab, first, units, new_units);
  limit_done(&request);
  return done;
}

/* --- purging --- */

/* Takes the runs of dirty units of a SuperSlab that have at least that many bytes into a batch; returns their mask, which is
   busy then. Runs that are too short stay dirty. Lock held. */
static uint32_t collect(struct superslab *superslab, size_t least, struct purge_batch *batch) {
  uint32_t taken = 0, left = superslab->dirty_mask;
  while (left != 0) {
    unsigned first = (unsigned)__builtin_ctz(left);
    uint32_t rest = ~(left >> first);
    unsigned units = rest == 0 ? SUPERSLAB_UNITS : (unsigned)__builtin_ctz(rest);
    uint32_t mask = run_mask(first, units);
    left &= ~mask;
    if ((size_t)units * UNIT_SIZE < least) continue;
    if (!purge_batch_add(batch, superslab->base + (size_t)first * UNIT_SIZE, (size_t)units * UNIT_SIZE)) break;
    taken |= mask;
  }
  set_masks(superslab, superslab->free_mask & ~taken, superslab->dirty_mask & ~taken, 0);
  superslab->busy_mask |= taken;
  return taken;
}

/* After the madvise: the busy units are free again, clean where it was done. */
static void put_back(struct superslab *superslab, uint32_t mask, const struct purge_batch *batch, uint64_t now_ms) {
  uint32_t dirty = 0;
  for (unsigned unit = 0; unit < SUPERSLAB_UNITS; unit++) {
    uint32_t bit = run_mask(unit, 1);
    if ((mask & bit) != 0 && !purge_batch_done(batch, superslab->base + (size_t)unit * UNIT_SIZE, UNIT_SIZE)) dirty |= bit;
  }
  superslab->busy_mask &= ~mask;
  superslab->purged_mask |= mask & ~dirty;
  count_purged(superslab, mask & ~dirty);
  superslab->purged_ms = now_ms;
  patience_purged(&patience, bit_count(mask & ~dirty));
  set_masks(superslab, superslab->free_mask | mask, superslab->dirty_mask | dirty, now_ms);
}

/* The SuperSlab whose dirty units go first, NULL: none is due. The oldest; where any age will do, one with a long run. */
static struct superslab *next_to_purge(uint64_t before_ms, uint64_t now_ms) {
  if (oldest == NULL || oldest->dirty_since_ms > before_ms) return NULL;
  if (before_ms == now_ms && dirty_set >> LONG_RUN != 0) return by_dirty[63 - __builtin_clzll(dirty_set)];
  return oldest;
}

/* Purges the dirty units of up to a few of the SuperSlabs that have had them for longest: those dirty since before_ms
   or earlier; runs of at least that many bytes. Returns the bytes that were tried, 0: nothing to do. */
static size_t purge_oldest(uint64_t before_ms, uint64_t now_ms, size_t least) {
  enum { MOST = 4, LOOKED_AT = 16 };
  struct superslab *taken[MOST];
  uint32_t mask[MOST];
  unsigned count = 0;
  struct purge_batch batch;
  purge_batch_init(&batch);
  lock_acquire(&superslab_lock);
  struct superslab *next;
  for (unsigned looked = 0; looked < LOOKED_AT && count < MOST && batch.bytes < (size_t)option.batch_flush &&
                            batch.count < PURGE_BATCH_RANGES && (next = next_to_purge(before_ms, now_ms)) != NULL; looked++) {
    mask[count] = collect(next, least, &batch);
    if (next->dirty_mask != 0) {   /* short runs stay: young again */
      age_unlink(next);
      age_append(next, now_ms);
    }
    if (mask[count] != 0) taken[count++] = next;
  }
  lock_release(&superslab_lock);
  if (count == 0) return 0;
  purge_batch_issue(&batch);
  lock_acquire(&superslab_lock);
  for (unsigned i = 0; i < count; i++) put_back(taken[i], mask[i], &batch, now_ms);
  lock_release(&superslab_lock);
  return batch.bytes;
}

/* One span, a madvise of its own: without batches. Its units are in no mask. */
static void purge_span(struct superslab *superslab, uint32_t mask, uint64_t now_ms) {
  struct purge_batch batch;
  purge_batch_init(&batch);
  unsigned first = (unsigned)__builtin_ctz(mask);
  purge_batch_add(&batch, superslab->base + (size_t)first * UNIT_SIZE, (size_t)bit_count(mask) * UNIT_SIZE);
  lock_acquire(&superslab_lock);
  superslab->busy_mask |= mask;
  lock_release(&superslab_lock);
  purge_batch_issue(&batch);
  lock_acquire(&superslab_lock);
  put_back(superslab, mask, &batch, now_ms);
  lock_release(&superslab_lock);
}

/* It is on no list, and had those units dirty. When the kernel refuses to unmap it, it is purged, and free again. */
static void drop_outside(struct superslab *superslab, uint32_t had_dirty) {
  count_purged(superslab, had_dirty);
  if (registry_drop_superslab(superslab)) {
    counter_sub(COUNT_SUPERSLABS, 1);
    counter_sub(COUNT_COMMITTED_BYTES, SUPERSLAB_SIZE);
    return;
  }
  uint32_t dirty = os_purge(superslab->base, SUPERSLAB_SIZE) ? 0 : ALL_UNITS;
  uint64_t now_ms = os_now_ms();
  lock_acquire(&superslab_lock);
  set_masks(superslab, ALL_UNITS, dirty, now_ms);
  lock_release(&superslab_lock);
}

static size_t dirty_bound(size_t batches, size_t share) {
  uint64_t spans = counter_get(COUNT_SPAN_BYTES), parked = counter_get(COUNT_PARKED_BYTES);
  uint64_t bound = (uint64_t)knob_get(KNOB_BATCH_FLUSH) * batches;   /* more than 32 bits, perhaps */
  return max_size(bound < SIZE_MAX ? (size_t)bound : SIZE_MAX, (size_t)(spans > parked ? spans - parked : 0) / share);
}

bool superslab_tick(uint64_t now_ms) {
  uint64_t dirty = counter_get(COUNT_DIRTY_BYTES);
  unsigned level = __atomic_load_n(&patience.level, __ATOMIC_RELAXED);
  if (option.purge_delay_ms < 0 || (dirty == 0 && level == 0)) return false;
  if (patience_is_due(&patience, now_ms)) {
    lock_acquire(&superslab_lock);
    patience_tick(&patience, now_ms);
    lock_release(&superslab_lock);
  }
  uint64_t delay = (uint64_t)knob_get(KNOB_PURGE_DELAY_MS) << level;
  if (now_ms >= delay && purge_oldest(now_ms - delay, now_ms, (size_t)option.batch_min_size) != 0) return true;
  size_t allowed = limit_dirty_room();
  bool hard = dirty > min_size(dirty_bound((size_t)HARD_BATCHES << level, HARD_SHARE), allowed);
  uint64_t before = hard ? now_ms : now_ms - min_size(HASTY_MS, (size_t)now_ms);
  return dirty > min_size(dirty_bound((size_t)1 << level, DIRTY_SHARE), allowed) && purge_oldest(before, now_ms, (size_t)option.batch_min_size) != 0;
}

/* One SuperSlab too many is wholly free: unmaps it, or purges it now, where it is. */
static void shed_empty(struct superslab *superslab, uint64_t now_ms) {
  struct purge_batch batch;
  purge_batch_init(&batch);
  lock_acquire(&superslab_lock);
  bool empty = is_empty(superslab);   /* it may be in use again by now */
  bool drop = empty && superslab->outside;
  uint32_t mask = 0, dirty = superslab->dirty_mask;
  if (drop) set_masks(superslab, 0, 0, 0);
  else if (empty) mask = collect(superslab, 0, &batch);
  lock_release(&superslab_lock);
  if (drop) drop_outside(superslab, dirty);
  if (mask == 0) return;
  purge_batch_issue(&batch);
  lock_acquire(&superslab_lock);
  put_back(superslab, mask, &batch, now_ms);
  lock_release(&superslab_lock);
}

/* Empty SuperSlabs kept: the option's number, or an eighth of all if that is more. */
static size_t allowed_empty(void) {
  size_t count = (size_t)knob_get(KNOB_EMPTY_SUPERSLABS);
  return count == 0 ? 0 : max_size(count, (size_t)counter_get(COUNT_SUPERSLABS) / EMPTY_SHARE);
}

void superslab_free_span(struct superslab *superslab, unsigned first, unsigned units) {
  uint32_t mask = run_mask(first, units);
  uint64_t now_ms = os_now_ms();
  counter_sub(COUNT_SPAN_BYTES, (uint64_t)units * UNIT_SIZE);
  bool at_once = !option.batch_madvise && option.purge_delay_ms >= 0;
  if (at_once) purge_span(superslab, mask, now_ms);
  lock_acquire(&superslab_lock);
  if (!at_once) set_masks(superslab, superslab->free_mask | mask, superslab->dirty_mask | mask, now_ms);
  bool surplus = is_empty(superslab) && empty_count > allowed_empty();
  lock_release(&superslab_lock);
  if (surplus && option.purge_delay_ms >= 0) {
    /* One that is at work may be needed again at once: then others pay, if they are old enough. */
    if (superslab->outside || option.superslab_max_cached == 0) shed_empty(superslab, now_ms);
    else if (now_ms >= HASTY_MS) purge_oldest(now_ms - HASTY_MS, now_ms, (size_t)option.batch_min_size);
  }
  superslab_tick(now_ms);
}

/* An empty SuperSlab outside the region, off every list, and its dirty units; NULL: none. */
static struct superslab *take_empty_outside(uint32_t *dirty) {
  struct superslab *found = NULL;
  lock_acquire(&superslab_lock);
  for (struct superslab *at = by_free[SUPERSLAB_UNITS]; at != NULL && found == NULL; at = at->by_free.next)
    if (at->outside) found = at;
  if (found != NULL) {
    *dirty = found->dirty_mask;
    set_masks(found, 0, 0, 0);
  }
  lock_release(&superslab_lock);
  return found;
}

size_t superslab_trim(size_t keep) {
  size_t bytes = 0;
  uint32_t dirty = 0;
  os_retry_unmap();
  for (struct superslab *empty; keep == 0 && (empty = take_empty_outside(&dirty)) != NULL; bytes += SUPERSLAB_SIZE)
    drop_outside(empty, dirty);
  uint64_t before = counter_get(COUNT_DIRTY_BYTES);
  for (uint64_t left = before; left > keep;) {
    size_t tried = purge_oldest(UINT64_MAX, os_now_ms(), 0);
    uint64_t now = counter_get(COUNT_DIRTY_BYTES);
    bytes += now < left ? (size_t)(left - now) : 0;
    if (tried == 0 || now >= left) break;
    left = now;
  }
  return bytes;
}

/* Units that another thread was about to purge: it is not here, they are free, and as dirty as before. */
static void free_busy_units(struct superslab *superslab) {
  uint32_t busy = superslab->busy_mask;
  if (busy == 0) return;
  superslab->busy_mask = 0;
  set_masks(superslab, superslab->free_mask | busy, superslab->dirty_mask | busy, os_now_ms());
}

void superslab_fork_child(void) { registry_each_superslab(free_busy_units); }

void superslab_fork_prepare(void) { lock_acquire(&superslab_lock); }
void superslab_fork_release(bool child) {
  if (child) lock_reset(&superslab_lock);
  else lock_release(&superslab_lock);
}
