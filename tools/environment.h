/* environment.h - the environment of a program that is to run on libhakmem. */
#ifndef HAKMEM_TOOLS_ENVIRONMENT_H
#define HAKMEM_TOOLS_ENVIRONMENT_H

#include <stdbool.h>

/* The installed interposer's path, absolute, without anything that ld.so expands. */
extern const char environment_installed[];
/* The same as ld.so is to see it: with $LIB for the folder, where that is known to mean it, so that 32-bit
   and 64-bit programs find each their own. */
const char *environment_library(void);
/* The same for a library given by a person, whose path may be relative: NULL if it is not there or is no
   library, which has been said then. The caller frees it. */
char *environment_resolve(const char *library);
/* Where execvp would find it; NULL if nowhere. The caller frees it. */
char *environment_find_program(const char *name);
/* Says so if the program does not use the dynamic loader, or is setuid: LD_PRELOAD does nothing then. */
void environment_warn_unaffected(const char *program);
/* Puts the library in front of what LD_PRELOAD has. */
void environment_preload(const char *library);
/* NAME=VALUE into the environment, as HAKMEM_NAME; false if the text is no such thing. */
bool environment_set_option(const char *text);

#endif
