/* kernel_half.c - an address of the kernel's. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return (void *)(UINTPTR_MAX - 0x7effffef); }
