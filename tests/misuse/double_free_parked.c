/* double_free_parked.c - one of many blocks nearly all of which are freed: its page has gone back, its slab
   is in use. */
#include <config.h>

#include <unistd.h>

#include "misuse.h"

enum { COUNT = 60000, KEPT_EACH = 120 };
static char *block[COUNT];

void *misuse_pointer(void) {
  for (int i = 0; i < COUNT; i++) block[i] = block_of(400);
  for (int i = 0; i < COUNT; i++)
    if (i % KEPT_EACH != 0) misuse.free(block[i]);
  /* Light work, of other sizes, lets the time pass. */
  for (int i = 0; i < 40; i++) {
    usleep(10000);
    for (int k = 0; k < 200; k++) misuse.free(block_of(3000 + (size_t)k * 50));
  }
  return block[COUNT / 2 + KEPT_EACH / 2];
}
