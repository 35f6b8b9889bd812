/* double_free_purged.c - one of many blocks that are all freed, and whose pages have gone back since. */
#include <config.h>

#include <unistd.h>

#include "misuse.h"

enum { COUNT = 40000 };
static char *block[COUNT];

void *misuse_pointer(void) {
  for (int i = 0; i < COUNT; i++) block[i] = block_of(400);
  for (int i = 0; i < COUNT; i++) misuse.free(block[i]);
  for (int i = 0; i < 40; i++) {
    usleep(10000);
    for (int k = 0; k < 200; k++) misuse.free(block_of(3000 + (size_t)k * 50));
  }
  return block[COUNT / 2 + 7];
}
