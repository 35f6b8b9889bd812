/* os_file.c - see os_file.h. */
#include <config.h>

#include "os_call.h"
#include "os.h"
#include "os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* fstat(2) without the C library. */
#ifdef SYS_fstat64
enum { FSTAT = SYS_fstat64 };
typedef struct stat64 kernel_stat;
#else
enum { FSTAT = SYS_fstat };
typedef struct stat kernel_stat;
#endif

#ifdef SYS_rt_sigtimedwait
enum { SIGTIMEDWAIT = SYS_rt_sigtimedwait };
#else
enum { SIGTIMEDWAIT = SYS_rt_sigtimedwait_time64 };   /* 32-bit machines that never had the other one */
#endif
enum { SIGNALS_SIZE = _NSIG / 8 };   /* bytes of the kernel's sigset_t */

int os_open_read(const char *path) {
  int saved = errno;
  return (int)result_of(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0),
                        saved);
}

ssize_t os_read(int fd, void *buffer, size_t size) {
  int saved = errno;
  long result;
  do
    result = result_of(syscall(SYS_read, fd, buffer, size), saved);
  while (result == -EINTR);
  return (ssize_t)result;
}

void os_close(int fd) {
  int saved = errno;
  (void)result_of(syscall(SYS_close, fd), saved);
}

bool os_file_status(int fd, struct os_file_status *status) {
  union {
    kernel_stat stat;
    char room[256];   /* in case that the kernel's structure is the larger one */
  } buffer;
  int saved = errno;
  memset(&buffer, 0, sizeof buffer);
  if (result_of(syscall(FSTAT, fd, &buffer), saved) != 0)
    return false;
  uint64_t size = (uint64_t)buffer.stat.st_size;
  status->regular = S_ISREG(buffer.stat.st_mode);
  status->stream = S_ISCHR(buffer.stat.st_mode) || S_ISFIFO(buffer.stat.st_mode);
  status->permissions = (uint32_t)buffer.stat.st_mode & 07777;
  status->others_write = (status->permissions & (S_IWGRP | S_IWOTH)) != 0;
  status->owner = (uint32_t)buffer.stat.st_uid;
  status->links = (uint32_t)buffer.stat.st_nlink;
  status->size = size > SIZE_MAX ? SIZE_MAX : (size_t)size;
  status->device = (uint64_t)buffer.stat.st_dev;
  status->inode = (uint64_t)buffer.stat.st_ino;
  return true;
}

bool os_only_appends(int fd) {
  int saved = errno;
  long flags = result_of(syscall(SYS_fcntl, fd, F_GETFL), saved);
  return flags >= 0 && (flags & O_APPEND) != 0;
}

int os_open_own(const char *path) {
  int saved = errno, flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  return (int)result_of(syscall(SYS_openat, AT_FDCWD, path, flags, 0600), saved);
}

int os_create(const char *path) {
  int saved = errno, flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY;
  return (int)result_of(syscall(SYS_openat, AT_FDCWD, path, flags, 0666), saved);
}

int os_open_special(const char *path) {
  int saved = errno, flags = O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  return (int)result_of(syscall(SYS_openat, AT_FDCWD, path, flags, 0), saved);
}

void os_wait_for_readers(int fd) {
  int saved = errno;
  long flags = result_of(syscall(SYS_fcntl, fd, F_GETFL), saved);
  if (flags >= 0) (void)result_of(syscall(SYS_fcntl, fd, F_SETFL, flags & ~O_NONBLOCK), saved);
}

/* Takes one of the signals that is pending, without waiting. Not the C library's function, which is a point where a thread
   may be cancelled, with locks held. */
static void take_pending(const sigset_t *signals) {
  static const uint64_t no_time[2];   /* 0 in every layout of struct timespec */
  (void)syscall(SIGTIMEDWAIT, signals, NULL, no_time, (size_t)SIGNALS_SIZE);
}

ssize_t os_write_pipe(int fd, const void *data, size_t size) {
  int saved = errno;
  sigset_t broken_pipe, before, pending;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  sigprocmask(SIG_BLOCK, &broken_pipe, &before);
  sigpending(&pending);
  ssize_t done = os_write(fd, data, size);
  /* The signal came to this thread; one that was there before stays. */
  if (done == -EPIPE && !sigismember(&pending, SIGPIPE)) take_pending(&broken_pipe);
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = saved;
  return done;
}

bool os_is_link(const char *path) {
  char target;
  int saved = errno;
  return result_of(syscall(SYS_readlinkat, AT_FDCWD, path, &target, sizeof target), saved) >= 0;
}

/* Some machines have renameat2 only. */
int os_rename(const char *from, const char *to) {
  int saved = errno;
#ifdef SYS_renameat
  return (int)-result_of(syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to), saved);
#else
  return (int)-result_of(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), saved);
#endif
}

int os_unlink(const char *path) {
  int saved = errno;
  return (int)-result_of(syscall(SYS_unlinkat, AT_FDCWD, path, 0), saved);
}

bool os_may_be_so_large(size_t size) {
  struct { uint64_t soft, hard; } limit = { UINT64_MAX, UINT64_MAX };   /* the kernel's struct rlimit64 */
  int saved = errno;
  long result = result_of(syscall(SYS_prlimit64, 0L, RLIMIT_FSIZE, NULL, &limit), saved);
  return result != 0 || limit.soft >= size;
}

/* Numbers of 64 bits are two arguments on 32-bit machines. */
int os_allocate(int fd, size_t size) {
  int saved = errno;
#if defined(__LP64__)
  long result = result_of(syscall(SYS_fallocate, fd, 0, 0L, size), saved);
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  long result = result_of(syscall(SYS_fallocate, fd, 0, 0, 0, size, 0), saved);
#else
  long result = result_of(syscall(SYS_fallocate, fd, 0, 0, 0, 0, size), saved);
#endif
  return (int)-result;
}

void *os_map_file(int fd, size_t size) {
  int saved = errno;
  long result = result_of(syscall(MMAP_CALL, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L), saved);
  return (unsigned long)result > -4096UL ? NULL : (void *)result;
}

bool os_process_exists(int process) {
  int saved = errno;
  return result_of(syscall(SYS_kill, process, 0), saved) != -ESRCH;
}
