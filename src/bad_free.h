/* bad_free.h - pointers that are not the start of a live block. Layer 8.

   The policy of HAKMEM_INVALID_FREE, and the safe probe of the foreign route
   (foreign.c). Nothing here reads memory that is not the library's own before the
   probe has said that it can be read, nor writes any.

   The text of a line is "invalid pointer in free(): 0x1234 (double free)". A library
   function is named as the program calls it: hak_free() there. */
#ifndef HAKMEM_BAD_FREE_H
#define HAKMEM_BAD_FREE_H

#include "compiler.h"

enum bad_reason {
  BAD_DOUBLE_FREE,      /* the block is free already */
  BAD_INTERIOR,         /* inside a block, or not at the start of one */
  BAD_NEVER_ALLOCATED,  /* ours, and no block there: never handed out, or freed with all its slab */
  BAD_FOREIGN,          /* not ours, and not plausibly the C library's */
  BAD_REASON_COUNT
};

enum bad_call { CALL_FREE, CALL_REALLOC, CALL_USABLE_SIZE, CALL_COUNT };

/* What the caller does then. */
enum bad_verdict {
  VERDICT_IGNORE,       /* leak it: free returns; realloc returns NULL with EINVAL; usable size is 0 */
  VERDICT_LIBC          /* the C library's: forward it */
};

/* A pointer of ours that is no live block's start. Counts it; prints one line per process (each one
   with HAKMEM_INVALID_FREE_LOG=1), or aborts with one line, as the policy says. errno kept. */
enum bad_verdict bad_pointer_ours(enum bad_call call, const void *p, enum bad_reason reason);
/* A pointer the registry does not know: foreign, or inside a huge mapping, or a huge block
   freed twice; finds out which (huge_find_inside, the probe, huge_was_freed). errno kept. */
enum bad_verdict bad_pointer_unknown(enum bad_call call, const void *p);

/* foreign.c: is p plausibly a block of the C library's own malloc? Only in the interposer; the
   library says no. */
bool foreign_is_libc(const void *p);
/* The same, whatever this is built into. p is not in memory of ours. */
bool foreign_is_plausible(const void *p);

#endif
