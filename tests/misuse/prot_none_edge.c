/* prot_none_edge.c - a readable page right after one that is not. */
#include <config.h>

#include <sys/mman.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = map_pages(2);
  if (mprotect(p, page_size(), PROT_NONE) != 0) fail("mprotect");
  return p + page_size();
}
