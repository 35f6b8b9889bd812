/* trace.h - where reports and traces go. Layer 3.

   trace_init() runs at start, after options_init(): only if a report, a trace or
   a log file was asked for does it open anything. stderr is duplicated then, so
   that a program that closes fd 2 does not get our lines into its next file; the
   duplicate is compared (device, inode) before each write and dropped when it
   is no longer the same. Everything is bounded and allocates nothing. */
#ifndef HAKMEM_TRACE_H
#define HAKMEM_TRACE_H

#include "compiler.h"

enum trace_output {
  TRACE_MAIN,   /* HAKMEM_LOG_FILE, or standard error */
  TRACE_ACE,    /* HAKMEM_ACE_LOG, none if it is not set. Written with a lock held, perhaps (profile.c): where the reader of
                   a pipe is slow or gone lines are dropped */
  TRACE_OUTPUTS
};

void trace_init(void);
/* Appends a line (built like message_format, the newline is added). Dropped silently
   after 1,000,000 lines (a last line says so) or when there is nowhere to write. errno kept. */
void trace_line(const char *format, ...) HAK_PRINTF(1, 2);
void trace_line_to(enum trace_output which, const char *format, ...) HAK_PRINTF(2, 3);
bool trace_is_open(enum trace_output which);
/* Writes text as it is; for the report at exit. */
void trace_write(const char *text, size_t size);
/* The pattern with %p and %% replaced; path has OPTION_PATH_MAX bytes. False: too long. */
bool trace_expand(char *path, const char *pattern);
/* In the child of fork: a log file named with %p gets a new name. */
void trace_fork_child(void);

#endif
