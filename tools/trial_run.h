/* trial_run.h - one program is run, and what came out of it is kept. */
#ifndef HAKMEM_TOOLS_TRIAL_RUN_H
#define HAKMEM_TOOLS_TRIAL_RUN_H

#include <stdbool.h>

struct trial_outcome {
  int status;             /* as of wait(2) */
  char *output, *errors;  /* what it wrote, as strings; never NULL */
};

/* Runs the words, which end with NULL, or the open program if that is not -1, with an empty environment, no
   input and a time limit; as_nobody without the rights of root. Ends the process where that cannot even be
   begun. */
void trial_run_program(int program, const char *const *words, bool as_nobody, struct trial_outcome *outcome);
void trial_outcome_free(struct trial_outcome *outcome);

/* In words, "was killed by signal 11 (Segmentation fault)"; the caller frees it. */
char *trial_outcome_status(int status);
/* How the second differs from the first, NULL if it does not; the caller frees it. */
char *trial_outcome_difference(const struct trial_outcome *before, const struct trial_outcome *after);

#endif
