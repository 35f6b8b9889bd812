/* hakmem.h - libhakmem, a memory allocator. See hak_malloc(3) and hakmem(7).

   Copyright (c) 2026 the libhakmem authors. SPDX-License-Identifier: MIT

   What holds for all functions:

   Sizes are in bytes. Blocks start at a multiple of 16, and more where an alignment was asked for. A
   request of 0 bytes gives a block of its own, which is to be freed like any other. Requests of
   more than PTRDIFF_MAX bytes fail with ENOMEM.

   Threads: all functions may be called from any thread at any time, and a block may be freed by
   another thread than the one that got it.
   Signals: a handler that interrupted code outside of this library may call any of them; one that
   interrupted a call of this library may call none.
   Fork: after fork(2) all of them work in parent and child, however many threads there were.

   Where a block came from matters: what these functions return goes back to these functions only, never
   to free(3), and the other way round. (Under libhakmem-preload.so there is one heap, and they may be
   mixed.) A pointer that is not the start of a live block of this library is recognised, nothing
   is read or written through it, and HAKMEM_INVALID_FREE decides what happens; see hakmem(7). */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#define HAKMEM_VERSION "0.1.0"

#if !defined(__cplusplus)
#define HAK_NOEXCEPT
#elif __cplusplus >= 201103L
#define HAK_NOEXCEPT noexcept
#else
#define HAK_NOEXCEPT throw()
#endif

#if defined(__GNUC__) || defined(__clang__)
#define HAK_PUBLIC __attribute__((__visibility__("default")))
#define HAK_ATTR(x) __attribute__(x)
#else
#define HAK_PUBLIC
#define HAK_ATTR(x)
#endif

/* Lets gcc warn when a block is handed to a function that it does not belong to. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define HAK_FREED_WITH(function, position) __attribute__((__malloc__(function, position)))
#else
#define HAK_FREED_WITH(function, position)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Giving back ---- */

/* Frees the block p. NULL: does nothing. errno is preserved, always. */
HAK_PUBLIC void hak_free(void *p) HAK_NOEXCEPT;

/* The same, for callers that know what they asked for: size (and alignment) as in the request, or
   the size of the last hak_realloc. They are hints, and ignored by this version. */
HAK_PUBLIC void hak_free_sized(void *p, size_t size) HAK_NOEXCEPT;
HAK_PUBLIC void hak_free_aligned_sized(void *p, size_t alignment, size_t size) HAK_NOEXCEPT;

/* ---- Getting ----
   All return NULL and set errno to ENOMEM when there is no memory or the size is impossible; errno is
   preserved otherwise. What they return belongs to the caller until hak_free or hak_realloc. */

/* size bytes, not initialised. */
HAK_PUBLIC void *hak_malloc(size_t size) HAK_NOEXCEPT
    HAK_ATTR((__malloc__, __alloc_size__(1), __warn_unused_result__)) HAK_FREED_WITH(hak_free, 1);

/* An array of count elements of size bytes each, all zero. A product that overflows is ENOMEM. */
HAK_PUBLIC void *hak_calloc(size_t count, size_t size) HAK_NOEXCEPT
    HAK_ATTR((__malloc__, __alloc_size__(1, 2), __warn_unused_result__)) HAK_FREED_WITH(hak_free, 1);

/* Gives the block p a new size. The contents are kept up to the smaller of both sizes; the block may move,
   and p is then no longer valid, nor is any alignment over 16 that it was requested with. On failure the
   old block is unchanged and still the caller's.
   p NULL: as hak_malloc(size). size 0 and p not NULL: frees p and returns NULL, errno preserved, as the C
   library's realloc(3) does. EINVAL: p is not a live block and HAKMEM_INVALID_FREE says to go on. */
HAK_PUBLIC void *hak_realloc(void *p, size_t size) HAK_NOEXCEPT
    HAK_ATTR((__alloc_size__(2), __warn_unused_result__)) HAK_FREED_WITH(hak_free, 1);

/* hak_realloc(p, count * size), but ENOMEM and an unchanged block when the product overflows. */
HAK_PUBLIC void *hak_reallocarray(void *p, size_t count, size_t size) HAK_NOEXCEPT
    HAK_ATTR((__alloc_size__(2, 3), __warn_unused_result__)) HAK_FREED_WITH(hak_free, 1);

/* size bytes at a multiple of alignment. EINVAL: alignment is not a power of two. Any size will do, it need
   not be a multiple of the alignment. hak_memalign is an old name for the same. */
HAK_PUBLIC void *hak_aligned_alloc(size_t alignment, size_t size) HAK_NOEXCEPT
    HAK_ATTR((__malloc__, __alloc_align__(1), __alloc_size__(2), __warn_unused_result__))
    HAK_FREED_WITH(hak_free, 1);
HAK_PUBLIC void *hak_memalign(size_t alignment, size_t size) HAK_NOEXCEPT
    HAK_ATTR((__malloc__, __alloc_align__(1), __alloc_size__(2), __warn_unused_result__))
    HAK_FREED_WITH(hak_free, 1);

/* Stores such a block in *block and returns 0. EINVAL: alignment is not a power of two, or not a multiple
   of sizeof(void *); ENOMEM: as above. These are returned, *block is unchanged then; errno is preserved
   always. */
HAK_PUBLIC int hak_posix_memalign(void **block, size_t alignment, size_t size) HAK_NOEXCEPT
    HAK_ATTR((__warn_unused_result__));

/* ---- Asking ---- */

/* Bytes that may be used at p: at least what was asked for, constant while the block lives, all of them
   readable and writable. 0 for NULL. For debugging and statistics: ask for what is needed instead. */
HAK_PUBLIC size_t hak_usable_size(const void *p) HAK_NOEXCEPT;

/* 1 if p is the start of a live block of this library, else 0, for any pointer at all: exact, without a
   system call and without reading anything through it. The answer is of use only while nobody frees that
   block. Under HAKMEM_FORCE_LIBC_ALLOC=1 always 0. */
HAK_PUBLIC int hak_owns(const void *p) HAK_NOEXCEPT;

/* Gives free memory back to the kernel, all but about keep bytes. 1 if any was given back, else 0. errno is
   preserved. */
HAK_PUBLIC int hak_trim(size_t keep) HAK_NOEXCEPT;

/* ---- Figures ---- */

enum hak_tier { HAK_TIER_TINY, HAK_TIER_MID, HAK_TIER_L25, HAK_TIER_HUGE, HAK_TIER_COUNT };

struct hak_tier_stats {
  uint64_t requests;      /* blocks handed out since the start of the process */
  uint64_t live_blocks;   /* blocks in use */
  uint64_t live_bytes;    /* bytes in them, rounded up to the block sizes */
  uint64_t held_bytes;    /* address space held for them, in use or not */
};

/* What serves requests: the tiers, and the two caches of mappings from which huge requests are served first. */
enum hak_place {
  HAK_PLACE_TINY, HAK_PLACE_MID, HAK_PLACE_L25, HAK_PLACE_HUGE, HAK_PLACE_BIGCACHE, HAK_PLACE_WHALE, HAK_PLACE_COUNT
};

/* The same for each of them; hak_stats_get(3) says what a high value means. 0 where it has no meaning. Sums since the start
   of the process, but for kept and what ends in _bytes before purged_bytes, which are levels. Exact, but for refaulted_bytes. */
struct hak_counts {
  uint64_t requests;          /* blocks handed out; of a cache: mappings looked for. Always hits + misses */
  uint64_t hits;              /* served by the fast path; huge: by a kept mapping; a cache: found there */
  uint64_t misses;
  uint64_t refills;           /* slabs put where the fast path looks; mappings put into a cache */
  uint64_t flushes;           /* slabs or mappings given up; mappings that left a cache unused */
  uint64_t remote_frees;      /* blocks freed by another thread than their owner, */
  uint64_t remote_batches;    /* and the batches in which they travelled */
  uint64_t adoptions;         /* slabs of threads that ended, taken over by others */
  uint64_t made;              /* slabs cut from free memory; mappings asked of the kernel */
  uint64_t kept;              /* slabs or mappings without a block in use, kept for reuse */
  uint64_t kept_bytes;        /* bytes in them */
  uint64_t live_bytes;        /* bytes in blocks in use, rounded up to the block sizes */
  uint64_t held_bytes;        /* address space held for them, in use or not */
  uint64_t purged_bytes;      /* bytes given back to the kernel */
  uint64_t refaulted_bytes;   /* estimated: bytes given back and taken into use again */
};

/* Later versions append members and change none. */
struct hak_stats {
  struct hak_tier_stats tier[HAK_TIER_COUNT];
  uint64_t committed_bytes;   /* made readable and writable, without huge blocks */
  uint64_t dirty_bytes;       /* free, but with pages that may be resident */
  uint64_t metadata_bytes;    /* for the library's own structures */
  uint64_t bigcache_bytes;    /* kept in BigCache */
  uint64_t bigcache_hits;
  uint64_t whale_bytes;       /* kept in the whale cache */
  uint64_t whale_hits;
  uint64_t mappings_made;     /* system calls that mapped huge blocks, */
  uint64_t mappings_gone;     /* and that unmapped them */
  uint64_t purge_calls;       /* system calls that gave pages back, */
  uint64_t purged_bytes;      /* and what they gave back */
  uint64_t remote_frees;      /* blocks freed by another thread than their owner, */
  uint64_t remote_batches;    /* and the batches in which they travelled */
  uint64_t heaps;             /* threads that have a heap now */
  uint64_t abandoned_slabs;   /* slabs that threads left behind */
  uint64_t foreign_frees;     /* forwarded to the C library */
  uint64_t invalid_frees;     /* pointers that were not the start of a live block */
  struct hak_counts counts[HAK_PLACE_COUNT];
  uint64_t failed_requests;   /* for which there was no memory */
  uint64_t limit_bytes;       /* that may be held, by HAKMEM_MEMORY_LIMIT_MB; 0: no limit */
  uint64_t limit_mapped_bytes;   /* that may be mapped or writable (auto, under RLIMIT_AS or RLIMIT_DATA) */
  uint64_t limit_passes;      /* over all that is kept, to give it back near the limit */
  uint64_t limit_refused;     /* requests that failed, with HAKMEM_MEMORY_LIMIT_HARD=1 */
  /* Of HAKMEM_ACE; all 0 when it is off. */
  uint64_t ace_mode;          /* 1 on, 2 freeze */
  uint64_t ace_windows;       /* stretches of a quarter of a second and more that it has looked at */
  uint64_t ace_trials;        /* changes that it has tried */
  uint64_t ace_stayed;        /* and has kept */
  uint64_t ace_purge_delay_ms, ace_batch_flush_bytes, ace_empty_superslabs;   /* what is set now, of free pages */
  uint64_t ace_cache_delay_ms, ace_cache_floor_bytes;                         /* and of kept mappings */
};

/* Fills in *stats, which is size bytes long: pass sizeof(struct hak_stats). Members that the library does
   not know are set to 0; none beyond size is touched (with size 0 stats may be NULL). Returns the size of
   the structure that the library knows, so a caller built against a newer header sees which members are
   meaningless. Figures of other threads that allocate meanwhile are approximate. Allocates nothing. */
HAK_PUBLIC size_t hak_stats_get(struct hak_stats *stats, size_t size) HAK_NOEXCEPT;

/* Of one size of blocks. Later versions append members and change none. */
struct hak_class_stats {
  uint64_t block_size;        /* usable bytes of a block */
  uint64_t tier;              /* enum hak_tier */
  uint64_t requests, hits, misses;   /* blocks handed out; by the fast path; by the slow path */
  uint64_t refills;           /* slabs put where the fast path looks */
  uint64_t frees;             /* blocks taken back */
  uint64_t live_blocks;       /* requests - frees */
  uint64_t live_bytes, held_bytes;
  uint64_t slabs;             /* slabs there are, */
  uint64_t kept;              /* and those of them without a block in use */
  uint64_t parked_bytes;      /* pages between live blocks that have been given back */
};

/* Fills in the first count elements, each of size bytes (sizeof(struct hak_class_stats)), of an array: one for each size of
   blocks, in order. size is as in hak_stats_get. Returns how many sizes there are; none is filled in beyond those. With count
   0 stats may be NULL. Allocates nothing. */
HAK_PUBLIC size_t hak_stats_get_classes(struct hak_class_stats *stats, size_t size, size_t count) HAK_NOEXCEPT;

enum hak_format { HAK_FORMAT_TEXT, HAK_FORMAT_JSON, HAK_FORMAT_XML };

/* Writes the full report in pieces, none of them NUL-terminated, through write(context, text, size); NULL:
   to file descriptor 2. Allocates nothing; write may allocate. Returns 0, or EINVAL for an unknown format. */
HAK_PUBLIC int hak_stats_print(enum hak_format format,
    void (*write)(void *context, const char *text, size_t size), void *context) HAK_NOEXCEPT;

/* ---- Who allocates ---- */

/* Takes samples of what is allocated from now on, one in rate bytes on average, into an empty profile; 0: the rate of
   HAKMEM_PROFILE_RATE. Other threads follow within some 2000 calls. Returns 0, or EINVAL (the rate is over 64 GiB), ENOMEM, or
   ENOTSUP (HAKMEM_FORCE_LIBC_ALLOC=1). Calls of these three from several threads wait for each other, hak_profile_dump ten
   seconds at most. */
HAK_PUBLIC int hak_profile_start(size_t rate) HAK_NOEXCEPT;
/* Takes no more samples. The profile stays, and blocks in it leave it when they are freed. */
HAK_PUBLIC void hak_profile_stop(void) HAK_NOEXCEPT;
/* Writes the profile as a file of that name (NULL: that of HAKMEM_PROFILE_FILE), for pprof, or as folded stacks if the
   name ends in .folded. Returns 0; else an error number, and one line is printed: what was there under the name is as it was.
   ENODATA: there is no profile; EBUSY: another thread has been writing one for ten seconds; EDEADLK: this thread itself is
   writing one, and a signal handler has called. */
HAK_PUBLIC int hak_profile_dump(const char *path) HAK_NOEXCEPT;

/* ---- Settings ---- */

/* Writes the value in force of an option, with or without "HAKMEM_" before its name, to buffer,
   NUL-terminated, and returns buffer. NULL: errno says EINVAL (there is no such option) or ERANGE (the text
   and its NUL are longer than size; 256 is always enough). */
HAK_PUBLIC const char *hak_option_get(const char *name, char *buffer, size_t size) HAK_NOEXCEPT;

/* The version of the library that is running, "0.1.0"; HAKMEM_VERSION is the header's. Never freed. */
HAK_PUBLIC const char *hak_version(void) HAK_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
