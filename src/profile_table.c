/* profile_table.c - sites and live samples. */
#include <config.h>
#include <string.h>
#include "lock.h"
#include "os.h"
#include "profile_table.h"

enum {
  SITES = 16 << 10,
  OTHER_SITES = 512,            /* of them, for sites without frames: one for each size */
  FRAMES = SITES * 24,
  LIVE = 256 << 10,
  SITE_HEADS = 4 << 10, LIVE_HEADS = 16 << 10,
  SIZE_BITS = 3,                /* of the size of a mapping, behind the first, tell sites apart */
  PUT_OFF = 64                  /* blocks that handlers of signals free while one thread is at the table */
};

/* Numbers of sites and of live samples count from 1; 0 is none. */
struct site {
  uint32_t next, hash;
  uint32_t frames, depth;       /* constant, as is key */
  uint64_t key;
  struct profile_figures figures;
};

struct live {
  const void *block;
  uint64_t size;
  uint32_t next, site;
};

struct table {
  uint32_t sites, frames, live, free_live;   /* in use, or ever used; a chain of unused ones */
  struct profile_figures totals;
  uint64_t other_count, untracked_count;
  uint32_t site_head[SITE_HEADS], live_head[LIVE_HEADS];
  struct site site[SITES];
  uintptr_t frame[FRAMES];
  struct live live_row[LIVE];
};

static struct lock table_lock = LOCK_INIT(RANK_PROFILE_TABLE);
static struct table *table;     /* all of it: lock */

/* The thread has the lock, or is about to, or no more: a handler of a signal is not to wait for it. */
static __thread bool here __attribute__((tls_model("initial-exec")));
/* What handlers have freed then: who takes the lock next sees to it before anything else. Atomic. */
static HAK_SPARSE const void *put_off[PUT_OFF];
static uint32_t any_put_off;    /* after (release) the one in put_off, before it (acquire) */

/* --- sites --- */

static uint32_t hash_words(const uintptr_t *words, unsigned count, uint64_t hash) {
  for (unsigned i = 0; i < count; i++) hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
  return (uint32_t)(hash >> 32);
}

/* Block sizes are told apart, mappings by the first bits of their size. */
static uint64_t key_of(uint64_t size) {
  if (size <= L25_MAX) return size;
  unsigned shift = 63 - (unsigned)__builtin_clzll(size) - SIZE_BITS;
  return size >> shift << shift;
}

static struct site *find_site(uint64_t key, uint32_t hash, const struct profile_stack *stack) {
  for (uint32_t i = table->site_head[hash % SITE_HEADS]; i != 0; i = table->site[i - 1].next) {
    struct site *site = &table->site[i - 1];
    if (site->hash == hash && site->key == key && site->depth == stack->depth &&
        memcmp(&table->frame[site->frames], stack->frame, stack->depth * sizeof stack->frame[0]) == 0)
      return site;
  }
  return NULL;
}

static struct site *new_site(uint64_t key, uint32_t hash, const struct profile_stack *stack) {
  uint32_t most = stack->depth == 0 ? SITES : SITES - OTHER_SITES;
  if (table->sites >= most || FRAMES - table->frames < stack->depth) return NULL;
  struct site *site = &table->site[table->sites++];
  site->hash = hash;
  site->key = key;
  site->depth = stack->depth;
  site->frames = table->frames;
  memcpy(&table->frame[site->frames], stack->frame, stack->depth * sizeof stack->frame[0]);
  table->frames += stack->depth;
  site->next = table->site_head[hash % SITE_HEADS];
  table->site_head[hash % SITE_HEADS] = table->sites;
  return site;
}

static struct site *site_of(uint64_t key, uint32_t hash, const struct profile_stack *stack) {
  struct site *site = find_site(key, hash, stack);
  return site != NULL ? site : new_site(key, hash, stack);
}

/* --- live samples --- */

static uint32_t *live_head_of(const void *block) {
  uintptr_t word = (uintptr_t)block;
  return &table->live_head[hash_words(&word, 1, 1) % LIVE_HEADS];
}

static void forget(struct profile_figures *figures, uint64_t size) {
  figures->live_count--;
  figures->live_bytes -= size;
}

static void remove_live(const void *block) {
  uint32_t *link = live_head_of(block);
  while (*link != 0 && table->live_row[*link - 1].block != block) link = &table->live_row[*link - 1].next;
  if (*link == 0) return;
  uint32_t number = *link;
  struct live *live = &table->live_row[number - 1];
  forget(&table->site[live->site].figures, live->size);
  forget(&table->totals, live->size);
  *link = live->next;
  live->next = table->free_live;
  table->free_live = number;
}

static void add_live(const void *block, uint64_t size, struct site *site) {
  uint32_t number = table->free_live;
  if (number != 0) table->free_live = table->live_row[number - 1].next;
  else if (table->live < LIVE) number = ++table->live;
  if (number == 0) {
    table->untracked_count++;
    return;
  }
  uint32_t *head = live_head_of(block);
  table->live_row[number - 1] = (struct live){ block, size, *head, (uint32_t)(site - table->site) };
  *head = number;
  site->figures.live_count++;
  site->figures.live_bytes += size;
  table->totals.live_count++;
  table->totals.live_bytes += size;
}

/* --- the lock --- */

/* A block gets its place before it is free, and all places are looked at with the lock taken: so it is crossed out before
   another sample at its address is added. */
static void catch_up(void) {
  if (likely(__atomic_load_n(&any_put_off, __ATOMIC_RELAXED) == 0)) return;
  __atomic_exchange_n(&any_put_off, 0, __ATOMIC_ACQ_REL);
  for (unsigned i = 0; i < PUT_OFF; i++) {
    const void *block = __atomic_exchange_n(&put_off[i], NULL, __ATOMIC_ACQUIRE);
    if (block != NULL && table != NULL) remove_live(block);
  }
}

/* Where all places are taken it stays in the table until its address is seen again. */
static void remove_later(const void *block) {
  for (unsigned i = 0; i < PUT_OFF; i++) {
    const void *nothing = NULL;
    if (!__atomic_compare_exchange_n(&put_off[i], &nothing, block, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) continue;
    __atomic_store_n(&any_put_off, 1, __ATOMIC_RELEASE);
    return;
  }
}

static void enter(void) {
  here = true;
  compiler_barrier();
  lock_acquire(&table_lock);
  catch_up();
}

static void leave(void) {
  lock_release(&table_lock);
  compiler_barrier();
  here = false;
}

/* try: another thread may be what waits for this one. */
static bool enter_unless_here(bool try) {
  if (here) return false;
  if (!try) {
    enter();
    return true;
  }
  here = true;
  compiler_barrier();
  bool taken = lock_try(&table_lock);
  if (taken) catch_up();
  else here = false;
  return taken;
}

bool profile_table_is_mine(void) { return here; }

/* --- for others --- */

bool profile_table_open(void) {
  size_t size = align_up(sizeof *table, os_page_size);
  struct table *made = os_map(NULL, size);
  if (made == NULL) return false;
  enter();
  struct table *old = table;
  table = made;
  leave();
  if (old != NULL) os_discard(old, size);
  return true;
}

void profile_table_add(const void *block, size_t size, const struct profile_stack *stack) {
  static const struct profile_stack none = { .depth = 0 };
  uint64_t key = key_of(size);
  uint32_t hash = hash_words(stack->frame, stack->depth, key), hash_of_none = hash_words(NULL, 0, key);
  if (!enter_unless_here(false)) return;
  if (table != NULL) {
    remove_live(block);   /* of one that was freed while there was no place to put it off */
    struct site *site = site_of(key, hash, stack);
    if (site == NULL) {
      site = site_of(key, hash_of_none, &none);
      table->other_count++;
    }
    if (site != NULL) {
      site->figures.total_count++;
      site->figures.total_bytes += size;
      table->totals.total_count++;
      table->totals.total_bytes += size;
      add_live(block, size, site);
    }
  }
  leave();
}

void profile_table_remove(const void *block) {
  if (!enter_unless_here(false)) {
    remove_later(block);
    return;
  }
  if (table != NULL) remove_live(block);
  leave();
}

bool profile_table_totals(struct profile_totals *totals, bool try) {
  if (!enter_unless_here(try)) return false;
  bool there = table != NULL;
  if (there) *totals = (struct profile_totals){ table->totals, table->sites, table->other_count, table->untracked_count };
  leave();
  return there;
}

bool profile_table_site(uint32_t index, struct profile_figures *figures, struct profile_stack *stack, bool try) {
  if (!enter_unless_here(try)) return false;
  bool there = table != NULL && index < table->sites;
  if (there) {
    const struct site *site = &table->site[index];
    *figures = site->figures;
    stack->depth = site->depth;
    memcpy(stack->frame, &table->frame[site->frames], site->depth * sizeof stack->frame[0]);
  }
  leave();
  return there;
}

void profile_table_fork_prepare(void) { enter(); }
void profile_table_fork_release(bool child) {
  if (!child) {
    leave();
    return;
  }
  lock_reset(&table_lock);
  here = false;
}
