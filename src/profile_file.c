/* profile_file.c - a text file that is there as a whole or not at all. */
#include <config.h>
#include "profile_file.h"

#include <errno.h>
#include <string.h>
#include "align.h"
#include "message.h"
#include "os.h"
#include "os_file.h"

enum { BUFFER = 16 << 10, PIECE_MAX = 512 };

static HAK_SPARSE char buffer[BUFFER];
static size_t filled;

/* A device or a pipe is not to be replaced by a file, and no link of the machine's, as /dev/stdout is. -1: to be
   replaced; else a descriptor, or -errno in *error. */
static int open_special(const char *path, int *error) {
  static const char devices[] = "/dev/";
  struct os_file_status status;
  int fd = os_open_special(path);
  if (fd == -ENXIO) *error = EPIPE;   /* a pipe, and no reader yet */
  if (fd < 0) return -1;
  if (os_file_status(fd, &status) && !status.regular) {
    os_wait_for_readers(fd);
    return fd;
  }
  os_close(fd);
  if (strncmp(path, devices, sizeof devices - 1) == 0 && os_is_link(path)) *error = ELOOP;
  return -1;
}

/* A file of that name was left behind by a process with the same id, or is somebody's trap: it goes, unopened. */
static int open_other(const char *path) {
  int fd = os_create(path);
  if (fd == -EEXIST && os_unlink(path) == 0) fd = os_create(path);
  return fd;
}

bool profile_file_open(struct profile_file *file, const char *path) {
  filled = 0;
  file->path = path;
  file->error = 0;
  file->written = 0;
  file->fd = open_special(path, &file->error);
  file->direct = file->fd >= 0;
  if (file->direct || file->error != 0) return file->direct;
  message_format(file->other, sizeof file->other, "%s.%d.part", path, os_getpid());
  file->fd = open_other(file->other);
  if (file->fd < 0) file->error = -file->fd;
  return file->error == 0;
}

/* A write past RLIMIT_FSIZE would be answered with a signal. */
static void flush(struct profile_file *file) {
  const char *text = buffer;
  if (file->error == 0 && !file->direct && !os_may_be_so_large((size_t)(file->written + filled))) file->error = EFBIG;
  while (filled > 0 && file->error == 0) {
    ssize_t done = file->direct ? os_write_pipe(file->fd, text, filled) : os_write(file->fd, text, filled);
    if (done <= 0) {
      file->error = done < 0 ? (int)-done : EIO;
      break;
    }
    text += done;
    filled -= (size_t)done;
    file->written += (uint64_t)done;
  }
  filled = 0;
}

void profile_file_put(struct profile_file *file, const char *format, ...) {
  if (BUFFER - filled < PIECE_MAX) flush(file);
  va_list args;
  va_start(args, format);
  size_t room = BUFFER - filled, length = message_vformat(buffer + filled, room, format, args);
  va_end(args);
  filled += min_size(length, room - 1);
}

void profile_file_copy(struct profile_file *file, const char *path) {
  int fd = os_open_read(path);
  if (fd < 0) return;
  for (;;) {
    if (filled == BUFFER) flush(file);
    ssize_t got = os_read(fd, buffer + filled, BUFFER - filled);
    if (got <= 0) break;
    filled += (size_t)got;
  }
  os_close(fd);
}

int profile_file_close(struct profile_file *file) {
  flush(file);
  os_close(file->fd);
  if (file->direct) return file->error;
  if (file->error == 0) file->error = os_rename(file->other, file->path);
  if (file->error != 0) os_unlink(file->other);
  return file->error;
}

const char *profile_file_reason(int error) {
  switch (error) {
    case ENOENT: return "there is no such folder";
    case EACCES: case EPERM: return "not permitted";
    case EROFS: return "the file system is read-only";
    case ENOSPC: case EDQUOT: return "no space left";
    case EISDIR: case ENOTDIR: return "is a folder, or lies below what is none";
    case EFBIG: return "is larger than this process may write";
    case EMFILE: case ENFILE: return "too many open files";
    case ENAMETOOLONG: return "the name is too long";
    case ELOOP: return "is a link to a file, and in /dev";
    case EPIPE: return "nobody reads it";
    case EBUSY: return "another one is being written, and is not done";
    case EDEADLK: return "a signal came while this thread was at one, and its handler asks for another";
    default: return "an error";
  }
}
