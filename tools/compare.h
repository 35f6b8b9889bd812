/* compare.h - what "hakmemctl compare" has measured, and how it is shown. */
#ifndef HAKMEM_TOOLS_COMPARE_H
#define HAKMEM_TOOLS_COMPARE_H

#include "measure.h"

struct contender {
  const char *name;
  char *library;                 /* NULL: the C library's malloc */
  bool warned;                    /* that a run of it was not like the first; once is enough */
  double *series[MEASURE_KINDS];  /* one value for each counted run; sorted when they are printed */
};

struct comparison {
  char **program;
  unsigned runs;
  struct contender *contenders;   /* the first is the C library */
  unsigned count;
  bool agree;                     /* in status, and output where it was asked for */
};

/* Differences are called larger than the noise if chance alone makes one as large in fewer cases than this.
   */
#define COMPARE_CHANCE 0.01
/* With fewer runs no difference can be that rare. */
enum { COMPARE_ENOUGH_RUNS = 5 };

void compare_print(struct comparison *all);
void compare_print_json(struct comparison *all);

#endif
