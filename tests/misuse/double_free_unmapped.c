/* double_free_unmapped.c - a mapping too large to be kept, freed. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = misuse.malloc((size_t)200 << 20);
  if (p == NULL) fail("no memory");
  misuse.free(p);
  return p;
}
