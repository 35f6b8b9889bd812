/* os_file.h - files, as os.h has memory: raw system calls, errno kept. Layer 2.

   At start only: a filter may answer a later open with death; but for what the user asks for later, a profile. Where a
   number is returned, -errno is failure. */
#ifndef HAKMEM_OS_FILE_H
#define HAKMEM_OS_FILE_H

#include <sys/types.h>
#include "compiler.h"

/* For reading; never waits for the other side of a pipe, never becomes the controlling terminal. */
int os_open_read(const char *path);
ssize_t os_read(int fd, void *buffer, size_t size);
void os_close(int fd);

struct os_file_status {
  bool regular;
  bool stream;                /* a terminal or another character device, or a pipe */
  bool others_write;          /* group or world */
  uint32_t owner, links;
  uint32_t permissions;
  size_t size;                /* cut to SIZE_MAX */
  uint64_t device, inode;
};
bool os_file_status(int fd, struct os_file_status *status);
/* Open, and every write goes to the end of the file. */
bool os_only_appends(int fd);

/* A file that is written to, made for this user alone if it is not there; never through a link at its end. */
int os_open_own(const char *path);
/* A new file, for writing: -EEXIST if there is one, or a link. */
int os_create(const char *path);
/* What is there already, for writing, unchanged; never waits for the other side of a pipe. */
int os_open_special(const char *path);
/* From now on it is waited for the other side of a pipe. */
void os_wait_for_readers(int fd);
/* As os_write, but a pipe that nobody reads any more is -EPIPE only, not a signal. */
ssize_t os_write_pipe(int fd, const void *data, size_t size);
/* A symbolic link, wherever it leads. */
bool os_is_link(const char *path);
/* 0, or errno. */
int os_rename(const char *from, const char *to);
int os_unlink(const char *path);
/* False: a file that large is not allowed to this process (RLIMIT_FSIZE), and trying it would be
   answered with a signal. */
bool os_may_be_so_large(size_t size);
/* Sees to it that all blocks of its first size bytes are there: 0, or errno. */
int os_allocate(int fd, size_t size);
/* Shared with others; NULL when refused. */
void *os_map_file(int fd, size_t size);
/* False: there is no process of that id that this one can see. */
bool os_process_exists(int process);

#endif
