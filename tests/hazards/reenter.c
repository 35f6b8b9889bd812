/* reenter.c - a shared object that stands before the C library's calls into the kernel and before
   dlsym's users, and allocates in each of them: a start of the interposer that used one of
   them would come back into itself. */
#include <config.h>
#undef _FILE_OFFSET_BITS   /* it gives open and open64 one name where they are two functions */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "program.h"

void *mmap(void *hint, size_t size, int prot, int flags, int fd, off_t offset);
void *mmap64(void *hint, size_t size, int prot, int flags, int fd, off64_t offset);

/* Nested once: the allocation may itself come here. */
static __thread int depth;
static unsigned calls;

static void allocate(void) {
  if (depth != 0) return;
  depth = 1;
  calls++;
  int saved = errno;
  void *small = get(100), *mid = get(5000), *large = get(200000);
  if (small == NULL || mid == NULL || large == NULL) abort();
  free(mid);
  free(small);
  free(large);
  errno = saved;
  depth = 0;
}

static void *map(void *hint, size_t size, int prot, int flags, int fd, off_t offset) {
  allocate();
#ifdef SYS_mmap2
  return (void *)syscall(SYS_mmap2, hint, size, prot, flags, fd, offset / 4096);
#else
  return (void *)syscall(SYS_mmap, hint, size, prot, flags, fd, offset);
#endif
}
void *mmap(void *hint, size_t size, int prot, int flags, int fd, off_t offset) {
  return map(hint, size, prot, flags, fd, offset);
}
void *mmap64(void *hint, size_t size, int prot, int flags, int fd, off64_t offset) {
  return map(hint, size, prot, flags, fd, (off_t)offset);
}
int munmap(void *start, size_t size) { allocate(); return (int)syscall(SYS_munmap, start, size); }
int mprotect(void *start, size_t size, int prot) { allocate(); return (int)syscall(SYS_mprotect, start, size, prot); }
int madvise(void *start, size_t size, int advice) { allocate(); return (int)syscall(SYS_madvise, start, size, advice); }

static int open_any(int folder, const char *path, int flags, mode_t mode) {
  allocate();
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}
#define MODE_OF(flags, last)                                   \
  mode_t mode = 0;                                             \
  if ((flags) & (O_CREAT | __O_TMPFILE)) {                     \
    va_list list;                                              \
    va_start(list, last);                                      \
    mode = va_arg(list, mode_t);                               \
    va_end(list);                                              \
  }
int open(const char *path, int flags, ...) { MODE_OF(flags, flags) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, flags) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags, flags) return open_any(folder, path, flags, mode); }
ssize_t read(int fd, void *data, size_t size) { allocate(); return (ssize_t)syscall(SYS_read, fd, data, size); }
ssize_t write(int fd, const void *data, size_t size) { allocate(); return (ssize_t)syscall(SYS_write, fd, data, size); }
int close(int fd) { allocate(); return (int)syscall(SYS_close, fd); }
pid_t getpid(void) { allocate(); return (pid_t)syscall(SYS_getpid); }
int clock_gettime(clockid_t clock, struct timespec *now) { allocate(); return (int)syscall(SYS_clock_gettime, clock, now); }
long sysconf(int name);
int getpagesize(void);
int getpagesize(void) { allocate(); return 4096; }

/* So that the test sees that this object was in use. */
__attribute__((destructor)) static void report(void) {
  if (getenv("REENTER_REPORT") != NULL && calls != 0) (void)!syscall(SYS_write, 2, "reentered\n", 10);
}
