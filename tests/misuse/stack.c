/* stack.c - a local variable. */
#include <config.h>

#include "misuse.h"

/* Out of line: the frame is gone when the pointer is used, which is as good. */
static __attribute__((noinline)) void *address_of(volatile long *local) { return (void *)(uintptr_t)local; }

void *misuse_pointer(void) {
  volatile long local[8] __attribute__((aligned(64))) = { 0x21, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21, 0x21 };
  return address_of(&local[4]);
}
