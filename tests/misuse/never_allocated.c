/* never_allocated.c - past the blocks that a slab has handed out. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(224) + 224 * 200; }
