/* os_call.h - how the files of the kernel's layer make a system call. Layer 2. */
#ifndef HAKMEM_OS_CALL_H
#define HAKMEM_OS_CALL_H

#include <errno.h>
#include <sys/syscall.h>
#include "compiler.h"

/* The call whose offset is in pages, where there is one. The offset is always 0 here. */
#ifdef SYS_mmap2
#define MMAP_CALL SYS_mmap2
#else
#define MMAP_CALL SYS_mmap
#endif

/* Keeps errno; the result is the system call's, -errno on failure. */
HAK_INLINE long result_of(long result, int saved_errno) {
  if (result == -1) {
    result = -errno;
    errno = saved_errno;
  }
  return result;
}

#endif
