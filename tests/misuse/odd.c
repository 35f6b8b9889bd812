/* odd.c - not aligned, in a small block. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(64) + 1; }
