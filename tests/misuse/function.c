/* function.c - the address of a function. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return (void *)(((uintptr_t)misuse_pointer + 15) & ~(uintptr_t)15); }
