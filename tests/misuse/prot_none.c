/* prot_none.c - mapped, but not readable. */
#include <config.h>

#include <sys/mman.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = map_pages(3);
  if (mprotect(p, 3 * page_size(), PROT_NONE) != 0) fail("mprotect");
  return p + page_size() + 64;
}
