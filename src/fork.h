/* fork.h - handlers that keep every lock consistent over fork(). Layer 8. */
#ifndef HAKMEM_FORK_H
#define HAKMEM_FORK_H

/* Registers the handlers; once, after the start, before a second thread can exist. */
void fork_register(void);

#endif
