/* timed.h - a trial that takes itself back.

   Nothing on the disk says that the library is loaded: the file that names it lies in run/libhakmem and is
   mounted over etc/ld.so.preload, so that a reboot, and a crash of anything, ends the trial with the mount.
   When the time is over a timer of systemd's, or a sleeping hakmemctl where systemd does not run, calls
   "disable --if-expired". */
#ifndef HAKMEM_TOOLS_TIMED_H
#define HAKMEM_TOOLS_TIMED_H

#include <stdbool.h>
#include "preload_file.h"

/* "30min", "1h30min", "90s": seconds, or 0 if it is no duration of 1 second to 30 days. */
unsigned timed_parse(const char *text);
/* For people, "1 h 30 min"; in buffer. */
const char *timed_text(double seconds, char *buffer, size_t size);

/* Whether such a trial is on; *left are the seconds until its end, less than 0 if that is over or not known.
   One that was begun and never came to be has an end as well. */
bool timed_active(const struct preload_file *file, double *left);

/* Begins, or lengthens one that is on: the text holds for so many seconds. The lock is held. Says what went
   wrong. */
bool timed_begin(struct preload_file *file, const struct text *text, unsigned seconds);
/* Ends it: what is below the mount counts again. The file is read anew. Where none is on, what one has left
   is removed. */
bool timed_end(struct preload_file *file);

#endif
