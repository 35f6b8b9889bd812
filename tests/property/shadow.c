/* shadow.c - random operations, checked against the shadow. */
#include <config.h>

#include "shadow.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define fault(...)                                  \
  do {                                              \
    fprintf(stderr, "shadow: " __VA_ARGS__);        \
    fprintf(stderr, " (line %d)\n", __LINE__);      \
    abort();                                        \
  } while (0)

/* ---- the map of live bytes ---- */

enum {
  GRANULE_SHIFT = 4,
  LEAF_SHIFT = 26,                                   /* a leaf has the bits of 64 MiB */
  LEAF_BITS = 1 << (LEAF_SHIFT - GRANULE_SHIFT),
  ROOT_BITS = (sizeof(void *) == 8 ? 47 : 32) - LEAF_SHIFT,
  MAILBOXES = 128,
  THREADS_MAX = 16
};

static uint64_t **shadow_root;

static void *map_zeroed(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) fault("no memory for the shadow");
  return p;
}

static uint64_t *shadow_leaf(uintptr_t address) {
  uint64_t **place = &shadow_root[address >> LEAF_SHIFT];
  uint64_t *leaf = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  if (leaf != NULL) return leaf;
  uint64_t *fresh = map_zeroed(LEAF_BITS / 8);
  if (__atomic_compare_exchange_n(place, &leaf, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return fresh;
  munmap(fresh, LEAF_BITS / 8);
  return leaf;
}

/* Sets or clears the bits of [p, p + size); they must all have been the other way. */
static void shadow_mark(const void *p, size_t size, bool live) {
  uintptr_t granule = (uintptr_t)p >> GRANULE_SHIFT;
  uintptr_t end = ((uintptr_t)p + (size == 0 ? 1 : size) + 15) >> GRANULE_SHIFT;
  while (granule < end) {
    uint64_t *leaf = shadow_leaf(granule << GRANULE_SHIFT);
    uintptr_t first = granule % 64;
    uintptr_t count = 64 - first < end - granule ? 64 - first : end - granule;
    uint64_t mask = (count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1) << first;
    uint64_t *word = &leaf[granule % LEAF_BITS / 64];
    uint64_t before = live ? __atomic_fetch_or(word, mask, __ATOMIC_ACQ_REL)
                           : __atomic_fetch_and(word, ~mask, __ATOMIC_ACQ_REL);
    if (live && (before & mask) != 0) fault("block %p of %zu bytes overlaps a live block", p, size);
    if (!live && (before & mask) != mask) fault("the shadow of %p was lost", p);
    granule += count;
  }
}

/* ---- blocks and their contents ---- */

struct block {
  unsigned char *start;   /* NULL: none */
  size_t size;
  size_t usable;          /* as the target said when the block was made: constant while it lives */
  size_t alignment;       /* as requested, 0: none */
  uint64_t tag;
};

enum { EDGE = 256, STRIDE = 1024 };

static uint64_t word_at(uint64_t tag, size_t offset) { return (tag ^ offset) * UINT64_C(0x9e3779b97f4a7c15) | 1; }

/* The next offset with contents, after `offset`: all of them near both ends, one word a kilobyte between. */
static size_t next_offset(size_t offset, size_t size) {
  size_t next = offset + 8;
  if (size <= 4 * EDGE || next < EDGE || next + EDGE + 8 > size) return next;
  next = (offset / STRIDE + 1) * STRIDE + (offset / STRIDE * 8) % STRIDE;
  size_t tail = (size - EDGE) & ~(size_t)7;
  return next < tail ? next : tail;
}

/* The last bytes of a block whose size is no multiple of 8. */
static void fill_part(unsigned char *at, uint64_t word, size_t count) {
  for (size_t i = 0; i < count; i++) at[i] = ((const unsigned char *)&word)[i];
}
static bool is_part(const unsigned char *at, uint64_t word, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (at[i] != ((const unsigned char *)&word)[i]) return false;
  return true;
}

static void fill(struct block *block) {
  for (size_t at = 0; at < block->size; at = next_offset(at, block->size)) {
    uint64_t word = word_at(block->tag, at);
    if (block->size - at >= 8) memcpy(block->start + at, &word, 8);
    else fill_part(block->start + at, word, block->size - at);
  }
}

/* Compares what was filled in for block->size with the first `limit` bytes at start. */
static void check_contents(const struct block *block, const unsigned char *start, size_t limit) {
  for (size_t at = 0; at < limit; at = next_offset(at, block->size)) {
    uint64_t word = word_at(block->tag, at);
    if (limit - at >= 8 ? memcmp(start + at, &word, 8) != 0 : !is_part(start + at, word, limit - at))
      fault("contents of %p (%zu bytes) changed at %zu", (const void *)start, block->size, at);
  }
}

static void check_zero(const struct block *block) {
  size_t at = 0;
  while (at < block->size) {
    const unsigned char *here = block->start + at;
    if (block->size - at >= 8 ? memcmp(here, "\0\0\0\0\0\0\0", 8) != 0 : !is_part(here, 0, block->size - at))
      fault("calloc: %p of %zu bytes is not zero at %zu", (void *)block->start, block->size, at);
    at += block->size <= 65536 ? 8 : 64;
  }
  /* Where fill() leaves words in large blocks. */
  for (at = 0; at < block->size; at = next_offset(at, block->size))
    if (block->start[at] != 0) fault("calloc: %p of %zu bytes is not zero at %zu", (void *)block->start, block->size, at);
}

/* ---- one thread ---- */

struct runner {
  const struct shadow_plan *plan;
  struct block **slot;
  uint64_t state;
  unsigned long done;
};

/* Blocks on their way from one thread to another: every place holds a record, maybe an empty one. */
static struct block *mailbox[MAILBOXES];

static uint64_t draw(struct runner *runner) {
  runner->state ^= runner->state << 13;
  runner->state ^= runner->state >> 7;
  runner->state ^= runner->state << 17;
  return runner->state >> 11;
}

static size_t draw_size(struct runner *runner) {
  const struct shadow_sizes *sizes = &runner->plan->sizes;
  uint64_t kind = draw(runner) % 64;
  size_t value = (size_t)draw(runner);
  if (kind < sizes->huge) return (1 << 20) + 1 + value % sizes->huge_max;
  kind -= sizes->huge;
  if (kind < sizes->large) return (32 << 10) + 1 + value % (992 << 10);
  kind -= sizes->large;
  if (kind < sizes->mid) return 1025 + value % (31 << 10);
  if (kind == 63 - sizes->huge - sizes->large) return value % 17;
  /* Powers of two and their neighbours are where classes end. */
  if (value % 8 == 0) return ((size_t)1 << (value / 8 % 11)) + value / 128 % 3 - 1;
  return value % 1025;
}

static bool refused(struct runner *runner, const void *p, int error) {
  if (p != NULL) return false;
  if (!runner->plan->may_fail) fault("an allocation failed");
  if (error != ENOMEM) fault("an allocation failed with errno %d", error);
  return true;
}

/* The block is new or has moved: it must be well placed, alone, usable. */
static void accept(struct runner *runner, struct block *block, void *p, size_t size, size_t alignment) {
  uintptr_t needed = alignment > 16 ? alignment : sizeof(void *) == 8 ? 16 : 8;
  if ((uintptr_t)p % needed != 0) fault("%p is not a multiple of %zu", p, (size_t)needed);
  block->start = p;
  block->size = size;
  block->alignment = alignment;
  block->usable = runner->plan->target->usable_size(p);
  block->tag = draw(runner);
  if (block->usable < size) fault("%p: usable size %zu, requested %zu", p, block->usable, size);
  shadow_mark(p, size, true);
}

static void make_plain(struct runner *runner, struct block *block) {
  size_t size = draw_size(runner);
  errno = 0;
  void *p = runner->plan->target->malloc(size);
  if (refused(runner, p, errno)) return;
  accept(runner, block, p, size, 0);
  fill(block);
}

static void make_zeroed(struct runner *runner, struct block *block) {
  size_t size = draw_size(runner);
  size_t count = draw(runner) % 2 == 0 || size == 0 ? 1 : 1 + draw(runner) % 8;
  errno = 0;
  void *p = runner->plan->target->calloc(count, size / count);
  if (refused(runner, p, errno)) return;
  accept(runner, block, p, size / count * count, 0);
  check_zero(block);
  fill(block);
}

static void make_aligned(struct runner *runner, struct block *block) {
  uint64_t value = draw(runner);
  /* Mostly small alignments; up to 4 MiB now and then. */
  size_t alignment = (size_t)8 << (value % 32 == 0 ? value / 32 % 20 : value / 32 % 9);
  size_t size = draw_size(runner);
  if (alignment > 65536 && size > 65536) size %= 65536;
  void *p = NULL;
  int error;
  if (value % 2 == 0) {
    error = runner->plan->target->posix_memalign(&p, alignment, size);
  } else {
    errno = 0;
    p = runner->plan->target->aligned_alloc(alignment, size);
    error = errno;
  }
  if (refused(runner, p, error)) return;
  accept(runner, block, p, size, alignment);
  fill(block);
}

static void check_live(struct runner *runner, const struct block *block) {
  check_contents(block, block->start, block->size);
  size_t usable = runner->plan->target->usable_size(block->start);
  if (usable != block->usable)
    fault("%p: usable size was %zu, is %zu", (void *)block->start, block->usable, usable);
}

static void release(struct runner *runner, struct block *block) {
  const struct shadow_target *target = runner->plan->target;
  check_live(runner, block);
  shadow_mark(block->start, block->size, false);
  int before = (int)(draw(runner) % 100);
  errno = before;
  if (before % 4 == 0 && block->alignment != 0)
    target->free_aligned_sized(block->start, block->alignment, block->size);
  else if (before % 4 == 0)
    target->free_sized(block->start, block->size);
  else
    target->free(block->start);
  if (errno != before) fault("free changed errno to %d", errno);
  block->start = NULL;
}

static void resize(struct runner *runner, struct block *block) {
  const struct shadow_target *target = runner->plan->target;
  size_t size = draw(runner) % 2 == 0 ? draw_size(runner) : block->size + block->size / (1 + (size_t)draw(runner) % 16) + 1;
  if (size > (1 << 20) + runner->plan->sizes.huge_max) size %= 2000;
  if (size == 0) size = 1;
  check_live(runner, block);
  struct block old = *block;
  shadow_mark(old.start, old.size, false);
  errno = 0;
  void *p = draw(runner) % 2 == 0 ? target->realloc(old.start, size) : target->reallocarray(old.start, size, 1);
  if (refused(runner, p, errno)) {
    check_contents(&old, old.start, old.size);
    shadow_mark(old.start, old.size, true);
    return;
  }
  accept(runner, block, p, size, 0);
  check_contents(&old, p, old.size < size ? old.size : size);
  fill(block);
}

static void hand_over(struct runner *runner, struct block **slot) {
  *slot = __atomic_exchange_n(&mailbox[draw(runner) % MAILBOXES], *slot, __ATOMIC_ACQ_REL);
  if ((*slot)->start != NULL && draw(runner) % 4 != 0) release(runner, *slot);
}

static void one_operation(struct runner *runner) {
  struct block **slot = &runner->slot[draw(runner) % runner->plan->slots];
  struct block *block = *slot;
  uint64_t kind = draw(runner) % 32;
  if (runner->plan->handover != 0 && draw(runner) % runner->plan->handover == 0) {
    hand_over(runner, slot);
  } else if (block->start == NULL) {
    if (kind < 20) make_plain(runner, block);
    else if (kind < 27) make_zeroed(runner, block);
    else make_aligned(runner, block);
  } else if (kind < 24) {
    release(runner, block);
  } else if (kind < 31) {
    resize(runner, block);
  } else {
    check_live(runner, block);
  }
  runner->done++;
}

static void *thread_main(void *argument) {
  struct runner *runner = argument;
  for (unsigned long i = 0; i < runner->plan->operations; i++) one_operation(runner);
  /* Grow and shrink by phases as well: some threads leave nothing, some all they have. */
  if (draw(runner) % 2 == 0) {
    for (unsigned i = 0; i < runner->plan->slots; i++)
      if (runner->slot[i]->start != NULL) release(runner, runner->slot[i]);
  }
  return NULL;
}

static void run_round(struct runner *runners, unsigned count) {
  if (count == 1) {
    thread_main(&runners[0]);
    return;
  }
  pthread_t thread[THREADS_MAX];
  for (unsigned i = 0; i < count; i++)
    if (pthread_create(&thread[i], NULL, thread_main, &runners[i]) != 0) fault("no thread");
  for (unsigned i = 0; i < count; i++) pthread_join(thread[i], NULL);
}

unsigned long shadow_run(const struct shadow_plan *plan) {
  size_t records = (size_t)plan->threads * plan->slots + MAILBOXES;
  struct block *record = map_zeroed(records * sizeof *record);
  struct block **slots = map_zeroed(records * sizeof *slots);
  struct runner runners[THREADS_MAX];
  if (plan->threads > THREADS_MAX) fault("too many threads");
  if (shadow_root == NULL) shadow_root = map_zeroed(((size_t)1 << ROOT_BITS) * sizeof *shadow_root);
  for (size_t i = 0; i < records; i++) slots[i] = &record[i];
  for (unsigned i = 0; i < MAILBOXES; i++) mailbox[i] = &record[records - 1 - i];
  for (unsigned i = 0; i < plan->threads; i++)
    runners[i] = (struct runner){ plan, slots + (size_t)i * plan->slots, (plan->seed * 1000003 + i + 1) * 0x9e3779b9, 0 };
  for (unsigned round = 0; round < plan->rounds; round++) run_round(runners, plan->threads);
  unsigned long done = 0;
  for (unsigned i = 0; i < plan->threads; i++) done += runners[i].done;
  for (size_t i = 0; i < records; i++)
    if (record[i].start != NULL) release(&runners[0], &record[i]);
  munmap(record, records * sizeof *record);
  munmap(slots, records * sizeof *slots);
  return done;
}
