/* locked_daemon.c - a daemon that locks all of its memory costs about what it uses.
   Prints the kB that are locked beyond the 8 MiB that it asks for. */
#include <config.h>

#include <stdio.h>
#include <sys/mman.h>

#include "program.h"

int main(void) {
  enum { BLOCKS = 2048, SIZE = 4096, BIG = 4 };
  static unsigned char *block[BLOCKS + BIG];
  free(get(10));
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) skip_program("mlockall is not allowed");
  long before = status_kib("/proc/self/status", "VmRSS");
  for (unsigned i = 0; i < BLOCKS; i++) {
    block[i] = get(i % 2 == 0 ? 64 : SIZE);
    REQUIRE(block[i] != NULL);
    mark(block[i], 64, 5);
  }
  for (unsigned i = 0; i < BIG; i++) {
    block[BLOCKS + i] = get(1 << 20);
    REQUIRE(block[BLOCKS + i] != NULL);
    mark(block[BLOCKS + i], 1 << 20, 5);
  }
  long after = status_kib("/proc/self/status", "VmRSS");
  long live = (BLOCKS / 2 * 64 + BLOCKS / 2 * SIZE + BIG * (1 << 20)) / 1024;
  printf("%ld\n", after - before - live);
  /* What was freed is used again, although locked pages cannot be purged. */
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned i = 0; i < BLOCKS + BIG; i++) free(block[i]);
    for (unsigned i = 0; i < BLOCKS + BIG; i++) {
      block[i] = get(i < BLOCKS ? i % 2 == 0 ? 64 : SIZE : 1 << 20);
      REQUIRE(block[i] != NULL);
      mark(block[i], 64, 5);
    }
  }
  REQUIRE(status_kib("/proc/self/status", "VmRSS") < after + 8192);
  return 0;
}
