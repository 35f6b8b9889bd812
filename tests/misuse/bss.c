/* bss.c - a static variable. */
#include <config.h>

#include "misuse.h"

static char variable[4096] __attribute__((aligned(64)));

void *misuse_pointer(void) { return variable + 64; }
