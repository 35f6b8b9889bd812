/* forged_header.c - static memory with the words of a C library's block around it. */
#include <config.h>

#include "misuse.h"

static size_t words[64] __attribute__((aligned(64)));

void *misuse_pointer(void) {
  words[9] = 8 * sizeof(size_t) + 1;
  words[17] = 4 * sizeof(size_t) + 1;
  return &words[10];
}
