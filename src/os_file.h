/* os_file.h - files, as os.h has memory: raw system calls, errno kept. Layer 2.

   At start only: a filter may answer a later open with death. Where a number is returned, -errno is failure. */
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
  bool others_write;          /* group or world */
  uint32_t owner, links;
  uint32_t permissions;
  size_t size;                /* cut to SIZE_MAX */
  uint64_t device, inode;
};
bool os_file_status(int fd, struct os_file_status *status);

#endif
