/* interpose.h - what the files of the interposer share. Layer 11, in the interposer only. */
#ifndef HAKMEM_INTERPOSE_H
#define HAKMEM_INTERPOSE_H

#include "compiler.h"

/* Leaves the object; the map names it too. */
#define INTERPOSED __attribute__((visibility("default")))

/* The next definition of name after ours: the C or the C++ library's. NULL: there is none. *found keeps the
   answer; threads that come first at the same time find the same one. Never called by the start. errno kept.
   (interpose_dl.c) */
void *interpose_next(void **found, const char *name);

#endif
