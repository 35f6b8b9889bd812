/* publish.h - the process's figures for hakmemctl, in the file of HAKMEM_STATS_DIR. Layer 8.

   Written on slow paths, at most every 100 ms but for the first few, and never waiting for a lock. No system
   call after start. A process whose child is made by clone(2), without the C library's fork(), must not set
   the option: both would write to one slot. */
#ifndef HAKMEM_PUBLISH_H
#define HAKMEM_PUBLISH_H

#include "figures_file.h"

/* Start: opens the file and takes a slot, if the option says so. What does not work is said in one line. */
void publish_start(void);
/* In the child of fork: a slot of its own. */
void publish_fork_child(void);
/* For tests: the slot that the process writes to, NULL if none; and what heap_publish does. */
struct figures_slot *publish_slot(void);
void publish_now_and_then(void);

#endif
