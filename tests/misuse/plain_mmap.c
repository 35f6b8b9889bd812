/* plain_mmap.c - a mapping of the program's own. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return map_pages(64) + 16; }
