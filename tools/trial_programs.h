/* trial_programs.h - what is run in a trial. */
#ifndef HAKMEM_TOOLS_TRIAL_PROGRAMS_H
#define HAKMEM_TOOLS_TRIAL_PROGRAMS_H

#include <stdbool.h>

enum { TRIAL_ARGUMENTS = 4 };

struct trial_program {
  const char *kind;
  const char *path;                          /* NULL for hakmemctl's own helper */
  const char *arguments[TRIAL_ARGUMENTS];    /* without the program's name */
  bool setuid;                               /* is run by a user to whom its bit means something */
};

/* In groups of one kind; of each group the first that is there and works without the change is tried. A path
   of NULL and no kind ends the table. */
extern const struct trial_program trial_programs[];

#endif
