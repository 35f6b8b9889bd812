/* allocator.c - routes every request and every free that the fast path does not finish. */
#include <config.h>
#include <string.h>
#include "allocator.h"
#include "bad_free.h"
#include "counters.h"
#include "huge.h"
#include "limit.h"
#include "libc_door.h"
#include "options.h"
#include "os.h"
#include "process.h"
#include "profile.h"
#include "remote.h"
#include "superslab.h"
#include "thread.h"
#include "trace.h"

void allocator_start(void) { process_start(); }
bool allocator_is_libc(void) { return process_state_now() == PROCESS_LIBC; }

/* --- requests --- */

/* The slab that the thread's table has for a class; slab_none if it has none. */
static struct slab *table_slab(unsigned class) {
  if (class < CLASS_MID_FIRST) return thread_table()->granule[size_classes[class].block_size / GRANULE];
  return class < CLASS_RUN_FIRST ? thread_table()->cached[class - CLASS_MID_FIRST] : &slab_none;
}

/* A request that is a sample. */
static struct block *alloc_sampled(struct heap *heap, unsigned class, bool *zeroed) {
  struct block *block = profile_alloc(heap, class, zeroed);
  while (block == NULL || block == HEAP_SAMPLE_DUE) {   /* it cannot be one: a block like others */
    block = heap_alloc(heap, class, zeroed);
    if (block == NULL) break;
  }
  return block;
}

/* What heap_alloc had no block for. */
static HAK_COLD struct block *alloc_again(struct heap *heap, unsigned class, struct block *found, bool *zeroed) {
  if (found == HEAP_SAMPLE_DUE) found = alloc_sampled(heap, class, zeroed);
  if (found != NULL) return found;
  /* What a limit refused has had go back what could already; what others have freed was taken in by it, and may serve. */
  bool reached = limit_is_reached((size_t)size_classes[class].units * UNIT_SIZE);
  if (reached || thread_reclaim() != 0 || limit_is_set) {
    do found = heap_alloc(heap, class, zeroed);
    while (found == HEAP_SAMPLE_DUE);
  }
  if (found == NULL) {
    counter_add(COUNT_FAILED_REQUESTS, 1);
    limit_count_refusal();
  }
  return found;
}

/* A request for a heap; class CLASS_NONE: a mapping of its own. */
static void *alloc_on(struct heap *heap, unsigned class, size_t size, size_t alignment, bool *zeroed) {
  if (class == CLASS_NONE) {
    void *start = huge_alloc(size, alignment, zeroed);
    if (likely(start != NULL)) profile_mapping(heap, start, size);
    else limit_count_refusal();
    return start;
  }
  struct block *block = heap_alloc(heap, class, zeroed);
  if (unlikely((uintptr_t)block <= (uintptr_t)HEAP_SAMPLE_DUE)) block = alloc_again(heap, class, block, zeroed);
  return block;
}

/* A call past the thread's end: a heap for this one call. What it hands out is abandoned with its slab, and adopted by
   the next such call or by any thread. */
static void *alloc_late(unsigned class, size_t size, size_t alignment, bool *zeroed) {
  struct heap *heap = heap_open(thread_id());
  if (heap == NULL) return NULL;
  void *block = alloc_on(heap, class, size, alignment, zeroed);
  heap_close(heap);
  return block;
}

static void *alloc_without_heap(unsigned class, size_t size, size_t alignment, bool *zeroed) {
  struct heap *heap = thread_heap_or_open();
  if (heap != NULL) return alloc_on(heap, class, size, alignment, zeroed);
  if (class == CLASS_NONE) return huge_alloc(size, alignment, zeroed);
  return thread_is_late() ? alloc_late(class, size, alignment, zeroed) : NULL;
}

static void *alloc_any(unsigned class, size_t size, size_t alignment, bool *zeroed) {
  struct heap *heap = thread_heap();
  return likely(heap != NULL) ? alloc_on(heap, class, size, alignment, zeroed)
                              : alloc_without_heap(class, size, alignment, zeroed);
}

void *allocator_malloc(size_t size) {
  bool zeroed;
  if (unlikely(thread_heap() == NULL)) {
    enum process_state state = process_start();
    if (state == PROCESS_LIBC) return libc_door_malloc(size);
    if (state != PROCESS_READY) return NULL;
  }
  if (unlikely(size > ALLOCATOR_MAX)) return NULL;
  return alloc_any(size_class_of(size), max_size(size, 1), 1, &zeroed);
}

void *allocator_calloc(size_t count, size_t size) {
  size_t total;
  if (unlikely(thread_heap() == NULL)) {
    enum process_state state = process_start();
    if (state == PROCESS_LIBC) return libc_door_calloc(count, size);
    if (state != PROCESS_READY) return NULL;
  }
  if (__builtin_mul_overflow(count, size, &total) || total > ALLOCATOR_MAX) return NULL;
  unsigned class = size_class_of(total);
  struct slab *slab = table_slab(class);
  bool zeroed = false;
  void *block;
  if (slab->free != NULL) block = slab_pop(slab);
  else block = alloc_any(class, max_size(total, 1), 1, &zeroed);
  if (block != NULL && !zeroed) memset(block, 0, total);
  return block;
}

void *allocator_aligned(size_t alignment, size_t size) {
  bool zeroed;
  if (unlikely(thread_heap() == NULL)) {
    enum process_state state = process_start();
    if (state == PROCESS_LIBC) return libc_door_memalign(alignment, size);
    if (state != PROCESS_READY) return NULL;
  }
  if (size > ALLOCATOR_MAX || alignment > ALLOCATOR_MAX || size + alignment > ALLOCATOR_MAX) return NULL;
  unsigned class = alignment <= GRANULE ? size_class_of(size) : size_class_of_aligned(size, alignment);
  struct slab *slab = table_slab(class);
  if (slab->free != NULL) return slab_pop(slab);
  return alloc_any(class, max_size(size, 1), alignment, &zeroed);
}

/* --- frees --- */

static void trace_route(const void *p, enum tier tier, const char *how) {
  if (!option.free_route_trace) return;
  counter_add(COUNT_ROUTE_TINY + (enum counter)tier, 1);
  trace_line("free %p route %s%s", p, tier_names[tier], how);
}

static void free_invalid(const void *p, enum bad_reason reason) {
  if (option.free_route_trace) trace_line("free %p route invalid", p);
  bad_pointer_ours(CALL_FREE, p, reason);
}

static void free_own(struct slab *slab, void *p) {
  if (CHECKS && !slab_is_block(slab, (uintptr_t)p - (uintptr_t)region_base)) {
    free_invalid(p, BAD_INTERIOR);
  } else if (slab_block_is_free(slab, p)) {
    free_invalid(p, BAD_DOUBLE_FREE);
  } else {
    trace_route(p, size_class_tier(slab->class_index), "");
    heap_free_local(slab, p);
  }
}

/* Frees without a heap go one by one, and through counters that all threads share. A thread that only frees what others allocate
   gets a heap after a few of them; one that frees a block or two and ends mostly does without. */
static HAK_COLD struct heap *heap_to_free_with(void) {
  enum { SOME_FREES = 16 };
  bool some = counter_get(COUNT_REMOTE_FREES) % SOME_FREES == SOME_FREES - 1;   /* of all threads that have none */
  return some ? thread_heap_or_open() : NULL;
}

static void free_remote(struct slab *slab, void *p) {
  struct heap *heap = thread_heap();
  if (unlikely(heap == NULL)) heap = heap_to_free_with();
  enum tier tier = size_class_tier(slab->class_index);   /* before another thread can get the slab */
  enum remote_result result = remote_free(heap, slab, p);
  if (result == REMOTE_DOUBLE) free_invalid(p, BAD_DOUBLE_FREE);
  else if (result == REMOTE_NOT_A_BLOCK) free_invalid(p, BAD_INTERIOR);
  else trace_route(p, tier, " remote");
}

/* A block that was a sample: nobody's slab. */
static HAK_COLD void free_sampled(struct slab *slab, void *p) {
  if (!CHECKS || (slab_may_be_block(slab, (uintptr_t)p - (uintptr_t)region_base) && !slab_block_is_free(slab, p)))
    profile_forget(p);
  free_remote(slab, p);
  profile_freed();
}

static void free_in_slab(void *p, const struct registry_entry *entry) {
  if (unlikely((entry->owner & ~OWNER_SLOW) == OWNER_PROFILE)) {
    free_sampled(entry->slab, p);
    return;
  }
  if ((entry->owner & ~OWNER_SLOW) == thread_id()) free_own(entry->slab, p);
  else free_remote(entry->slab, p);
}

static HAK_NOINLINE void free_by_registry(void *p) {
  struct registry_entry entry = registry_lookup(p);
  if (entry.kind == REGISTRY_UNIT && entry.owner != OWNER_NONE) {
    free_in_slab(p, &entry);
  } else if (entry.kind == REGISTRY_HUGE) {
    profile_forget_mapping(entry.huge, p);
    if (huge_free(entry.huge, p) == HUGE_NOT_LIVE) free_invalid(p, BAD_DOUBLE_FREE);
    else trace_route(p, TIER_HUGE, "");
  } else if (entry.kind == REGISTRY_UNIT) {
    free_invalid(p, BAD_NEVER_ALLOCATED);
  } else if (bad_pointer_unknown(CALL_FREE, p) == VERDICT_LIBC) {
    if (option.free_route_trace) trace_line("free %p route foreign", p);
    libc_door_free(p);
  }
}

/* The first call, in a function of its own: what does nothing but forward needs no frame. */
static HAK_COLD void start_and_free(void *p) {
  if (process_start() == PROCESS_LIBC) libc_door_free(p);
  else free_by_registry(p);
}

void allocator_free(void *p) {
  if (p == NULL) return;
  enum process_state state = process_state_now();
  if (likely(state == PROCESS_READY)) free_by_registry(p);
  else if (state == PROCESS_LIBC) libc_door_free(p);
  else start_and_free(p);
}

/* --- questions --- */

/* The slab of a live block, NULL if p is none; *reason says why then. */
static struct slab *live_slab(const void *p, const struct registry_entry *entry, enum bad_reason *reason) {
  *reason = BAD_NEVER_ALLOCATED;
  if (entry->kind != REGISTRY_UNIT || entry->owner == OWNER_NONE) return NULL;
  *reason = BAD_INTERIOR;
  if (CHECKS && !slab_may_be_block(entry->slab, (uintptr_t)p - (uintptr_t)region_base)) return NULL;
  *reason = BAD_DOUBLE_FREE;
  return slab_block_is_free(entry->slab, p) ? NULL : entry->slab;
}

struct live_block allocator_find(const void *p) {
  struct registry_entry entry = registry_lookup(p);
  struct live_block found = { 0, NULL, NULL, entry.kind != REGISTRY_FOREIGN, BAD_DOUBLE_FREE };
  if (entry.kind == REGISTRY_HUGE) {
    if (__atomic_load_n(&entry.huge->state, __ATOMIC_ACQUIRE) != HUGE_LIVE) return found;
    found.huge = entry.huge;
    found.usable = entry.huge->size;
  } else {
    found.slab = live_slab(p, &entry, &found.reason);
    if (found.slab != NULL) found.usable = found.slab->remote_block_size;
  }
  return found;
}

size_t allocator_usable_size(const void *p) {
  if (p == NULL) return 0;
  if (unlikely(process_state_now() != PROCESS_READY) && process_start() == PROCESS_LIBC)
    return libc_door_usable_size((void *)(uintptr_t)p);
  struct live_block found = allocator_find(p);
  if (found.usable != 0) return found.usable;
  enum bad_verdict verdict = found.ours ? bad_pointer_ours(CALL_USABLE_SIZE, p, found.reason)
                                        : bad_pointer_unknown(CALL_USABLE_SIZE, p);
  return verdict == VERDICT_LIBC ? libc_door_usable_size((void *)(uintptr_t)p) : 0;
}

bool allocator_owns(const void *p) { return p != NULL && allocator_find(p).usable != 0; }

bool allocator_trim(size_t keep) {
  if (process_state_now() != PROCESS_READY) return false;
  thread_give_back();
  struct heap *heap = thread_heap();
  size_t bytes = keep == 0 ? huge_trim() : 0;
  if (keep == 0 && heap != NULL) bytes += heap_park_all(heap);
  if (keep == 0) bytes += profile_trim();
  return bytes + superslab_trim(keep) != 0;
}
