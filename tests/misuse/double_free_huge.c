/* double_free_huge.c - a mapping, freed. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = block_of(5000000);
  misuse.free(p);
  return p;
}
