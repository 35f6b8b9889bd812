/* huge.c - see huge.h.

   States of a record, and who moves it:
     UNUSED -> LIVE   huge_alloc, with a fresh mapping, before the block is handed out
     LIVE -> UNUSED   claim(), by compare-and-swap: huge_free and huge_resize; one of two that race wins
     UNUSED -> LIVE   huge_resize, done or failed
     UNUSED -> KEPT   huge_free, before the record can be seen by mapping_cache_take
     KEPT -> LIVE     huge_alloc, with a kept mapping, the rest of which becomes KEPT with a record of its own
     KEPT -> UNUSED   huge_free, which joins a kept neighbour to the mapping that is freed
     KEPT -> UNUSED   give_back, once the mapping has gone
   A mapping is in the registry from before its first LIVE until right before it is unmapped or moved
   away: another thread may get the same address from the kernel in the moment after. */
#include <config.h>

#include "huge.h"

#include "ace.h"
#include "counters.h"
#include "limit.h"
#include "lock.h"
#include "metadata.h"
#include "options.h"
#include "os.h"
#include "registry.h"

enum {
  EXPIRED_PER_TICK = 4,
  FREED_REMEMBERED = 64,
  SPLIT_WORTH = 256 << 10,        /* bytes more than asked for, and a quarter, from which a kept mapping is split */
  JOINED_MAX = 4,                 /* neighbours joined by one free */
  SHRINK_WORTH = 1 << 20,         /* bytes, or an eighth, for which a tail is given back */
  MOVE_ALIGNED_MIN = 16 << 20     /* from here on moves go to multiples of 2 MiB: page tables move whole */
};

HAK_CONSTANT size_t (*huge_reclaim)(void);

static struct lock huge_lock = LOCK_INIT(RANK_HUGE);
static struct huge *live;         /* all live blocks; lock HUGE */
static struct huge *unused;       /* records without a mapping, by next; lock HUGE */
/* Mappings that the kernel refused to take back (munmap would have split a mapping, and there are
   too many). Purged where possible, not in the registry, tried again now and then and used again
   where they fit; lock HUGE. */
static struct huge *refused;
/* Starts of what was unmapped last. Atomic, relaxed: for a text only. */
static HAK_SPARSE uintptr_t freed_start[FREED_REMEMBERED];
static uint32_t freed_next;

/* ---- records ---- */

static struct huge *record_new(void) {
  lock_acquire(&huge_lock);
  struct huge *huge = unused;
  if (huge != NULL)
    unused = huge->next;
  lock_release(&huge_lock);
  return huge != NULL ? huge : metadata_alloc(sizeof *huge);
}

static void record_put_back(struct huge *huge) {
  __atomic_store_n(&huge->state, HUGE_UNUSED, __ATOMIC_RELEASE);
  lock_acquire(&huge_lock);
  huge->next = unused;
  unused = huge;
  lock_release(&huge_lock);
}

static void live_add(struct huge *huge) {
  lock_acquire(&huge_lock);
  huge->previous = NULL;
  huge->next = live;
  if (live != NULL)
    live->previous = huge;
  live = huge;
  lock_release(&huge_lock);
}

static void live_remove(struct huge *huge) {
  lock_acquire(&huge_lock);
  if (huge->previous != NULL)
    huge->previous->next = huge->next;
  else
    live = huge->next;
  if (huge->next != NULL)
    huge->next->previous = huge->previous;
  lock_release(&huge_lock);
}

/* From here on the block is the calling thread's alone. False: it is not live. */
static bool claim(struct huge *huge) {
  uint32_t expected = HUGE_LIVE;
  return __atomic_compare_exchange_n(&huge->state, &expected, HUGE_UNUSED, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE);
}

/* Release: pairs with claim(). */
static void set_state(struct huge *huge, enum huge_state state) {
  __atomic_store_n(&huge->state, (uint32_t)state, __ATOMIC_RELEASE);
}

/* ---- back to the kernel ---- */

static void remember_freed(const char *start) {
  uint32_t i = __atomic_fetch_add(&freed_next, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&freed_start[i % FREED_REMEMBERED], (uintptr_t)start, __ATOMIC_RELAXED);
}

bool huge_was_freed(const void *p) {
  for (int i = 0; i < FREED_REMEMBERED; i++)
    if (p != NULL && __atomic_load_n(&freed_start[i], __ATOMIC_RELAXED) == (uintptr_t)p)
      return true;
  return false;
}

/* Unmaps a mapping that is not in the registry; true if the kernel took it. */
static bool unmap(struct huge *huge) {
  if (os_unmap(huge->start, huge->size)) {
    counter_add(COUNT_MAPPINGS_GONE, 1);
    record_put_back(huge);
    return true;
  }
  huge->dirty = !os_purge(huge->start, huge->size);
  set_state(huge, HUGE_KEPT);
  lock_acquire(&huge_lock);
  huge->next = refused;
  __atomic_store_n(&refused, huge, __ATOMIC_RELAXED);   /* take_refused looks without the lock first */
  lock_release(&huge_lock);
  return false;
}

static void give_back(struct huge *huge) {
  registry_remove_huge(huge->start);
  remember_freed(huge->start);
  size_t size = huge->size;
  mapping_cache_given_up(size, os_now_ms());
  place_add(PLACE_HUGE, EVENT_FLUSHES, 1);
  if (unmap(huge))
    place_add(PLACE_HUGE, EVENT_PURGED_BYTES, size);
}

/* Bytes in the chain, all offered to the kernel. */
static size_t give_back_chain(struct huge *chain) {
  size_t bytes = 0;
  while (chain != NULL) {
    struct huge *huge = chain;
    chain = huge->next;
    bytes += huge->size;
    give_back(huge);
  }
  return bytes;
}

/* Takes a refused mapping of fitting size off the list: of any size when size is 0. */
static struct huge *take_refused(size_t size, size_t alignment) {
  if (likely(__atomic_load_n(&refused, __ATOMIC_RELAXED) == NULL))
    return NULL;
  size_t largest = size == 0 ? SIZE_MAX : size + max_size(size / 4, os_page_size);
  lock_acquire(&huge_lock);
  struct huge **link = &refused;
  while (*link != NULL &&
         ((*link)->size < size || (*link)->size > largest || !is_aligned((*link)->start, alignment)))
    link = &(*link)->next;
  struct huge *huge = *link;
  if (huge != NULL)
    __atomic_store_n(link, huge->next, __ATOMIC_RELAXED);
  lock_release(&huge_lock);
  return huge;
}

void huge_tick(uint64_t now_ms) {
  ace_tick(now_ms);
  give_back_chain(mapping_cache_expire(now_ms, EXPIRED_PER_TICK));
  struct huge *huge = take_refused(0, 1);
  if (unlikely(huge != NULL))
    unmap(huge);
}

size_t huge_trim(void) {
  size_t bytes = give_back_chain(mapping_cache_drain());
  for (struct huge *huge = take_refused(0, 1); huge != NULL; huge = take_refused(0, 1)) {
    size_t size = huge->size;
    if (!unmap(huge))
      break;
    bytes += size;
  }
  return bytes;
}

static HAK_COLD void give_everything_back(void) {
  huge_trim();
  if (huge_reclaim != NULL)
    huge_reclaim();
}

/* ---- requests ---- */

/* Sizes that no address space has room for fail at once, without emptying the caches first. */
static bool is_possible(size_t size) {
  size_t limit = sizeof(void *) == 8 ? (size_t)((uint64_t)1 << 47) : (size_t)PTRDIFF_MAX;
  return size <= limit - UNIT_SIZE;
}

static void advise_huge_pages(char *start, size_t size) {
  if (size >= SUPERSLAB_SIZE && (option.thp == THP_ALWAYS || option.thp == THP_NEVER))
    os_advise_huge(start, size, option.thp == THP_ALWAYS ? OS_HUGE_ASK : OS_HUGE_NEVER);
}

static struct huge *map_new(size_t size, size_t alignment) {
  struct huge *huge = record_new();
  if (huge == NULL)
    return NULL;
  huge->start = os_map_aligned(size, alignment);
  if (huge->start == NULL) {
    record_put_back(huge);
    return NULL;
  }
  counter_add(COUNT_MAPPINGS_MADE, 1);
  huge->size = size;
  huge->dirty = huge->joined = 0;
  huge->growths = 0;
  if (!registry_insert_huge(huge->start, huge)) {
    unmap(huge);
    return NULL;
  }
  advise_huge_pages(huge->start, size);
  return huge;
}

/* A mapping that the kernel would not take, back in the registry (whose leaf for it exists). */
static struct huge *reuse_refused(size_t size, size_t alignment) {
  struct huge *huge = take_refused(size, alignment);
  if (huge == NULL || registry_insert_huge(huge->start, huge))
    return huge;
  unmap(huge);
  return NULL;
}

/* KEPT from here on: in a cache, or on its way to the kernel. */
static void keep(struct huge *huge, uint64_t now_ms) {
  struct huge *evicted;
  set_state(huge, HUGE_KEPT);
  if (!mapping_cache_put(huge, now_ms, &evicted))
    give_back(huge);
  give_back_chain(evicted);
}

/* ---- other sizes; the record is the caller's alone ---- */

static void set_place(struct huge *huge, char *start, size_t size) {
  lock_acquire(&huge_lock);
  __atomic_store_n(&huge->start, start, __ATOMIC_RELAXED);   /* huge_free of a racing double free reads it */
  huge->size = size;
  lock_release(&huge_lock);
}

static bool resize_in_place(struct huge *huge, size_t size) {
  if (!os_resize_in_place(huge->start, huge->size, size))
    return false;
  set_place(huge, huge->start, size);
  return true;
}

/* The target's entry is made and removed first: what remains is a leaf of the registry, so that
   neither of the two insertions after the move can fail. While pages move, neither place has an entry: the
   kernel may give the one that becomes free to another thread at once. */
static bool move(struct huge *huge, size_t size) {
  if (huge->joined)
    return false;   /* realloc copies */
  char *target = os_map_aligned(size, size >= MOVE_ALIGNED_MIN ? SUPERSLAB_SIZE : UNIT_SIZE);
  if (target == NULL)
    return false;
  counter_add(COUNT_MAPPINGS_MADE, 1);
  if (!registry_insert_huge(target, huge)) {
    os_discard(target, size);
    counter_add(COUNT_MAPPINGS_GONE, 1);
    return false;
  }
  registry_remove_huge(target);
  char *old = huge->start;
  registry_remove_huge(old);
  bool moved = os_move(old, huge->size, target, size);
  counter_add(COUNT_MAPPINGS_GONE, 1);
  if (moved) {
    remember_freed(old);
    set_place(huge, target, size);
  }
  (void)registry_insert_huge(huge->start, huge);
  return moved;
}

/* What is left of the mapping behind size bytes, with a record of its own; NULL: no memory for it. */
static struct huge *split_off(const struct huge *huge, size_t size) {
  struct huge *rest = record_new();
  if (rest == NULL)
    return NULL;
  __atomic_store_n(&rest->start, huge->start + size, __ATOMIC_RELAXED);   /* huge_free of a racing double free reads it */
  rest->size = huge->size - size;
  rest->dirty = huge->dirty;
  rest->joined = huge->joined;
  rest->growths = 0;
  if (registry_insert_huge(rest->start, rest))
    return rest;
  record_put_back(rest);
  return NULL;
}

/* A kept mapping that is much too large for size bytes: the rest stays kept, or goes. */
static void take_what_is_needed(struct huge *huge, size_t size) {
  size_t front = align_up(size, UNIT_SIZE);
  if (huge->size < front + SPLIT_WORTH || huge->size - front < size / 4)
    return;
  struct huge *rest = split_off(huge, front);
  if (rest != NULL) {
    huge->size = front;
    keep(rest, os_now_ms());
  } else if (os_resize_in_place(huge->start, huge->size, front)) {
    huge->size = front;
  }
}

static struct huge *take_kept(size_t size, size_t alignment, struct limit_request *request) {
  struct huge *huge = mapping_cache_take(size, alignment);
  if (huge == NULL)
    return NULL;
  if (huge->size >= size) {
    take_what_is_needed(huge, size);
  } else if (!limit_check(request) || (!resize_in_place(huge, size) && !move(huge, size))) {
    keep(huge, os_now_ms());
    return NULL;
  }
  return huge;
}

static struct huge *take_or_map(size_t size, size_t alignment, struct limit_request *request) {
  struct huge *huge = take_kept(size, alignment, request);
  if (huge != NULL)
    return huge;
  if (!limit_check(request))
    return NULL;
  huge = reuse_refused(size, alignment);
  if (huge == NULL) {
    mapping_cache_missed(size, os_now_ms());
    huge = map_new(size, alignment);
    if (huge != NULL)
      place_add(PLACE_HUGE, EVENT_MISSES, 1);
  }
  return huge;
}

void *huge_alloc(size_t size, size_t alignment, bool *zeroed) {
  struct limit_request request = { 0, 0, false };
  if (size == 0 || !is_possible(size))
    return NULL;
  size = align_up(size, os_page_size);
  alignment = max_size(alignment, UNIT_SIZE);
  limit_reserve(&request, size, size);   /* before anything is taken out of a cache, and so not counted for a moment */
  struct huge *huge = take_or_map(size, alignment, &request);
  if (unlikely(huge == NULL) && !request.withdrawn) {   /* the limit would have had it go back already */
    give_everything_back();
    huge = take_or_map(size, alignment, &request);
  }
  if (unlikely(huge == NULL)) {
    counter_add(COUNT_FAILED_REQUESTS, 1);
    limit_done(&request);
    return NULL;
  }
  void *start = huge->start;
  *zeroed = !huge->dirty;
  counter_add(COUNT_HUGE_REQUESTS, 1);
  counter_add(COUNT_HUGE_LIVE_BYTES, huge->size);
  limit_done(&request);
  live_add(huge);
  set_state(huge, HUGE_LIVE);
  huge_tick(os_now_ms());
  return start;
}

/* The mapping that is freed, and a kept one beside it, become one. */
static void join(struct huge *huge, struct huge *neighbour) {
  bool before = neighbour->start < huge->start;
  char *start = before ? neighbour->start : huge->start;
  char *middle = before ? huge->start : neighbour->start;
  registry_remove_huge(middle);
  remember_freed(middle);
  if (before)
    (void)registry_insert_huge(start, huge);   /* its leaf exists */
  __atomic_store_n(&huge->start, start, __ATOMIC_RELAXED);
  huge->size += neighbour->size;
  huge->joined = 1;
  record_put_back(neighbour);
}

static void join_neighbours(struct huge *huge) {
  struct huge *neighbour;
  for (unsigned i = 0; i < JOINED_MAX && (neighbour = mapping_cache_take_neighbour(huge)) != NULL; i++)
    join(huge, neighbour);
}

enum huge_free_result huge_free(struct huge *huge, const void *start) {
  /* The record may have got another block's since it was looked up: then start was freed meanwhile. */
  if (__atomic_load_n(&huge->start, __ATOMIC_RELAXED) != start || !claim(huge))
    return HUGE_NOT_LIVE;
  if (huge->start != start) {
    set_state(huge, HUGE_LIVE);
    return HUGE_NOT_LIVE;
  }
  live_remove(huge);
  counter_add(COUNT_HUGE_FREES, 1);
  counter_sub(COUNT_HUGE_LIVE_BYTES, huge->size);
  huge->dirty = 1;
  huge->growths = 0;
  join_neighbours(huge);
  uint64_t now_ms = os_now_ms();
  keep(huge, now_ms);
  huge_tick(now_ms);
  return HUGE_FREED;
}

/* ---- realloc; the block is claimed ---- */

/* From the second growth on an eighth more is taken: a block that grows step by step is moved a
   logarithmic number of times. */
static bool grow(struct huge *huge, size_t size) {
  size_t slack = huge->growths == 0 || limit_stage() != LIMIT_CALM ? 0 : align_down(size / 8, os_page_size);
  bool grown = is_possible(size + slack) && (resize_in_place(huge, size + slack) || move(huge, size + slack));
  if (!grown && !huge->joined) {
    give_everything_back();
    grown = resize_in_place(huge, size) || move(huge, size);
  }
  if (grown)
    huge->growths++;
  return grown;
}

/* When the kernel does not take the tail the block stays as it is. */
static void shrink(struct huge *huge, size_t size) {
  size_t saved = huge->size - size;
  if (saved >= SHRINK_WORTH || saved >= huge->size / 8)
    resize_in_place(huge, size);
}

void *huge_resize(struct huge *huge, size_t new_size) {
  if (new_size == 0 || !is_possible(new_size) || !claim(huge))
    return NULL;
  size_t size = align_up(new_size, os_page_size);
  size_t before = huge->size;
  struct limit_request request = { 0, 0, false };
  bool done = true;
  if (size < huge->size)
    shrink(huge, size);
  else if (size > huge->size)
    done = limit_admit(&request, size - huge->size, size - huge->size) && grow(huge, size);
  counter_add(COUNT_HUGE_LIVE_BYTES, (uint64_t)huge->size - before);   /* modulo 2^64: may shrink */
  limit_done(&request);
  void *start = done ? huge->start : NULL;
  set_state(huge, HUGE_LIVE);
  return start;
}

/* ---- for bad pointers, and fork ---- */

/* lock HUGE is held. */
static struct huge *find_in_list(struct huge *list, uintptr_t address) {
  for (struct huge *huge = list; huge != NULL; huge = huge->next)
    if (address > (uintptr_t)huge->start && address - (uintptr_t)huge->start < huge->size)
      return huge;
  return NULL;
}

struct huge *huge_find_inside(const void *p) {
  lock_acquire(&huge_lock);
  struct huge *found = find_in_list(live, (uintptr_t)p);
  if (found == NULL)
    found = find_in_list(refused, (uintptr_t)p);
  lock_release(&huge_lock);
  return found != NULL ? found : mapping_cache_find_inside(p);
}

void huge_fork_prepare(void) { lock_acquire(&huge_lock); }

void huge_fork_release(bool child) {
  if (child)
    lock_reset(&huge_lock);
  else
    lock_release(&huge_lock);
}
