/* constant.c - a string in read-only memory. */
#include <config.h>

#include "misuse.h"

static const char text[64] __attribute__((aligned(64))) = "a text that nobody may write to";

void *misuse_pointer(void) { return (void *)(uintptr_t)(text + 16); }
