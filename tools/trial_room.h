/* trial_room.h - the place where a trial is made: a mount namespace in which /etc/ld.so.preload can be
   changed. */
#ifndef HAKMEM_TOOLS_TRIAL_ROOM_H
#define HAKMEM_TOOLS_TRIAL_ROOM_H

#include <stdbool.h>
#include "preload_file.h"

struct trial_room {
  const struct preload_file *file;  /* as it is outside */
  int etc;                          /* the room's etc */
  int helper;                       /* the program hakmemctl-trial, open */
};

/* Goes there, for the rest of the process: new mounts, and the file's system as the root. Says why it cannot.
   */
bool trial_room_enter(struct trial_room *room, const struct preload_file *file);
/* What ld.so.preload has from now on; NULL for what it is outside. Ends the process if that fails. */
void trial_room_set(const struct trial_room *room, const struct text *text);

#endif
