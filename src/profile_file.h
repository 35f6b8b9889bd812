/* profile_file.h - a text file that is there as a whole or not at all. Layer 8.

   Written under another name in the same folder and renamed when it is complete. What is no regular file (a device, a
   pipe) is written to as it is. Allocates nothing; callable in a handler of a signal. One at a time: the buffer is
   there once. */
#ifndef HAKMEM_PROFILE_FILE_H
#define HAKMEM_PROFILE_FILE_H

#include "options.h"

struct profile_file {
  int fd, error;              /* error: 0, or the first errno */
  bool direct;
  const char *path;           /* the caller's */
  char other[OPTION_PATH_MAX + 32];
  uint64_t written;
};

/* False: file->error says why. */
bool profile_file_open(struct profile_file *file, const char *path);
void profile_file_put(struct profile_file *file, const char *format, ...) HAK_PRINTF(2, 3);
/* All of another file, nothing if it cannot be read. */
void profile_file_copy(struct profile_file *file, const char *path);
/* 0, or the errno of what has failed; the file under path is then what it was before. */
int profile_file_close(struct profile_file *file);
/* "No space left" and the like, for a line. */
const char *profile_file_reason(int error);

#endif
