/* profile.c - sampled blocks: where they come from, and what is written down about them. */
#include <config.h>
#include "os.h"
#include "metadata.h"
#include "profile.h"
#include "profile_run.h"
#include "profile_stack.h"
#include "profile_table.h"
#include "profile_write.h"
#include "registry.h"
#include "thread.h"

enum { TIDY_PERIOD = 16 };   /* frees of sampled blocks after which the heap takes them in */

/* The heap of sampled blocks, and who may use it as a thread does its own. System calls are made with it held: nobody
   waits for it but who has a sample, and fork. */
static struct lock profile_lock = LOCK_INIT(RANK_PROFILE);
static struct heap *profile_heap;   /* set once, lock; read without (acquire) */
static uint32_t freed_count;        /* atomic, relaxed */
static uint64_t rate_now;           /* atomic, relaxed */

/* The thread has the lock, or is about to, or no more: a handler of a signal is not to wait for it. */
static __thread bool here __attribute__((tls_model("initial-exec")));

static void enter(void) {
  here = true;
  compiler_barrier();
  lock_acquire(&profile_lock);
}

/* Without waiting. */
static bool enter_if_free(void) {
  if (here) return false;
  here = true;
  compiler_barrier();
  return here = lock_try(&profile_lock);
}

static void leave(void) {
  lock_release(&profile_lock);
  compiler_barrier();
  here = false;
}

bool profile_is_here(void) { return here || profile_table_is_mine(); }

static struct heap *sampled_heap(void) { return __atomic_load_n(&profile_heap, __ATOMIC_ACQUIRE); }

/* Lock PROFILE. */
static bool start(uint64_t rate, uint64_t seed) {
  heap_sample_set(0, 0);
  if (!profile_table_open()) return false;
  profile_stack_init();
  if (profile_heap == NULL) __atomic_store_n(&profile_heap, heap_open(OWNER_PROFILE), __ATOMIC_RELEASE);
  if (profile_heap == NULL) return false;
  __atomic_store_n(&rate_now, rate, __ATOMIC_RELAXED);
  heap_sample_set(rate, seed);
  return true;
}

bool profile_start(uint64_t rate, uint64_t seed) {
  enter();
  bool there = start(rate, seed);
  leave();
  if (there && thread_heap() != NULL) heap_sample_follow(thread_heap());   /* other threads when they come by */
  return there;
}

void profile_stop(void) {
  enter();
  heap_sample_set(0, 0);
  leave();
  if (thread_heap() != NULL) heap_sample_follow(thread_heap());
}

bool profile_is_on(void) { return (__atomic_load_n(&heap_sample_epoch, __ATOMIC_RELAXED) & 1) != 0; }
uint64_t profile_rate(void) { return __atomic_load_n(&rate_now, __ATOMIC_RELAXED); }

/* --- samples --- */

/* None are known where there is no memory for what the thread remembers of its stack. */
static void take_stack(struct heap *heap, struct profile_stack *stack) {
  struct sampler *sampler = heap->sampler_room;
  if (sampler->memory == NULL) sampler->memory = metadata_alloc(sizeof *sampler->memory);
  stack->depth = 0;
  if (sampler->memory == NULL) return;
  if (sampler->inherited) profile_stack_forget(sampler->memory);
  sampler->inherited = false;
  profile_stack_take(stack, sampler->memory);
}

/* Few classes for all samples: their heap has a slab, or several, for each, and of most sizes a small process has no sample
   at a time. Powers of two, so that every alignment holds. */
static unsigned roomy_class(unsigned class_index) {
  enum { LEAST = 64 };
  uint32_t wanted = size_classes[class_index].block_size, size = LEAST;
  while (size < wanted) size *= size < TINY_MAX ? 4 : 2;
  unsigned roomy = wanted <= MID_MAX ? size_class_of(size) : CLASS_NONE;
  return roomy != CLASS_NONE ? roomy : class_index;
}

/* None in a handler of a signal that came while its thread was at the heap or the table of samples. */
struct block *profile_alloc(struct heap *heap, unsigned class_index, bool *zeroed) {
  struct profile_stack stack;
  if (profile_is_here()) return NULL;
  size_t size = size_classes[heap_serving_class(heap, class_index)].block_size;
  heap->sampler_room->inside = true;   /* the unwinder may allocate, a handler of a signal that comes now too */
  compiler_barrier();
  take_stack(heap, &stack);
  enter();
  struct block *block = heap_alloc(profile_heap, roomy_class(class_index), zeroed);
  leave();
  if (block != NULL) {
    profile_table_add(block, size, &stack);
    heap_sample_taken(heap);
  }
  profile_dump_pending();
  compiler_barrier();
  heap->sampler_room->inside = false;
  return block;
}

/* Written down is the size that was asked for, since that is what the samples are drawn by. The mapping may be larger. */
void profile_mapping(struct heap *heap, void *start, size_t size) {
  heap_sample_follow(heap);
  if (!heap_samples(heap) || profile_is_here() || !heap_sample_mapping(heap, size)) return;
  struct profile_stack stack;
  heap->sampler_room->inside = true;
  compiler_barrier();
  take_stack(heap, &stack);
  struct registry_entry entry = registry_lookup(start);
  if (entry.kind == REGISTRY_HUGE) {
    profile_table_add(start, size, &stack);
    store_racy(&entry.huge->sampled, 1);
  }
  profile_dump_pending();
  compiler_barrier();
  heap->sampler_room->inside = false;
}

/* In a handler of a signal too: it does not wait for what its thread holds (profile_table.h). */
void profile_forget(const void *block) { profile_table_remove(block); }

/* --- the heap of sampled blocks --- */

/* Frees come from any thread, so that they wait for somebody to take them in. */
void profile_freed(void) {
  uint32_t count = __atomic_add_fetch(&freed_count, 1, __ATOMIC_RELAXED);
  struct heap *heap = sampled_heap();
  if (count % TIDY_PERIOD != 0 || heap == NULL || !enter_if_free()) return;
  heap_drain_pending(heap, TIDY_PERIOD);
  heap_tick(heap);
  leave();
}

size_t profile_trim(void) {
  struct heap *heap = sampled_heap();
  if (heap == NULL || here) return 0;
  enter();
  heap_drain_pending(heap, UINT32_MAX);
  heap_retire_idle(heap, true);
  heap_release_empty(heap, os_now_ms(), true);
  size_t bytes = heap_park_all(heap);
  leave();
  return bytes;
}

void profile_fork_prepare(void) { enter(); }
void profile_fork_release(bool child) {
  if (!child) {
    leave();
    return;
  }
  profile_write_fork_child();
  lock_reset(&profile_lock);
  here = false;
}
