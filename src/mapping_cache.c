/* mapping_cache.c - see mapping_cache.h. */
#include <config.h>

#include "mapping_cache.h"

#include "align.h"
#include "counters.h"
#include "knobs.h"
#include "limit.h"
#include "lock.h"
#include "options.h"
#include "patience.h"
#include "size_class.h"

enum {
  BIGCACHE_MIN = 2 << 20,
  BIGCACHE_L25_MIN = 512 << 10,
  BIGCACHE_SLOTS = 64,          /* bounds the search */
  EVICTED_MAX = 4,              /* mappings that one put may push out */
  PEAK_HALVED_MS = 1000
};

/* A list of kept mappings, latest first, with the counters that it drives. Lock MAPPING_CACHE. */
struct kept_list {
  struct huge *latest, *oldest;
  size_t count, bytes;
  const enum counter hits, kept, gauge;
  const enum place place;
};

static struct lock cache_lock = LOCK_INIT(RANK_MAPPING_CACHE);
static struct kept_list bigcache = {
  NULL, NULL, 0, 0, COUNT_BIGCACHE_HITS, COUNT_BIGCACHE_KEPT, COUNT_BIGCACHE_BYTES, PLACE_BIGCACHE
};
static struct kept_list whales = {
  NULL, NULL, 0, 0, COUNT_WHALE_HITS, COUNT_WHALE_KEPT, COUNT_WHALE_BYTES, PLACE_WHALE
};
/* Live huge bytes at their highest, halved each second since peak_since_ms. Lock MAPPING_CACHE. */
static size_t peak;
static uint64_t peak_since_ms;
/* What was given up at given_up_ms or up to a second before, and has not been mapped again; lock MAPPING_CACHE. */
static size_t given_up;
static uint64_t given_up_ms;
static struct patience patience;   /* lock MAPPING_CACHE */

/* ---- lists; the lock is held ---- */

static void list_add(struct kept_list *list, struct huge *huge) {
  huge->previous = NULL;
  huge->next = list->latest;
  if (list->latest != NULL)
    list->latest->previous = huge;
  else
    list->oldest = huge;
  list->latest = huge;
  list->count++;
  list->bytes += huge->size;
  counter_add(list->kept, 1);
  counter_add(list->gauge, huge->size);
}

static void list_remove(struct kept_list *list, struct huge *huge) {
  if (huge->previous != NULL)
    huge->previous->next = huge->next;
  else
    list->latest = huge->next;
  if (huge->next != NULL)
    huge->next->previous = huge->previous;
  else
    list->oldest = huge->previous;
  list->count--;
  list->bytes -= huge->size;
  counter_sub(list->gauge, huge->size);
}

/* Moves the oldest to the front of a chain. */
static void pop_oldest(struct kept_list *list, struct huge **chain) {
  struct huge *huge = list->oldest;
  list_remove(list, huge);
  place_add(list->place, EVENT_FLUSHES, 1);
  place_add(list->place, EVENT_PURGED_BYTES, huge->size);
  huge->next = *chain;
  *chain = huge;
}

static size_t bytes_kept(void) { return bigcache.bytes + whales.bytes; }

/* ---- the budget; the lock is held ---- */

/* live: huge bytes in use at this moment, or just before a free. */
static size_t budget(size_t live, uint64_t now_ms) {
  uint64_t halvings = now_ms > peak_since_ms ? (now_ms - peak_since_ms) / PEAK_HALVED_MS : 0;
  peak_since_ms += halvings * PEAK_HALVED_MS;
  peak = max_size(live, halvings < 8 * sizeof peak ? peak >> halvings : 0);
  size_t share = patience.level == 0 ? peak / 2 : peak;
  uint64_t least = (uint64_t)knob_get(KNOB_CACHE_FLOOR) << patience.level;   /* more than 32 bits, perhaps */
  return min_size((size_t)option.bigcache_max, max_size(share, least < SIZE_MAX ? (size_t)least : SIZE_MAX));
}

/* Of a size that BigCache keeps; what is freed and smaller, or too much for it, is the whale cache's. */
static bool is_for_bigcache(size_t size) {
  return option.bigcache && size >= (size_t)(option.bigcache_l25 ? BIGCACHE_L25_MIN : BIGCACHE_MIN);
}

/* In units for patience.c, which counts to 2^32. */
static unsigned units_of(size_t bytes) { return (unsigned)min_size(bytes / UNIT_SIZE, UINT16_MAX); }

void mapping_cache_given_up(size_t bytes, uint64_t now_ms) {
  lock_acquire(&cache_lock);
  if (now_ms - given_up_ms > PATIENCE_SOON_MS) given_up = 0;
  given_up += bytes;
  given_up_ms = now_ms;
  patience_purged(&patience, units_of(bytes));
  lock_release(&cache_lock);
}

void mapping_cache_missed(size_t bytes, uint64_t now_ms) {
  lock_acquire(&cache_lock);
  if (given_up != 0 && now_ms - given_up_ms <= PATIENCE_SOON_MS) {
    size_t regretted = min_size(bytes, given_up);
    given_up -= regretted;
    patience_reused(&patience, units_of(regretted), now_ms);
    place_add(PLACE_HUGE, EVENT_REFAULTED_BYTES, regretted);
    place_add(is_for_bigcache(bytes) ? PLACE_BIGCACHE : PLACE_WHALE, EVENT_REFAULTED_BYTES, regretted);
  }
  lock_release(&cache_lock);
}

/* ---- the two policies; the lock is held ---- */

static bool bigcache_wants(size_t size, size_t room) {
  return is_for_bigcache(size) && bigcache.count < BIGCACHE_SLOTS &&
         bytes_kept() <= room && size <= room - bytes_kept();
}

/* True: it fits once the oldest *evictions have gone. */
static bool whale_wants(size_t size, size_t room, unsigned *evictions) {
  if (!option.whale || option.whale_slots == 0 || size > room)
    return false;
  size_t count = whales.count;
  size_t bytes = bytes_kept();
  const struct huge *oldest = whales.oldest;
  for (*evictions = 0; *evictions <= EVICTED_MAX; ++*evictions, oldest = oldest->previous) {
    if (count < (size_t)option.whale_slots && bytes <= room - size)
      return true;
    if (oldest == NULL)
      return false;
    count--;
    bytes -= oldest->size;
  }
  return false;
}

bool mapping_cache_put(struct huge *huge, uint64_t now_ms, struct huge **evicted) {
  *evicted = NULL;
  if (option.purge_delay_ms == 0)
    return false;
  unsigned evictions = 0;
  bool kept = true;
  size_t allowed = limit_cache_room();
  lock_acquire(&cache_lock);
  size_t room = min_size(allowed, budget((size_t)counter_get(COUNT_HUGE_LIVE_BYTES) + huge->size, now_ms));
  huge->kept_since_ms = now_ms;
  if (bigcache_wants(huge->size, room)) {
    list_add(&bigcache, huge);
  } else if (whale_wants(huge->size, room, &evictions)) {
    for (; evictions != 0; evictions--)
      pop_oldest(&whales, evicted);
    list_add(&whales, huge);
  } else {
    kept = false;
  }
  lock_release(&cache_lock);
  return kept;
}

/* The smallest that serves, smaller than *best if that is set. The lock is held. */
static bool find_best(const struct kept_list *list, size_t size, size_t alignment, struct huge **best) {
  bool found = false;
  for (struct huge *huge = list->latest; huge != NULL; huge = huge->next)
    if (huge->size >= size && is_aligned(huge->start, alignment) && (*best == NULL || huge->size < (*best)->size)) {
      *best = huge;
      found = true;
    }
  return found;
}

/* The largest of at least half the size that is one mapping, larger than *best if that is set. The lock is held. */
static bool find_smaller(const struct kept_list *list, size_t size, struct huge **best) {
  bool found = false;
  for (struct huge *huge = list->latest; huge != NULL; huge = huge->next)
    if (!huge->joined && huge->size < size && huge->size >= size / 2 && (*best == NULL || huge->size > (*best)->size)) {
      *best = huge;
      found = true;
    }
  return found;
}

struct huge *mapping_cache_take(size_t size, size_t alignment) {
  struct huge *best = NULL;
  lock_acquire(&cache_lock);
  struct kept_list *from = find_best(&bigcache, size, alignment, &best) ? &bigcache : NULL;
  if (find_best(&whales, size, alignment, &best))
    from = &whales;
  if (best == NULL && alignment <= UNIT_SIZE) {
    from = find_smaller(&bigcache, size, &best) ? &bigcache : NULL;
    if (find_smaller(&whales, size, &best))
      from = &whales;
  }
  if (best != NULL) {
    list_remove(from, best);
    counter_add(from->hits, 1);
  }
  if (from != &bigcache && is_for_bigcache(size))
    place_add(PLACE_BIGCACHE, EVENT_MISSES, 1);
  if (from == NULL && option.whale && option.whale_slots != 0)
    place_add(PLACE_WHALE, EVENT_MISSES, 1);
  lock_release(&cache_lock);
  return best;
}

/* The lock is held. */
static struct huge *find_neighbour(const struct kept_list *list, const struct huge *huge) {
  for (struct huge *other = list->latest; other != NULL; other = other->next)
    if (other->start + other->size == huge->start || huge->start + huge->size == other->start)
      return other;
  return NULL;
}

struct huge *mapping_cache_take_neighbour(const struct huge *huge) {
  lock_acquire(&cache_lock);
  struct kept_list *list = &bigcache;
  struct huge *found = find_neighbour(list, huge);
  if (found == NULL)
    found = find_neighbour(list = &whales, huge);
  if (found != NULL) {
    list_remove(list, found);
    place_add(list->place, EVENT_FLUSHES, 1);
  }
  lock_release(&cache_lock);
  return found;
}

/* ---- back to the kernel ---- */

static bool too_old(const struct huge *huge, uint64_t now_ms) {
  long delay_ms = knob_get(KNOB_CACHE_DELAY_MS);
  return delay_ms >= 0 && now_ms >= huge->kept_since_ms &&
         now_ms - huge->kept_since_ms > (uint64_t)delay_ms << patience.level;
}

struct huge *mapping_cache_expire(uint64_t now_ms, unsigned limit) {
  struct huge *chain = NULL;
  size_t allowed = limit_cache_room();
  lock_acquire(&cache_lock);
  patience_tick(&patience, now_ms);
  size_t room = bytes_kept() == 0 ? 0 : min_size(allowed, budget((size_t)counter_get(COUNT_HUGE_LIVE_BYTES), now_ms));
  for (; limit != 0 && bytes_kept() != 0; limit--) {
    struct kept_list *list = &whales;
    if (whales.oldest == NULL ||
        (bigcache.oldest != NULL && bigcache.oldest->kept_since_ms < whales.oldest->kept_since_ms))
      list = &bigcache;
    if (bytes_kept() <= room && !too_old(list->oldest, now_ms))
      break;
    pop_oldest(list, &chain);
  }
  lock_release(&cache_lock);
  return chain;
}

struct huge *mapping_cache_drain(void) {
  struct huge *chain = NULL;
  lock_acquire(&cache_lock);
  while (bigcache.oldest != NULL)
    pop_oldest(&bigcache, &chain);
  while (whales.oldest != NULL)
    pop_oldest(&whales, &chain);
  lock_release(&cache_lock);
  return chain;
}

size_t mapping_cache_bytes(void) {
  lock_acquire(&cache_lock);
  size_t bytes = bytes_kept();
  lock_release(&cache_lock);
  return bytes;
}

/* The lock is held. */
static struct huge *find_in_list(const struct kept_list *list, uintptr_t address) {
  for (struct huge *huge = list->latest; huge != NULL; huge = huge->next)
    if (address > (uintptr_t)huge->start && address - (uintptr_t)huge->start < huge->size)
      return huge;
  return NULL;
}

struct huge *mapping_cache_find_inside(const void *p) {
  lock_acquire(&cache_lock);
  struct huge *found = find_in_list(&bigcache, (uintptr_t)p);
  if (found == NULL)
    found = find_in_list(&whales, (uintptr_t)p);
  lock_release(&cache_lock);
  return found;
}

void mapping_cache_fork_prepare(void) { lock_acquire(&cache_lock); }

void mapping_cache_fork_release(bool child) {
  if (child)
    lock_reset(&cache_lock);
  else
    lock_release(&cache_lock);
}
