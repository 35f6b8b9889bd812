/* lock.h - a lock of 4 bytes on futexes, with a rank. Layer 1.

   Uncontended: one exchange to take, one to release. A lock may be taken only
   while all locks held by the thread have a lower rank (debug builds check it).
   fork.c takes all of them, in order of rank. */
#ifndef HAKMEM_LOCK_H
#define HAKMEM_LOCK_H

#include "compiler.h"

enum lock_rank {
  RANK_START,        /* start of the process's heap */
  RANK_PROFILE,      /* the heap of sampled blocks: whoever holds it may make system calls (profile.c) */
  RANK_HEAPS,        /* the list of heaps */
  RANK_HEAP,         /* one heap's slow path */
  RANK_ABANDONED,    /* slabs without an owner */
  RANK_SUPERSLAB,    /* spans of units */
  RANK_HUGE,         /* the list of huge mappings */
  RANK_MAPPING_CACHE,
  RANK_REGISTRY,
  RANK_METADATA,
  RANK_OS,
  RANK_PROFILE_TABLE,
  RANK_COUNT
};

struct lock {
  uint32_t state;    /* 0 free, 1 held, 2 held and waited for */
  uint32_t rank;
};
#define LOCK_INIT(r) { 0, (r) }

void lock_acquire(struct lock *lock);
/* Without waiting; false: somebody has it. */
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);
/* In the child of fork: whoever held it is gone. */
void lock_reset(struct lock *lock);
/* Debug builds: aborts if the thread holds any lock (before a system call). */
void lock_assert_none_held(void);

#endif
