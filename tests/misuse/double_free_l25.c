/* double_free_l25.c - a block of the L2.5 pool, freed. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = block_of(200000);
  misuse.free(p);
  return p;
}
