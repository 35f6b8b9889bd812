/* trial.h - programs of a system are run with a changed /etc/ld.so.preload that nobody else sees. */
#ifndef HAKMEM_TOOLS_TRIAL_H
#define HAKMEM_TOOLS_TRIAL_H

#include <stdbool.h>
#include "preload_file.h"

enum trial_result {
  TRIAL_GOOD,
  TRIAL_BAD,          /* said which program, and how it failed */
  TRIAL_NOT_LOADED    /* ld.so does not take the line for the library; nothing was said */
};

/* Runs the trial in a private mount namespace: with the file's text as it is and with the text wanted, in
   turn. The two must not differ in anything but the allocator. library is the path, in the system of file, of
   what ld.so should load. One line for each program goes to standard output. */
enum trial_result trial_run(const struct preload_file *file, const struct text *wanted, const char *library);

#endif
