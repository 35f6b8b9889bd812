/* profile_table.h - what has been sampled: sites (a stack and a size), and the blocks that are live. Layer 8.

   A mapping of fixed size, made when profiling starts, of which pages are there as far as they have been used. When
   there is no room for another site its samples count for one without frames. One lock, a leaf: no system call
   under it. A handler of a signal that comes while its thread has the lock does not wait for it: what it frees is crossed
   out by whoever takes the lock next, what it allocates is not written down, and it is told nothing. */
#ifndef HAKMEM_PROFILE_TABLE_H
#define HAKMEM_PROFILE_TABLE_H

#include "size_class.h"

enum { PROFILE_FRAMES_MAX = 64 };

/* Return addresses, the innermost first. */
struct profile_stack {
  unsigned depth;
  uintptr_t frame[PROFILE_FRAMES_MAX];
};

/* Samples of one size, or of sizes an eighth apart where each has a mapping: those of a site stand for as many
   requests each. */
struct profile_figures {
  uint64_t live_count, live_bytes;     /* of samples */
  uint64_t total_count, total_bytes;
};

/* Anew, empty. False: no memory, nothing was changed. */
bool profile_table_open(void);
/* A sample: a block of so many bytes was handed out there. */
void profile_table_add(const void *block, size_t size, const struct profile_stack *stack);
/* It is about to be freed. */
void profile_table_remove(const void *block);

struct profile_totals {
  struct profile_figures figures;
  uint32_t sites;              /* those without frames included */
  uint64_t other_count;        /* samples without a site of their own */
  uint64_t untracked_count;    /* samples that are not among the live ones, since there was no room */
};
/* try: false rather than wait, for signal handlers. False also when the table was never opened, or this thread is at it. */
bool profile_table_totals(struct profile_totals *totals, bool try);
/* The site of that number, in order of age; false: none (any more). */
bool profile_table_site(uint32_t index, struct profile_figures *figures, struct profile_stack *stack, bool try);

/* The caller is a handler of a signal that came while its thread was at the table. */
bool profile_table_is_mine(void);

void profile_table_fork_prepare(void);
void profile_table_fork_release(bool child);

#endif
