/* low_address.c - where nothing can be mapped. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) { return (void *)0x1000; }
