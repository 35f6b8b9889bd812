/* after_hole.c - a page right after a hole: a header before it would be in the hole. */
#include <config.h>

#include <sys/mman.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = map_pages(3);
  if (munmap(p, page_size()) != 0) fail("munmap");
  return p + page_size();
}
