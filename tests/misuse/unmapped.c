/* unmapped.c - a mapping that has gone. */
#include <config.h>

#include <sys/mman.h>

#include "misuse.h"

void *misuse_pointer(void) {
  char *p = map_pages(64);
  if (munmap(p, 64 * page_size()) != 0) fail("munmap");
  return p + page_size() + 64;
}
