/* profile_run.h - profiling as the options have it: from the start to the exit, and by a signal. Layer 8. */
#ifndef HAKMEM_PROFILE_RUN_H
#define HAKMEM_PROFILE_RUN_H

#include "compiler.h"

/* The process has started, and may allocate. */
void profile_begin(void);
/* Writes a profile; path NULL: where HAKMEM_PROFILE_FILE says. 0, or errno, after a line about it. */
int profile_dump(const char *path);
/* A handler could not write: now. Called where a sample has been taken, no lock is held. */
void profile_dump_pending(void);

#endif
