/* libc_block.c - a small block of the C library's own malloc. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return libc_malloc(100); }
