/* interior_small.c - inside a block of 96 bytes. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(96) + 16; }
