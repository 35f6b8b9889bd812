/* double_free_orphan.c - a block of a thread that has ended, freed. */
#include <config.h>

#include "misuse.h"

static char *block, *other;

static void allocate(void) {
  block = block_of(64);
  other = block_of(64);   /* keeps the slab */
}

void *misuse_pointer(void) {
  run_in_thread(allocate);
  misuse.free(block);
  return block;
}
