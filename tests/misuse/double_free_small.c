/* double_free_small.c - a block of 64 bytes, freed. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = block_of(64);
  misuse.free(p);
  return p;
}
