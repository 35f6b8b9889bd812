/* conf_file.c - brings the text of the configuration file, at start only.

   It is read, not mapped: a file that is cut while it is mapped means SIGBUS. The pages for it are there only
   while it is; a process that finds no file pays one system call and no memory. */
#include <config.h>
#include "conf.h"

#include <errno.h>
#include <string.h>
#include "os.h"
#include "os_file.h"

enum { ROOT = 0, ROOM = CONF_SIZE_MAX + 1 };   /* one more: that there is more is then seen */

/* The file may be fine, but this process may not open it, or not any, or has no descriptor left. EACCES too: that of
   a sandbox (AppArmor, Landlock) would be told by each program in it, and cannot be told from that of a file that was
   made unreadable, which "hakmemctl check" names. */
static bool is_restriction(int error) {
  return error == EACCES || error == EPERM || error == ENOSYS || error == EMFILE || error == ENFILE ||
      error == ENOMEM || error == EINTR;
}

static bool nobody_else_writes(const struct os_file_status *status) {
  return status->owner == ROOT && !status->others_write;
}

/* Fills the pages; what is wrong with the file, NULL if nothing. */
static const char *fill(struct conf_file *file, int fd, size_t expected) {
  while (file->size < ROOM) {
    ssize_t got = os_read(fd, file->text + file->size, ROOM - file->size);
    if (got < 0) return "cannot be read; it is ignored";
    file->size += (size_t)got;
    if (got == 0 || file->size == expected) break;
  }
  if (file->size > CONF_SIZE_MAX) return "has more than 64 KiB; it is ignored";
  if (memchr(file->text, '\0', file->size) != NULL) return "is not a text file; it is ignored";
  return NULL;
}

static void read_open_file(struct conf_file *file, int fd, bool secure) {
  struct os_file_status status;
  if (!os_file_status(fd, &status) || !status.regular) {
    file->problem = "is not a regular file; it is ignored";
  } else if (secure && !nobody_else_writes(&status)) {
    file->problem = "may be written by others than root; it is ignored";
  } else if ((file->text = os_map(NULL, ROOM)) == NULL) {
    file->problem = "there is no memory to read it; it is ignored";
    file->restricted = true;
  } else {
    file->problem = fill(file, fd, status.size);
    if (file->problem != NULL) conf_file_release(file);
  }
}

void conf_file_read(struct conf_file *file, const char *path, bool secure) {
  *file = (struct conf_file){ NULL, 0, NULL, false };
  int fd = os_open_read(path);
  if (fd == -ENOENT || fd == -ENOTDIR) return;
  if (fd < 0) {
    file->problem = "cannot be opened; it is ignored";
    file->restricted = is_restriction(-fd);
    return;
  }
  read_open_file(file, fd, secure);
  os_close(fd);
}

void conf_file_release(struct conf_file *file) {
  if (file->text != NULL) os_discard(file->text, ROOM);
  file->text = NULL;
  file->size = 0;
}
