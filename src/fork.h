/* fork.h - handlers that keep every lock consistent over fork(). Layer 8. */
#ifndef HAKMEM_FORK_H
#define HAKMEM_FORK_H

#include "compiler.h"

/* Registers the handlers, before a second thread can exist. False: it would have to allocate, and the library has not
   started yet. */
bool fork_register(void);

#endif
