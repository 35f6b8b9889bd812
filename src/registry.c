/* registry.c - the region and the radix map. */
#include <config.h>
#include "counters.h"
#include "lock.h"
#include "metadata.h"
#include "options.h"
#include "os.h"
#include "registry.h"
#include "superslab.h"
#include "trace.h"

/* The reservation, from low to high: metadata of SuperSlabs but the first (struct superslab each), slab words,
   owner words, units. The words lie at constant distances below the first unit, whatever
   the number of units, so that one base reaches all of them. Each part is committed from its start. */
enum {
  WORD_BYTES = sizeof(uintptr_t),
  COMMIT_UNITS = 512,           /* first step of the words: a page of them on most machines */
  COMMIT_UNITS_MAX = 8192,
  COMMIT_SUPERSLABS = 8         /* step of the metadata, at most */
};

/* Before the region is there: an address from which no pointer of a process is less than REGION_UNITS_MAX units away. A free
   that races with the start, and sees the new limit with the old base, thus takes the slow path. */
HAK_CONSTANT char *region_base = (char *)(sizeof(void *) == 8 ? (uintptr_t)1 << (sizeof(void *) * 8 - 1) : (uintptr_t)0xf0000000);
uintptr_t region_limit;
HAK_CONSTANT uintptr_t region_key;
HAK_CONSTANT uintptr_t region_units;

static struct lock registry_lock = LOCK_INIT(RANK_REGISTRY);
static HAK_CONSTANT char *metadata_base;
static HAK_CONSTANT struct superslab *first_superslab;   /* from metadata.h: a small process needs no other, and no page of its own for it */
static size_t superslabs_opened;         /* in the region; lock */
static size_t metadata_committed;        /* bytes from metadata_base; lock */
static uintptr_t words_committed;        /* units whose words are committed; lock */
static uintptr_t units_committed_from, units_committed_to;   /* SuperSlabs in between are committed as a whole; lock */
static struct superslab *outside_unused; /* metadata of unmapped SuperSlabs; lock */
static struct superslab *outside_all;    /* every one there ever was, by registry_all; pushed under the lock */

/* The radix map: 48 bits of address, 16 by the root and 16 by a leaf, per 64 KiB. */
enum {
  LEAF_BITS = 16,
  ROOT_BITS = sizeof(void *) == 8 ? 16 : 0,
  ADDRESS_BITS = ROOT_BITS + LEAF_BITS + UNIT_SHIFT,
  TAG_SUPERSLAB = 1, TAG_HUGE = 2, TAG_MASK = 3
};
static HAK_SPARSE uintptr_t *radix_root[(size_t)1 << ROOT_BITS];   /* set once by compare-and-swap (release), read (acquire) */

static size_t region_metadata_size(uintptr_t units) {
  return align_up(units / SUPERSLAB_UNITS * sizeof(struct superslab), UNIT_SIZE);
}
static size_t region_words_size(void) { return 2 * (size_t)REGION_UNITS_MAX * WORD_BYTES; }

static bool try_reserve(uintptr_t units, size_t limit) {
  size_t below = region_metadata_size(units) + region_words_size();
  size_t total = below + units * UNIT_SIZE + SUPERSLAB_SIZE;
  if (total > limit) return false;
  if (first_superslab == NULL) first_superslab = metadata_alloc(sizeof *first_superslab);
  char *start = first_superslab != NULL ? os_reserve(total) : NULL;
  if (start == NULL) return false;
  __atomic_store_n(&region_base, (char *)align_up((uintptr_t)start + below, SUPERSLAB_SIZE), __ATOMIC_RELEASE);
  metadata_base = region_base - below;
  region_units = units;
  os_dont_dump(start, (size_t)(region_base - start));
  if (option.thp == THP_NEVER || option.thp == THP_AUTO) os_advise_huge(start, total, OS_HUGE_NEVER);
  return true;
}

void registry_init(uintptr_t key, bool want_region) {
  region_key = key;
  if (!want_region) return;
  size_t left = os_address_space_left();
  size_t limit = left == SIZE_MAX ? SIZE_MAX : left / 8;
  for (uintptr_t units = REGION_UNITS_MAX; units >= REGION_UNITS_MAX / 64; units /= 4)
    if (try_reserve(units, limit)) return;
}

/* Commits what SuperSlab number index of the region needs; idempotent, so that threads may race. No lock is held. */
static bool commit_for(size_t index) {
  lock_acquire(&registry_lock);
  size_t meta_from = metadata_committed;
  uintptr_t words_from = words_committed;
  lock_release(&registry_lock);

  size_t ahead = min_size(index + 1, COMMIT_SUPERSLABS);
  size_t meta_need = index * sizeof(struct superslab);
  size_t meta_to = meta_from;
  if (meta_need > meta_from) {
    meta_to = min_size(align_up(meta_need + (ahead - 1) * sizeof(struct superslab), os_page_size),
                       region_metadata_size(region_units));
    if (!os_commit(metadata_base + meta_from, meta_to - meta_from)) return false;
  }
  uintptr_t words_to = words_from;
  if ((index + 1) * SUPERSLAB_UNITS > words_from) {
    uintptr_t step = words_from == 0 ? max_size(COMMIT_UNITS, os_page_size / WORD_BYTES)
                                     : min_size(words_from, COMMIT_UNITS_MAX);
    words_to = min_size(words_from + step, region_units);
    uintptr_t *words = (uintptr_t *)(void *)region_base;
    size_t bytes = (words_to - words_from) * WORD_BYTES;
    if (!os_commit(words - REGION_OWNER_WORDS + words_from, bytes)) return false;
    if (!os_commit(words - REGION_SLAB_WORDS + words_from, bytes)) return false;
  }
  lock_acquire(&registry_lock);
  if (meta_to > metadata_committed) metadata_committed = meta_to;
  if (words_to > words_committed) {
    words_committed = words_to;
    __atomic_store_n(&region_limit, words_to, __ATOMIC_RELEASE);   /* readable from here on */
  }
  bool enough = metadata_committed >= meta_need && words_committed >= (index + 1) * SUPERSLAB_UNITS;
  lock_release(&registry_lock);
  return enough;
}

static struct superslab *region_superslab(size_t index) {
  return index == 0 ? first_superslab : (struct superslab *)(void *)(metadata_base + (index - 1) * sizeof(struct superslab));
}

static struct superslab *open_in_region(void) {
  lock_acquire(&registry_lock);
  size_t index = superslabs_opened;
  bool room = (index + 1) * SUPERSLAB_UNITS <= region_units;
  if (room) superslabs_opened++;
  lock_release(&registry_lock);
  if (!room) return NULL;
  if (!commit_for(index)) {
    lock_acquire(&registry_lock);
    if (superslabs_opened == index + 1) superslabs_opened--;   /* else its addresses stay unused */
    lock_release(&registry_lock);
    return NULL;
  }
  struct superslab *superslab = region_superslab(index);
  uintptr_t *words = (uintptr_t *)(void *)region_base;
  superslab->base = region_base + index * SUPERSLAB_SIZE;
  superslab->owner_words = words - REGION_OWNER_WORDS + index * SUPERSLAB_UNITS;
  superslab->slab_words = (struct slab **)(void *)(words - REGION_SLAB_WORDS + index * SUPERSLAB_UNITS);
  return superslab;
}

/* The entry of the radix map for p, NULL: none can exist (make: or no memory). Lock-free. */
static uintptr_t *radix_entry(const void *p, bool make) {
  uintptr_t unit = (uintptr_t)p >> UNIT_SHIFT;
  uintptr_t top = ROOT_BITS == 0 ? 0 : unit >> LEAF_BITS;
  if (top >= (uintptr_t)1 << ROOT_BITS) return NULL;
  uintptr_t *leaf = __atomic_load_n(&radix_root[top], __ATOMIC_ACQUIRE);
  if (leaf == NULL) {
    if (!make) return NULL;
    size_t size = ((size_t)1 << LEAF_BITS) * WORD_BYTES;
    leaf = os_map(NULL, size);
    if (leaf == NULL) return NULL;
    uintptr_t *winner = NULL;
    if (!__atomic_compare_exchange_n(&radix_root[top], &winner, leaf, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      os_discard(leaf, size);
      leaf = winner;
    }
  }
  return &leaf[unit & (((uintptr_t)1 << LEAF_BITS) - 1)];
}

static bool radix_set(const char *start, size_t units, uintptr_t value) {
  for (size_t i = 0; i < units; i++)
    if (radix_entry(start + i * UNIT_SIZE, true) == NULL) return false;
  for (size_t i = 0; i < units; i++)
    __atomic_store_n(radix_entry(start + i * UNIT_SIZE, true), value, __ATOMIC_RELEASE);   /* pairs with lookup */
  return true;
}

/* Metadata of a SuperSlab outside: the structure and its words behind it. */
static struct superslab *outside_metadata(void) {
  lock_acquire(&registry_lock);
  struct superslab *superslab = outside_unused;
  if (superslab != NULL) outside_unused = superslab->registry_next;
  lock_release(&registry_lock);
  if (superslab != NULL) return superslab;
  superslab = metadata_alloc(sizeof *superslab + 2 * SUPERSLAB_UNITS * WORD_BYTES);
  if (superslab == NULL) return NULL;
  superslab->owner_words = (uintptr_t *)(superslab + 1);
  superslab->slab_words = (struct slab **)(superslab->owner_words + SUPERSLAB_UNITS);
  superslab->outside = true;
  lock_acquire(&registry_lock);
  superslab->registry_all = outside_all;
  outside_all = superslab;
  lock_release(&registry_lock);
  return superslab;
}

static void outside_metadata_put_back(struct superslab *superslab) {
  lock_acquire(&registry_lock);
  superslab->registry_next = outside_unused;
  outside_unused = superslab;
  lock_release(&registry_lock);
}

static struct superslab *open_outside(void) {
  struct superslab *superslab = outside_metadata();
  if (superslab == NULL) return NULL;
  superslab->base = os_map_aligned(SUPERSLAB_SIZE, SUPERSLAB_SIZE);
  if (superslab->base != NULL) {
    if (option.thp == THP_NEVER || option.thp == THP_AUTO)
      os_advise_huge(superslab->base, SUPERSLAB_SIZE, OS_HUGE_NEVER);
    if (radix_set(superslab->base, SUPERSLAB_UNITS, (uintptr_t)superslab | TAG_SUPERSLAB)) return superslab;
    os_discard(superslab->base, SUPERSLAB_SIZE);
  }
  outside_metadata_put_back(superslab);
  return NULL;
}

struct superslab *registry_new_superslab(void) {
  struct superslab *superslab = open_in_region();
  if (superslab == NULL) superslab = open_outside();
  if (superslab != NULL && option.super_reg_reqtrace)
    trace_line("registry: insert superslab %p %s", (void *)superslab->base, superslab->outside ? "outside" : "in the region");
  return superslab;
}

bool registry_commit_ahead(const struct superslab *superslab, unsigned count) {
  uintptr_t start = (uintptr_t)superslab->base, end = start + (uintptr_t)count * SUPERSLAB_SIZE;
  lock_acquire(&registry_lock);
  bool done = start >= units_committed_from && start + SUPERSLAB_SIZE <= units_committed_to;
  lock_release(&registry_lock);
  if (done) return true;
  if (count == 0 || end > (uintptr_t)region_base + region_units * UNIT_SIZE) return false;
  if (!os_commit(superslab->base, count * (size_t)SUPERSLAB_SIZE)) return false;
  lock_acquire(&registry_lock);
  if (start != units_committed_to) units_committed_from = start;
  units_committed_to = end;
  lock_release(&registry_lock);
  return true;
}

bool registry_drop_superslab(struct superslab *superslab) {
  if (option.super_reg_reqtrace) trace_line("registry: remove superslab %p", (void *)superslab->base);
  radix_set(superslab->base, SUPERSLAB_UNITS, 0);
  if (os_unmap(superslab->base, SUPERSLAB_SIZE)) {
    outside_metadata_put_back(superslab);
    return true;
  }
  radix_set(superslab->base, SUPERSLAB_UNITS, (uintptr_t)superslab | TAG_SUPERSLAB);   /* the leaf is there */
  return false;
}

void registry_each_superslab(void (*visit)(struct superslab *superslab)) {
  size_t readable = min_size(superslabs_opened, metadata_committed / sizeof(struct superslab) + 1);
  for (size_t i = 0; i < readable; i++) visit(region_superslab(i));
  for (struct superslab *outside = outside_all; outside != NULL; outside = outside->registry_all) visit(outside);
}

bool registry_insert_huge(const void *start, struct huge *huge) {
  if (option.super_reg_reqtrace) trace_line("registry: insert mapping %p", start);
  return radix_set(start, 1, (uintptr_t)huge | TAG_HUGE);
}

void registry_remove_huge(const void *start) {
  if (option.super_reg_reqtrace) trace_line("registry: remove mapping %p", start);
  radix_set(start, 1, 0);
}

static struct registry_entry entry_of_unit(uintptr_t *owner_word, struct slab **slab_word) {
  struct registry_entry entry = { REGISTRY_UNIT, OWNER_NONE, NULL, NULL };
  entry.owner = __atomic_load_n(owner_word, __ATOMIC_ACQUIRE);   /* pairs with slab_set_owner */
  if (entry.owner != OWNER_NONE) entry.slab = __atomic_load_n(slab_word, __ATOMIC_RELAXED);
  return entry;
}

static struct registry_entry lookup_radix(const void *p) {
  struct registry_entry entry = { REGISTRY_FOREIGN, OWNER_NONE, NULL, NULL };
  uintptr_t *word = radix_entry(p, false);
  uintptr_t value = word == NULL ? 0 : __atomic_load_n(word, __ATOMIC_ACQUIRE);   /* pairs with radix_set */
  if ((value & TAG_MASK) == TAG_SUPERSLAB) {
    struct superslab *superslab = (struct superslab *)(value & ~(uintptr_t)TAG_MASK);
    size_t unit = ((uintptr_t)p >> UNIT_SHIFT) % SUPERSLAB_UNITS;
    return entry_of_unit(&superslab->owner_words[unit], &superslab->slab_words[unit]);
  }
  if ((value & TAG_MASK) == TAG_HUGE && is_aligned(p, UNIT_SIZE)) {
    entry.kind = REGISTRY_HUGE;
    entry.huge = (struct huge *)(value & ~(uintptr_t)TAG_MASK);
  }
  return entry;
}

struct registry_entry registry_lookup(const void *p) {
  struct registry_entry entry = { REGISTRY_UNIT, OWNER_NONE, NULL, NULL };
  char *base = __atomic_load_n(&region_base, __ATOMIC_ACQUIRE);
  uintptr_t unit = ((uintptr_t)p - (uintptr_t)base) >> UNIT_SHIFT;
  if (unit < __atomic_load_n(&region_limit, __ATOMIC_ACQUIRE)) {
    uintptr_t *words = (uintptr_t *)(void *)base;
    entry = entry_of_unit(words - REGION_OWNER_WORDS + unit, (struct slab **)(void *)(words - REGION_SLAB_WORDS + unit));
  } else if (unit >= region_units) {
    entry = lookup_radix(p);
  }
  if (entry.kind == REGISTRY_FOREIGN || (entry.kind == REGISTRY_UNIT && entry.owner == OWNER_NONE)) {
    counter_add(COUNT_REGISTRY_MISSES, 1);
    if (option.super_reg_reqtrace) trace_line("registry: lookup missed %p", p);
  }
  return entry;
}

void registry_fork_prepare(void) { lock_acquire(&registry_lock); }
void registry_fork_release(bool child) {
  if (child) lock_reset(&registry_lock);
  else lock_release(&registry_lock);
}
