/* allocator_realloc.c - in place where it can be, else pages moved, else bytes copied. */
#include <config.h>
#include <string.h>
#include "allocator.h"
#include "bad_free.h"
#include "huge.h"
#include "libc_door.h"
#include "limit.h"
#include "profile.h"
#include "process.h"
#include "fast_path.h"

enum { ROOM_FROM = 64 << 10 };   /* blocks that grow get room to grow further if they are that large */

/* What grows once grows again, and a copy of a large block costs more than all the rest. Half as much again is asked for: pages
   that are never touched are not resident. */
static void *block_with_room(size_t old_size, size_t size) {
  size_t roomy = min_size(size + size / 2, L25_MAX);
  bool grows = size > old_size && old_size >= ROOM_FROM && size < roomy && limit_stage() == LIMIT_CALM;
  void *block = grows ? allocator_malloc(roomy) : NULL;
  return block != NULL ? block : fast_malloc(size, allocator_malloc);
}

static void *copy_to_new(void *p, size_t old_size, size_t size) {
  void *block = block_with_room(old_size, size);
  if (block == NULL) return size <= old_size ? p : NULL;   /* smaller always succeeds: the old block serves */
  memcpy(block, p, min_size(old_size, size));
  fast_free(p);
  return block;
}

static void *resize_in_slab(void *p, struct slab *slab, size_t old_size, size_t size) {
  if (size <= old_size && (size >= old_size / 2 || size_class_of(size) == slab->class_index)) return p;
  unsigned class = size > L25_MAX ? CLASS_NONE : size_class_of(size);
  struct heap *heap = thread_heap();
  /* With samples each size that the block gets is to be a request. */
  bool mine = heap != NULL && !heap_samples(heap) && __atomic_load_n(&slab->heap, __ATOMIC_RELAXED) == heap;
  if (mine && size > old_size && class >= CLASS_RUN_FIRST && class != CLASS_NONE && heap_grow_run(heap, slab, class)) return p;
  return copy_to_new(p, old_size, size);
}

static void *resize_huge(void *p, struct huge *huge, size_t size) {
  size_t old_size = huge->size;
  struct heap *heap = thread_heap();
  if (size_class_of(size) == CLASS_NONE) {
    profile_forget_mapping(huge, p);   /* to the profile it is another allocation */
    void *moved = huge_resize(huge, size);
    if (heap != NULL) profile_mapping(heap, moved != NULL ? moved : p, moved != NULL ? size : old_size);
    if (moved != NULL) return moved;
    if (size <= old_size) return p;
  }
  return copy_to_new(p, old_size, size);
}

void *allocator_realloc(void *p, size_t size, bool *bad) {
  *bad = false;
  if (p == NULL) return fast_malloc(size, allocator_malloc);
  uintptr_t key;
  struct slab *own;
  if (likely(fast_is_own(p, &own, &key))) return size > ALLOCATOR_MAX ? NULL : resize_in_slab(p, own, own->block_size, size);
  if (unlikely(process_state_now() != PROCESS_READY) && process_start() == PROCESS_LIBC) return libc_door_realloc(p, size);
  struct live_block found = allocator_find(p);
  if (found.usable == 0) {
    enum bad_verdict verdict = found.ours ? bad_pointer_ours(CALL_REALLOC, p, found.reason)
                                          : bad_pointer_unknown(CALL_REALLOC, p);
    if (verdict == VERDICT_LIBC) return libc_door_realloc(p, size);
    *bad = true;
    return NULL;
  }
  if (size > ALLOCATOR_MAX) return NULL;
  return found.huge != NULL ? resize_huge(p, found.huge, size) : resize_in_slab(p, found.slab, found.usable, size);
}
