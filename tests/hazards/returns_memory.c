/* returns_memory.c [idle | runs] - memory after a peak goes back to the kernel.

   Prints peak and end in kB. Without "idle", one second of light use of the slow path follows the
   peak; with it the program only sleeps. Each five hundredth block stays; with "runs" one in twenty, 512 in a row. */
#include <config.h>

#include <stdio.h>
#include <time.h>

#include "program.h"

int main(int argc, char **argv) {
  enum { COUNT = 60000, KEPT_EACH = 500, RUN = 512, KEPT_RUN = 20 };
  bool idle = argc > 1 && strcmp(argv[1], "idle") == 0, runs = argc > 1 && strcmp(argv[1], "runs") == 0;
  static unsigned char *block[COUNT];
  uint32_t state = 17;
  for (unsigned i = 0; i < COUNT; i++) {
    size_t size = 16 + next_random(&state) % 4000;
    block[i] = get(size);
    REQUIRE(block[i] != NULL);
    memset(block[i], 1, size);
  }
  long peak = status_kib("/proc/self/status", "VmRSS");
  for (unsigned i = 0; i < COUNT; i++)
    if (runs ? i / RUN % KEPT_RUN != 0 : i % KEPT_EACH != 0) {
      free(block[i]);
      block[i] = NULL;
    }
  struct timespec pause = { 0, 20000000 };
  for (unsigned tick = 0; tick < 50; tick++) {
    nanosleep(&pause, NULL);
    if (idle) continue;
    /* Enough at once to need a refill. */
    void *some[600];
    for (unsigned i = 0; i < 600; i++) some[i] = get(300);
    for (unsigned i = 0; i < 600; i++) free(some[i]);
  }
  printf("%ld %ld\n", peak, status_kib("/proc/self/status", "VmRSS"));
  for (unsigned i = 0; i < COUNT; i++) free(block[i]);
  return 0;
}
