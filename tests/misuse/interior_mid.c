/* interior_mid.c - inside a block of the Mid pool. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(20000) + 4096; }
