/* double_free_other_thread.c - freed by a thread that has ended since. */
#include <config.h>

#include "misuse.h"

static char *block;

static void free_it(void) { misuse.free(block); }

void *misuse_pointer(void) {
  block = block_of(64);
  run_in_thread(free_it);
  return block;
}
