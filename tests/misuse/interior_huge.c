/* interior_huge.c - inside a mapping. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(5000000) + 4096; }
