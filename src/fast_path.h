/* fast_path.h - malloc and free of a warm block. Layer 9.

   No call, no lock, no atomic read-modify-write, no option, no statistic. Whatever is not the common case has been made
   to fail one of the tests: a table entry without a slab is slab_none, whose list is empty; an owner word is that of
   the calling thread or something else (no slab, another thread, OWNER_SLOW for tracing); without a region the limit
   is 0. Both end in tail calls, so that the functions around them need no frame. */
#ifndef HAKMEM_FAST_PATH_H
#define HAKMEM_FAST_PATH_H

#include "allocator.h"
#include "thread.h"

/* A block for size bytes, or what slow(size) returns. */
HAK_INLINE void *fast_malloc(size_t size, void *(*slow)(size_t)) {
  struct slab *slab;
  if (likely(size <= TINY_MAX)) slab = thread_table()->granule[(size + GRANULE - 1) / GRANULE];
  else if (likely(size <= CACHED_MAX)) slab = thread_table()->cached[load_racy(&cached_of_step[(size + (1 << STEP_SHIFT) - 1) >> STEP_SHIFT])];
  else return slow(size);
  if (unlikely(slab->free == NULL)) return slow(size);
  return slab_pop(slab);
}

/* True if p is a live block in the region and the calling thread owns it; false says nothing.
   *own: its slab. *key: the key word that the block gets when it is free. */
HAK_INLINE bool fast_is_own(const void *p, struct slab **own, uintptr_t *key) {
  /* Ownership, by arithmetic on the pointer and a word of the library's own. */
  char *base = load_racy(&region_base);
  uintptr_t offset = (uintptr_t)p - (uintptr_t)base;
  uintptr_t unit = offset >> UNIT_SHIFT;
  if (unlikely(unit >= load_racy(&region_limit))) return false;
  char *words = base + unit * sizeof(uintptr_t);
  uintptr_t *owner_word = (uintptr_t *)(void *)(words - REGION_OWNER_WORDS * sizeof(uintptr_t));
  if (unlikely(load_racy(owner_word) != thread_id())) return false;
  struct slab *slab = *(struct slab **)(void *)(words - REGION_SLAB_WORDS * sizeof(uintptr_t));
  *key = block_key(p);
  if (CHECKS && unlikely(!slab_is_block(slab, offset) || load_racy(&((const struct block *)p)->key) == *key)) return false;
  *own = slab;
  return true;
}

HAK_INLINE void fast_free(void *p) {
  uintptr_t key;
  struct slab *slab;
  if (unlikely(!fast_is_own(p, &slab, &key))) {
    allocator_free(p);
    return;
  }
  slab_push(slab, p, key);
  if (unlikely(slab_count_down(slab) == 0)) heap_free_event(slab);
}

#endif
