/* interior_huge_unit.c - inside a mapping, where another could start. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(5000000) + 131072; }
