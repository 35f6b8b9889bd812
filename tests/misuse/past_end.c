/* past_end.c - far past the end of a block. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(64) + (400 << 20); }
