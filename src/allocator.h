/* allocator.h - routes every request and every free. Layer 9.

   The inline fast paths are in fast_path.h; these are complete functions, for the
   public functions and the interposer. None sets errno: NULL means no memory or an
   impossible size, and the callers (hak_api.c, interpose_*.c) turn that into ENOMEM.
   All preserve errno otherwise. All start the library at the first call. */
#ifndef HAKMEM_ALLOCATOR_H
#define HAKMEM_ALLOCATOR_H

#include "bad_free.h"

struct slab;
struct huge;

/* What malloc(size) continues with when the fast path has no block. size 0 is a minimal block. */
void *allocator_malloc(size_t size) HAK_NOINLINE;
/* count * size bytes, zeroed; NULL on overflow. */
void *allocator_calloc(size_t count, size_t size);
/* alignment: any power of two. */
void *allocator_aligned(size_t alignment, size_t size);
/* p may be NULL; size 0 is a minimal block here (the callers do realloc(p, 0)).
   *bad: p was not a live block and the policy said ignore (NULL is returned then). */
void *allocator_realloc(void *p, size_t size, bool *bad);
/* What free(p) continues with; p may be NULL or anything. */
void allocator_free(void *p) HAK_NOINLINE;
/* Bytes that may be used at p; 0 for NULL and for pointers that are not ours. */
size_t allocator_usable_size(const void *p);
/* Exact: is p the start of a live block of ours? Never faults, no system call. */
bool allocator_owns(const void *p);
/* What allocator_usable_size and allocator_realloc ask first. usable 0: not the start of a live block. */
struct live_block {
  size_t usable;
  struct slab *slab;        /* one of the two, when live */
  struct huge *huge;
  bool ours;                /* the registry knows the address */
  enum bad_reason reason;   /* when it is ours and not live */
};
struct live_block allocator_find(const void *p);
/* Gives free memory back to the kernel, all but keep bytes; true if any was. */
bool allocator_trim(size_t keep);
/* Starts the library if it has not been: options are read. */
void allocator_start(void);
/* True when HAKMEM_FORCE_LIBC_ALLOC=1 (after allocator_start()). */
bool allocator_is_libc(void);

/* A block's start or size limits: larger requests are ENOMEM everywhere. */
#define ALLOCATOR_MAX ((size_t)PTRDIFF_MAX)

#endif
