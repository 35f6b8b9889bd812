/* measure.h - one run of a program, and what it cost. */
#ifndef HAKMEM_TOOLS_MEASURE_H
#define HAKMEM_TOOLS_MEASURE_H

#include <stdbool.h>
#include <stdio.h>

enum measure_kind { MEASURE_WALL, MEASURE_CPU, MEASURE_PEAK, MEASURE_FAULTS, MEASURE_KINDS };

struct measure {
  double cost[MEASURE_KINDS];  /* seconds, seconds, KiB of the largest process, page faults of all */
  int status;                  /* as of wait(2) */
};

struct measure_setup {
  char **program;
  off_t input;          /* where standard input, a file, is to be read from each time; -1 for no input */
  const char *library;  /* to be preloaded, NULL for none */
  bool force_libc;      /* libhakmem comes with the environment and is to stand back */
};

/* Runs it; standard output goes to the file output, or nowhere if that is NULL. Says why it cannot be
   started, and returns false. */
bool measure_run(const struct measure_setup *setup, FILE *output, struct measure *result);

#endif
