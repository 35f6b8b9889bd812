/* odd_huge.c - not aligned, in a mapping. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return block_of(5000000) + 3; }
