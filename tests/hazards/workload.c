/* workload.c [STEPS] - nothing but a workload over all tiers, with the same output every time. */
#include <config.h>

#include <stdio.h>

#include "program.h"

int main(int argc, char **argv) {
  struct workload load = { .state = 61 };
  workload_run(&load, argc > 1 ? (unsigned)atoi(argv[1]) : 5000);
  workload_end(&load);
  printf("state %u\n", load.state);
  return 0;
}
