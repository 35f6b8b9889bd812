/* interpose_malloc.c - the C library's malloc family, and C23's sized frees. Layer 11.

   Semantics are glibc 2.36's, errno included; where it does more than the manual pages say, the
   comment says what. malloc and free are leaves: what needs a frame is in functions that they end in. */
#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "align.h"
#include "allocator.h"
#include "fast_path.h"
#include "interpose.h"
#include "libc_door.h"
#include "os.h"
#include "process.h"

/* Not in the headers of every C library. */
INTERPOSED void free_sized(void *p, size_t size);
INTERPOSED void free_aligned_sized(void *p, size_t alignment, size_t size);
INTERPOSED void cfree(void *p);

static HAK_COLD void *fail(int error) {
  errno = error;
  return NULL;
}

/* What malloc ends in when the fast path has no block. */
static HAK_NOINLINE void *malloc_slow(size_t size) {
  if (unlikely(process_state_now() == PROCESS_LIBC)) return libc_door_malloc(size);   /* excluded programs come here always */
  void *block = allocator_malloc(size);
  return likely(block != NULL) ? block : fail(ENOMEM);
}

INTERPOSED void *malloc(size_t size) { return fast_malloc(size, malloc_slow); }

/* ---- Giving back. The sizes are hints, and not looked at. cfree is what programs older than
   glibc 2.26 still call. */

INTERPOSED void free(void *p) { fast_free(p); }
INTERPOSED void cfree(void *p) { fast_free(p); }

INTERPOSED void free_sized(void *p, size_t size) {
  (void)size;
  fast_free(p);
}

INTERPOSED void free_aligned_sized(void *p, size_t alignment, size_t size) {
  (void)alignment;
  (void)size;
  fast_free(p);
}

/* ---- calloc and realloc */

INTERPOSED void *calloc(size_t count, size_t size) {
  void *block = allocator_calloc(count, size);
  return likely(block != NULL) ? block : fail(ENOMEM);
}

/* realloc(p, 0) frees p and returns NULL with errno kept; realloc(NULL, 0) is malloc(0). */
static void *resize(void *p, size_t size) {
  if (unlikely(size == 0) && p != NULL) {
    allocator_free(p);
    return NULL;
  }
  bool bad = false;
  void *block = allocator_realloc(p, size, &bad);
  return likely(block != NULL) ? block : fail(bad ? EINVAL : ENOMEM);
}

INTERPOSED void *realloc(void *p, size_t size) { return resize(p, size); }

INTERPOSED void *reallocarray(void *p, size_t count, size_t size) {
  size_t total;
  if (unlikely(__builtin_mul_overflow(count, size, &total))) return fail(ENOMEM);
  return resize(p, total);
}

/* ---- Alignments */

static void *aligned(size_t alignment, size_t size) {
  void *block = allocator_aligned(alignment, size);
  return likely(block != NULL) ? block : fail(ENOMEM);
}

/* The power of two at or above n, which is at most SIZE_MAX / 2 + 1. */
static size_t power_of_two_above(size_t n) {
  size_t power = 1;
  while (power < n) power <<= 1;
  return power;
}

/* Alignments that are no power of two are rounded up, 0 too; those that cannot be are EINVAL. */
INTERPOSED void *memalign(size_t alignment, size_t size) {
  if (unlikely(alignment > SIZE_MAX / 2 + 1)) return fail(EINVAL);
  return aligned(likely(is_power_of_two(alignment)) ? alignment : power_of_two_above(alignment), size);
}

/* memalign under another name, to glibc 2.37. */
INTERPOSED void *aligned_alloc(size_t alignment, size_t size) {
  if (unlikely(alignment > SIZE_MAX / 2 + 1)) return fail(EINVAL);
  return aligned(likely(is_power_of_two(alignment)) ? alignment : power_of_two_above(alignment), size);
}

/* Without memory errno is set besides, which POSIX leaves open. *block is only changed on success. */
INTERPOSED int posix_memalign(void **block, size_t alignment, size_t size) {
  if (unlikely(!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)) return EINVAL;
  void *found = aligned(alignment, size);
  if (unlikely(found == NULL)) return ENOMEM;
  *block = found;
  return 0;
}

INTERPOSED void *valloc(size_t size) {
  allocator_start();   /* the page size is known after it */
  return aligned(os_page_size, size);
}

/* Whole pages. */
INTERPOSED void *pvalloc(size_t size) {
  allocator_start();
  if (unlikely(size > ALLOCATOR_MAX)) return fail(ENOMEM);
  return aligned(os_page_size, align_up(size, os_page_size));
}

INTERPOSED size_t malloc_usable_size(void *p) { return allocator_usable_size(p); }
