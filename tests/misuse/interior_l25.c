/* interior_l25.c - inside a block of the L2.5 pool, at a multiple of its unit. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(700000) + 65536; }
