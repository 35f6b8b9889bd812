/* metadata.c - see metadata.h.

   A pointer that moves up through a chunk. The first chunk lies in .bss: a
   small process needs no mapping for its metadata at all. Chunks after it come from the
   kernel, taken while the lock is not held. */
#include <config.h>

#include "metadata.h"

#include "align.h"
#include "lock.h"
#include "os.h"

enum {
  FIRST_CHUNK = 16 << 10,
  NEXT_CHUNK = 64 << 10,
  /* Larger requests get a mapping of their own and leave the current chunk as it is. */
  SHARED_MAX = NEXT_CHUNK / 4
};

static HAK_SPARSE char first_chunk[FIRST_CHUNK] HAK_LINE_ALIGNED;

static struct lock metadata_lock = LOCK_INIT(RANK_METADATA);
/* Unused part of the current chunk; lock METADATA. next is a multiple of a cache line. */
static char *next = first_chunk;
static char *end = first_chunk + FIRST_CHUNK;
/* Atomic, relaxed: a figure only. */
static size_t bytes_taken = FIRST_CHUNK;

/* lock METADATA is held. */
static void *take(size_t size) {
  if ((size_t)(end - next) < size)
    return NULL;
  void *p = next;
  next += size;
  return p;
}

static void *map_chunk(size_t size) {
  void *chunk = os_map(NULL, size);
  if (chunk != NULL)
    __atomic_fetch_add(&bytes_taken, size, __ATOMIC_RELAXED);
  return chunk;
}

/* The chunk came too late: another thread has brought one meanwhile. */
static void unmap_chunk(void *chunk, size_t size) {
  os_discard(chunk, size);
  __atomic_fetch_sub(&bytes_taken, size, __ATOMIC_RELAXED);
}

/* size <= SHARED_MAX and the current chunk had no room for it. */
static HAK_COLD void *alloc_from_new_chunk(size_t size) {
  char *chunk = map_chunk(NEXT_CHUNK);
  if (chunk == NULL)
    return NULL;
  lock_acquire(&metadata_lock);
  void *p = take(size);
  bool late = p != NULL;
  if (!late) {
    next = chunk;
    end = chunk + NEXT_CHUNK;
    p = take(size);
  }
  lock_release(&metadata_lock);
  if (late)
    unmap_chunk(chunk, NEXT_CHUNK);
  return p;
}

void *metadata_alloc(size_t size) {
  if (size > PTRDIFF_MAX / 2)
    return NULL;
  size = align_up(max_size(size, 1), CACHE_LINE);
  if (size > SHARED_MAX)
    return map_chunk(align_up(size, os_page_size));
  lock_acquire(&metadata_lock);
  void *p = take(size);
  lock_release(&metadata_lock);
  return p != NULL ? p : alloc_from_new_chunk(size);
}

size_t metadata_bytes(void) { return __atomic_load_n(&bytes_taken, __ATOMIC_RELAXED); }

void metadata_fork_prepare(void) { lock_acquire(&metadata_lock); }

void metadata_fork_release(bool child) {
  if (child)
    lock_reset(&metadata_lock);
  else
    lock_release(&metadata_lock);
}
