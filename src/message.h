/* message.h - one line of text without stdio and without malloc. Layer 1.

   Text is built in a buffer on the stack and written with one write(2). The
   formatter knows %s %d %u %ld %lu %zu %lld %llu %x %lx %llx %zx %p %c %% (no widths but 0N). */
#ifndef HAKMEM_MESSAGE_H
#define HAKMEM_MESSAGE_H

#include <stdarg.h>
#include "compiler.h"

enum message_level { MESSAGE_NONE, MESSAGE_ERROR, MESSAGE_INFO, MESSAGE_VERBOSE };

enum { MESSAGE_MAX = 512 };   /* longest line, the newline included; longer ones are cut */

/* Set once at start, from HAKMEM_DEBUG_LEVEL. */
extern int message_level;
/* True: nothing is ever printed (a secure process). */
extern bool message_muted;
/* Asked before each line, NULL: none is held back. Set once at start. */
extern bool (*message_may_write)(void);

/* Prints "hakmem: PROGRAM[PID]: text\n" on fd 2 if level <= message_level, and message_may_write. Preserves errno. */
void message_print(enum message_level level, const char *format, ...) HAK_PRINTF(2, 3);
/* The same at MESSAGE_ERROR, whatever the level, then abort(): the only function that aborts. */
void message_fatal(const char *format, ...) HAK_PRINTF(1, 2) __attribute__((noreturn, cold));

/* snprintf's contract: returns the length that the whole text has. */
size_t message_format(char *buffer, size_t size, const char *format, ...) HAK_PRINTF(3, 4);
size_t message_vformat(char *buffer, size_t size, const char *format, va_list args);
/* The base name of the running program, from the auxiliary vector; never NULL. */
const char *message_program(void);

#endif
