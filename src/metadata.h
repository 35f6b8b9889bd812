/* metadata.h - memory for the library's own structures. Layer 4.

   Out of line from every block, zeroed, aligned to a cache line, never given
   back: structures that die are kept on lists of their kind. */
#ifndef HAKMEM_METADATA_H
#define HAKMEM_METADATA_H

#include "compiler.h"

/* size bytes, zeroed, at a multiple of 64; NULL when the kernel gives no more. Thread-safe. */
void *metadata_alloc(size_t size);
/* Bytes taken from the kernel so far. */
size_t metadata_bytes(void);
/* fork.c */
void metadata_fork_prepare(void);
void metadata_fork_release(bool child);

#endif
