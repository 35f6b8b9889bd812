/* double_free_mid.c - a block of the Mid pool, freed. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = block_of(20000);
  misuse.free(p);
  return p;
}
