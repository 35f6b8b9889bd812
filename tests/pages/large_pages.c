/* large_pages.c - a kernel of larger pages. Preloaded in front of a program, with LARGE_PAGES=BYTES in its
   environment, it answers for the kernel as one would that has pages of that size: the auxiliary vector says so,
   mappings start at a multiple of it, what does not is refused with EINVAL, and sizes are rounded up, so that a
   call for a part of a page takes all of it. Both ways are covered, syscall() and the C library's functions. What
   the C library does inside itself is not, and does not matter. */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_mmap2
#define MMAP_CALL SYS_mmap2   /* offsets are 0 here */
#else
#define MMAP_CALL SYS_mmap
#endif

#define EXPORTED __attribute__((visibility("default")))

/* glibc declares two of them as functions that do not throw: these are the same to C. */
EXPORTED long syscall(long number, ...);

typedef long system_call(long number, ...);
typedef unsigned long auxiliary(unsigned long type);
typedef long configuration(int name);

static void *next_of(void **found, const char *name) {
  if (*found == NULL) *found = dlsym(RTLD_NEXT, name);   /* all who come first find the same */
  return *found;
}

static long next_call(long number, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f) {
  static void *found;
  return ((system_call *)next_of(&found, "syscall"))(number, a, b, c, d, e, f);
}

static size_t page(void) {
  static size_t size;
  if (size == 0) {
    const char *text = getenv("LARGE_PAGES");
    size = text == NULL ? 4096 : (size_t)strtoul(text, NULL, 10);
  }
  return size;
}

static bool is_at_page(uintptr_t start) { return (start & (page() - 1)) == 0; }
static size_t whole(size_t size) { return (size + page() - 1) & ~(page() - 1); }
static long refuse(int error) {
  errno = error;
  return -1;
}

/* The address space first, with the ends that are not needed given back; then what is asked for on top of it. */
static long map(uintptr_t hint, size_t size, uintptr_t protection, uintptr_t flags, uintptr_t fd, uintptr_t offset) {
  size_t total = whole(size);
  if (total < size) return refuse(ENOMEM);
  if (size == 0) return refuse(EINVAL);
  if (flags & MAP_FIXED) {
    if (!is_at_page(hint)) return refuse(EINVAL);
    return next_call(MMAP_CALL, hint, (flags & MAP_ANONYMOUS) ? total : size, protection, flags, fd, offset);
  }
  uintptr_t room_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  uintptr_t start = hint & ~(page() - 1);
  long room = next_call(MMAP_CALL, start, total, PROT_NONE, room_flags, (uintptr_t)-1, 0);
  if (room == -1) return -1;
  if (!is_at_page((uintptr_t)room)) {
    next_call(SYS_munmap, (uintptr_t)room, total, 0, 0, 0, 0);
    room = next_call(MMAP_CALL, 0, total + page(), PROT_NONE, room_flags, (uintptr_t)-1, 0);
    if (room == -1) return -1;
    size_t before = whole((uintptr_t)room) - (uintptr_t)room, behind = page() - before;
    if (before != 0) next_call(SYS_munmap, (uintptr_t)room, before, 0, 0, 0, 0);
    if (behind != 0) next_call(SYS_munmap, (uintptr_t)room + before + total, behind, 0, 0, 0, 0);
    room += (long)before;
  }
  size_t filled = (flags & MAP_ANONYMOUS) ? total : size;   /* of a file no more than was asked for */
  long result = next_call(MMAP_CALL, (uintptr_t)room, filled, protection, flags | MAP_FIXED, fd, offset);
  int saved = errno;
  if (result == -1) next_call(SYS_munmap, (uintptr_t)room, total, 0, 0, 0, 0);
  errno = saved;
  return result;
}

static long move(uintptr_t start, size_t old_size, size_t new_size, uintptr_t flags, uintptr_t target) {
  bool fixed = (flags & MREMAP_FIXED) != 0;
  if (!is_at_page(start) || (fixed && !is_at_page(target))) return refuse(EINVAL);
  /* Where it would go is the kernel's choice, and would have to be aligned: not needed here. */
  if ((flags & MREMAP_MAYMOVE) && !fixed) return refuse(ENOMEM);
  return next_call(SYS_mremap, start, whole(old_size), whole(new_size), flags, target, 0);
}

/* One byte for each of the larger pages: resident if any part of it is. */
static long residence(uintptr_t start, size_t size, unsigned char *vector) {
  enum { PARTS = 64 };
  unsigned char part[PARTS];
  if (!is_at_page(start)) return refuse(EINVAL);
  for (size_t at = 0; at < size; at += page()) {
    unsigned char any = 0;
    if (next_call(SYS_mincore, start + at, page(), (uintptr_t)part, 0, 0, 0) != 0) return -1;
    for (size_t i = 0; i < page() / 4096 && i < PARTS; i++) any |= part[i] & 1;
    vector[at / page()] = any;
  }
  return 0;
}

EXPORTED long syscall(long number, ...) {
  va_list list;
  uintptr_t a[6];
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, uintptr_t);   /* more than there are: of no matter */
  va_end(list);
  switch (number) {
    case MMAP_CALL: return map(a[0], a[1], a[2], a[3], a[4], a[5]);
    case SYS_mremap: return move(a[0], a[1], a[2], a[3], a[4]);
    case SYS_mincore: return residence(a[0], a[1], (unsigned char *)a[2]);
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_msync:
      if (!is_at_page(a[0])) return refuse(EINVAL);
      if (whole(a[1]) < a[1]) return refuse(ENOMEM);
      a[1] = whole(a[1]);
      break;
    default: break;
  }
  return next_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORTED unsigned long getauxval(unsigned long type) {
  static void *found;
  return type == AT_PAGESZ ? page() : ((auxiliary *)next_of(&found, "getauxval"))(type);
}
EXPORTED long sysconf(int name) {
  static void *found;
  return name == _SC_PAGESIZE ? (long)page() : ((configuration *)next_of(&found, "sysconf"))(name);
}

EXPORTED void *mmap(void *hint, size_t size, int protection, int flags, int fd, off_t offset) {
  return (void *)map((uintptr_t)hint, size, (uintptr_t)protection, (uintptr_t)flags, (uintptr_t)fd, (uintptr_t)offset);
}
EXPORTED int munmap(void *start, size_t size) { return (int)syscall(SYS_munmap, start, size, 0L, 0L, 0L, 0L); }
EXPORTED int mprotect(void *start, size_t size, int protection) {
  return (int)syscall(SYS_mprotect, start, size, (long)protection, 0L, 0L, 0L);
}
EXPORTED int madvise(void *start, size_t size, int advice) {
  return (int)syscall(SYS_madvise, start, size, (long)advice, 0L, 0L, 0L);
}
EXPORTED int mincore(void *start, size_t size, unsigned char *vector) {
  return (int)residence((uintptr_t)start, size, vector);
}
