/* libc_arena.c - a block of another arena of the C library's own malloc. */
#include <config.h>

#include "misuse.h"

static void *block, *first;

static void allocate(void) { block = libc_malloc(100); }

void *misuse_pointer(void) {
  first = libc_malloc(100);   /* takes the main arena */
  run_in_thread(allocate);
  return first != NULL ? block : NULL;
}
