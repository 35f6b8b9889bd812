/* libc_mapping.c - a mapping of the C library's own malloc. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return libc_malloc(5000000); }
