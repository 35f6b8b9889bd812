/* standard_error.c - see standard_error.h. */
#include <config.h>
#include "standard_error.h"

#include "message.h"
#include "os_file.h"

enum { STANDARD_ERROR = 2 };

static uint64_t device, inode;   /* at the start; 0: it was closed. Set once */

bool standard_error_is_there(void) {
  struct os_file_status now;
  if (!os_file_status(STANDARD_ERROR, &now)) return false;
  return (now.device == device && now.inode == inode) || now.stream || os_only_appends(STANDARD_ERROR);
}

void standard_error_init(void) {
  struct os_file_status status;
  bool open = os_file_status(STANDARD_ERROR, &status);
  device = open ? status.device : 0;
  inode = open ? status.inode : 0;
  message_may_write = standard_error_is_there;
}
