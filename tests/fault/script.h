/* script.h - a fixed sequence of requests that makes the library use every system call it has. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdbool.h>

/* Runs it and frees everything. may_fail: NULL with ENOMEM is an answer, an old block is unchanged then.
   Returns how many requests failed; prints what is wrong and where, and aborts, at the first fault. */
unsigned long script_run(bool may_fail);

#endif
