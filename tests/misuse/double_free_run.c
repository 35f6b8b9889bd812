/* double_free_run.c - a block of a run of units, freed. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = block_of(900000);
  misuse.free(p);
  return p;
}
