/* non_canonical.c - an address that no machine of today has; on 32-bit ones the last page. */
#include <config.h>

#include "misuse.h"

void *misuse_pointer(void) {
  return (void *)(sizeof(void *) == 8 ? (uintptr_t)0x4141414141414140 : (uintptr_t)0xfffff000);
}
