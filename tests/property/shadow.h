/* shadow.h - what an allocator must do, remembered beside it.

   The shadow map has one bit for each 16 bytes of address space. A block sets its
   bits when it is handed out and clears them before it is freed; a bit that
   is already set means that two live blocks overlap, whichever threads hold them. */
#ifndef SHADOW_H
#define SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The functions under test, so that the C library's can stand in for ours. */
struct shadow_target {
  void *(*malloc)(size_t size);
  void *(*calloc)(size_t count, size_t size);
  void *(*realloc)(void *p, size_t size);
  void *(*reallocarray)(void *p, size_t count, size_t size);
  void *(*aligned_alloc)(size_t alignment, size_t size);
  int (*posix_memalign)(void **block, size_t alignment, size_t size);
  void (*free)(void *p);
  void (*free_sized)(void *p, size_t size);
  void (*free_aligned_sized)(void *p, size_t alignment, size_t size);
  size_t (*usable_size)(const void *p);
};

/* Which sizes a plan asks for, in parts of 64: the rest is tiny. */
struct shadow_sizes {
  unsigned mid, large, huge;
  size_t huge_max;
};

struct shadow_plan {
  const struct shadow_target *target;
  uint64_t seed;
  unsigned threads;          /* threads at a time */
  unsigned rounds;           /* generations of threads: each inherits the blocks of the one before */
  unsigned long operations;  /* in each thread of each round */
  unsigned slots;            /* blocks that a thread holds at most */
  unsigned handover;         /* one operation in this many swaps a block with another thread; 0: none */
  struct shadow_sizes sizes;
  bool may_fail;             /* NULL with ENOMEM is an answer */
};

/* Runs the plan, frees everything. Returns the number of operations done; prints what is wrong and
   where, and aborts, at the first fault. */
unsigned long shadow_run(const struct shadow_plan *plan);

#endif
