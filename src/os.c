/* os.c - see os.h.

   Every call goes through syscall(2) with errno saved, never through the C
   library's wrappers. After start only brk, mmap, munmap, mremap, mprotect, madvise
   and futex are made (mincore and msync where HAKMEM_EXTERNAL_GUARD asks for
   them, write for messages and traces), and each of them may be refused by a filter with
   ENOSYS or EPERM: that is a failure like any other. The clock goes through the vDSO.
   Start also makes prlimit64, getpid, for a profile gettid and, under a limit of address space or with
   HAKMEM_MEMORY_LIMIT_MB=auto, openat, read and close. */
#include <config.h>

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "align.h"
#include "lock.h"
#include "os_call.h"
#include "os_file.h"

/* linux/mman.h, of kernels younger than the headers that this may be built with. */
enum { BRK_DISTANCE_MAX = 1 << 30 };   /* the kernel puts the heap at most so far behind the image */
enum { ADVICE_POPULATE_READ = 22, ADVICE_POPULATE_WRITE = 23, ADVICE_NONE_SUCH = 0x7ffffff0 };

enum { FUTEX_WAIT_PRIVATE_OP = 0 | 128, FUTEX_WAKE_PRIVATE_OP = 1 | 128 };

#ifdef SYS_futex
#define FUTEX_CALL SYS_futex
#else
#define FUTEX_CALL SYS_futex_time64
#endif

size_t os_page_size = 4096;
HAK_CONSTANT uintptr_t os_brk_start;

/* Addresses over the middle of a 32-bit space are negative too, so a sign test would not do. */
static bool failed(long result) { return (unsigned long)result > -4096UL; }

/* ---- the kernel's side of the table ---- */

static long kernel_mmap(void *hint, size_t size, int prot, int flags) {
  int saved = errno;
  return result_of(syscall(MMAP_CALL, hint, size, prot, flags, -1, 0L), saved);
}

static long kernel_munmap(void *start, size_t size) {
  int saved = errno;
  return result_of(syscall(SYS_munmap, start, size), saved);
}

static long kernel_mprotect(void *start, size_t size, int prot) {
  int saved = errno;
  return result_of(syscall(SYS_mprotect, start, size, prot), saved);
}

static long kernel_madvise(void *start, size_t size, int advice) {
  int saved = errno;
  return result_of(syscall(SYS_madvise, start, size, advice), saved);
}

static long kernel_mremap(void *start, size_t old_size, size_t new_size, int flags, void *target) {
  int saved = errno;
  return result_of(syscall(SYS_mremap, start, old_size, new_size, flags, target), saved);
}

const struct os_ops os_kernel = {
  kernel_mmap, kernel_munmap, kernel_mprotect, kernel_madvise, kernel_mremap
};
const struct os_ops *os_ops = &os_kernel;

/* ---- mappings ---- */

/* What one thread did with a mapping happens before what another does with the
   next mapping at the same address. The kernel orders the two; this counter tells
   ThreadSanitizer, which does not see raw system calls. Release in unmap pairs with acquire in map. */
static uint32_t unmap_count;

/* Where the next aligned mapping is tried: it should end at or below this address.
   The start of the last one, or the end of what was unmapped last. Atomic, relaxed: a stale value costs a
   second system call at most. */
static uintptr_t place_below;

enum { PLACE_ALIGNMENT_MAX = 2 << 20 };   /* larger alignments would drag place_below far down */

/* The highest end of a mapping that the registry has words for. */
static uintptr_t highest_end(void) {
  return sizeof(void *) == 8 ? (uintptr_t)((uint64_t)1 << 48) : UINTPTR_MAX;
}

static void *map(void *hint, size_t size, int prot, int flags) {
  lock_assert_none_held();
  if (size == 0 || size > PTRDIFF_MAX)
    return NULL;
  long result = os_ops->mmap(hint, size, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS);
  if (failed(result))
    return NULL;
  (void)__atomic_load_n(&unmap_count, __ATOMIC_ACQUIRE);
  if ((uintptr_t)result > highest_end() - size) {
    os_ops->munmap((void *)result, size);   /* past what the registry covers */
    return NULL;
  }
  return (void *)result;
}

void *os_reserve(size_t size) { return map(NULL, size, PROT_NONE, MAP_NORESERVE); }

void *os_map(void *hint, size_t size) { return map(hint, size, PROT_READ | PROT_WRITE, 0); }

/* Ranges that nobody uses and the kernel refused to unmap (too many mappings, a filter): address space without pages.
   Tried again later; the few beyond the table's end are lost. */
enum { REFUSED_MAX = 64 };
static struct lock refused_lock = LOCK_INIT(RANK_OS);
static HAK_SPARSE struct { void *start; size_t size; } refused[REFUSED_MAX];   /* lock */
static unsigned refused_count;                                      /* lock; also read without it */

static void remember_refused(void *start, size_t size) {
  lock_acquire(&refused_lock);
  unsigned at = refused_count;
  if (at < REFUSED_MAX) {
    refused[at].start = start;
    refused[at].size = size;
    __atomic_store_n(&refused_count, at + 1, __ATOMIC_RELAXED);
  }
  lock_release(&refused_lock);
}

void os_discard(void *start, size_t size) {
  lock_assert_none_held();
  __atomic_fetch_add(&unmap_count, 1, __ATOMIC_RELEASE);
  if (failed(os_ops->munmap(start, size)))
    remember_refused(start, size);
}

static HAK_COLD void discard_again(void) {
  for (unsigned tries = 0; tries < REFUSED_MAX; tries++) {
    lock_acquire(&refused_lock);
    unsigned left = refused_count;
    void *start = NULL;
    size_t size = 0;
    if (left != 0) {
      start = refused[left - 1].start;
      size = refused[left - 1].size;
      __atomic_store_n(&refused_count, left - 1, __ATOMIC_RELAXED);
    }
    lock_release(&refused_lock);
    if (start == NULL)
      return;
    if (failed(os_ops->munmap(start, size))) {
      remember_refused(start, size);
      return;
    }
  }
}

void os_retry_unmap(void) {
  if (unlikely(__atomic_load_n(&refused_count, __ATOMIC_RELAXED) != 0))
    discard_again();
}

void os_fork_prepare(void) { lock_acquire(&refused_lock); }
void os_fork_release(bool child) {
  if (child)
    lock_reset(&refused_lock);
  else
    lock_release(&refused_lock);
}

/* Maps more than is asked for and gives the ends back. */
static HAK_COLD void *map_and_trim(size_t size, size_t alignment) {
  size_t slack = alignment - os_page_size;
  if (size > PTRDIFF_MAX - slack)
    return NULL;
  char *start = os_map(NULL, size + slack);
  if (start == NULL)
    return NULL;
  char *aligned = start + (align_up((uintptr_t)start, alignment) - (uintptr_t)start);
  size_t before = (size_t)(aligned - start);
  if (before != 0)
    os_discard(start, before);
  if (slack != before)
    os_discard(aligned + size, slack - before);
  return aligned;
}

void *os_map_aligned(size_t size, size_t alignment) {
  if (size == 0 || size > PTRDIFF_MAX - os_page_size || alignment > (SIZE_MAX >> 1) + 1)
    return NULL;
  size = align_up(size, os_page_size);
  uintptr_t below = __atomic_load_n(&place_below, __ATOMIC_RELAXED);
  uintptr_t hint = below > size ? align_down(below - size, alignment) : 0;
  char *start = os_map((void *)hint, size);
  if (start == NULL)
    return NULL;
  if (!is_aligned(start, alignment)) {
    os_discard(start, size);
    start = map_and_trim(size, alignment);
  }
  if (start != NULL && alignment <= PLACE_ALIGNMENT_MAX)
    __atomic_store_n(&place_below, (uintptr_t)start, __ATOMIC_RELAXED);
  return start;
}

bool os_unmap(void *start, size_t size) {
  lock_assert_none_held();
  __atomic_fetch_add(&unmap_count, 1, __ATOMIC_RELEASE);
  if (failed(os_ops->munmap(start, size)))
    return false;
  /* So that holes are filled again, and addresses (and the registry with them) do not wander down forever. */
  __atomic_store_n(&place_below, (uintptr_t)start + size, __ATOMIC_RELAXED);
  os_retry_unmap();
  return true;
}

bool os_commit(void *start, size_t size) {
  lock_assert_none_held();
  return !failed(os_ops->mprotect(start, size, PROT_READ | PROT_WRITE));
}

bool os_protect(void *start, size_t size) {
  lock_assert_none_held();
  return !failed(os_ops->mprotect(start, size, PROT_READ));
}

static bool advise(void *start, size_t size, int advice) {
  lock_assert_none_held();
  return !failed(os_ops->madvise(start, size, advice));
}

bool os_purge(void *start, size_t size) { return advise(start, size, MADV_DONTNEED); }

bool os_resize_in_place(void *start, size_t old_size, size_t new_size) {
  lock_assert_none_held();
  return !failed(os_ops->mremap(start, old_size, new_size, 0, NULL));
}

bool os_move(void *start, size_t old_size, void *target, size_t new_size) {
  lock_assert_none_held();
  __atomic_fetch_add(&unmap_count, 1, __ATOMIC_RELEASE);
  long result = os_ops->mremap(start, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
  if (!failed(result))
    return true;
  /* The kernel takes the target away before it finds that the source is not one mapping
     (EFAULT: the program has changed a part of it), may not be locked (EAGAIN) or may not grow
     (ENOMEM, which has other reasons too). Another thread may have mapped something there
     since; better a range without pages too many than one of another's gone. */
  if (result != -EFAULT && result != -EAGAIN && result != -ENOMEM)
    os_discard(target, new_size);
  return false;
}

bool os_advise_huge(void *start, size_t size, enum os_huge want) {
  return advise(start, size, want == OS_HUGE_ASK ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool os_populate(void *start, size_t size) { return advise(start, size, ADVICE_POPULATE_WRITE); }

bool os_dont_dump(void *start, size_t size) { return advise(start, size, MADV_DONTDUMP); }

/* ---- the safe probe ---- */

/* The whole pages that [start, start+size) touches; false where no user memory can be. */
static bool pages_touched(const void *start, size_t size, uintptr_t *first, size_t *length) {
  uintptr_t from = (uintptr_t)start;
  uintptr_t last = from + (size == 0 ? 0 : size - 1);
  if (last < from || last > UINTPTR_MAX - os_page_size)
    return false;
  if (sizeof(void *) == 8 && last > (uintptr_t)INTPTR_MAX)
    return false;
  *first = align_down(from, os_page_size);
  *length = align_down(last, os_page_size) - *first + os_page_size;
  return true;
}

/* An emulator (QEMU's, of programs of another machine) says yes to every advice, of which there are none with this
   number. Asked after the first yes, which is then worth nothing. */
static bool advice_is_heard(void *start, size_t size) {
  enum { UNKNOWN, HEARD, NOT_HEARD };
  static uint32_t known;   /* atomic, relaxed: all who ask get the same answer */
  uint32_t state = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (state == UNKNOWN) {
    state = advise(start, size, ADVICE_NONE_SUCH) ? NOT_HEARD : HEARD;
    __atomic_store_n(&known, state, __ATOMIC_RELAXED);
  }
  return state == HEARD;
}

bool os_readable_populate(const void *start, size_t size) {
  uintptr_t first;
  size_t length;
  if (!pages_touched(start, size, &first, &length))
    return false;
  return advise((void *)first, length, ADVICE_POPULATE_READ) && advice_is_heard((void *)first, length);
}

/* One page a call: what it writes is then a byte, whatever the range. */
bool os_readable_mincore(const void *start, size_t size) {
  uintptr_t first;
  size_t length;
  if (!pages_touched(start, size, &first, &length))
    return false;
  lock_assert_none_held();
  for (size_t offset = 0; offset < length; offset += os_page_size) {
    unsigned char resident;
    int saved = errno;
    if (failed(result_of(syscall(SYS_mincore, first + offset, os_page_size, &resident), saved)))
      return false;
  }
  return true;
}

bool os_readable_msync(const void *start, size_t size) {
  uintptr_t first;
  size_t length;
  if (!pages_touched(start, size, &first, &length))
    return false;
  lock_assert_none_held();
  int saved = errno;
  return !failed(result_of(syscall(SYS_msync, first, length, MS_ASYNC), saved));
}

/* ---- clock, brk, limits ---- */

uint64_t os_now_ms(void) {
  struct timespec now = { 0, 0 };
  int saved = errno;
  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  errno = saved;
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The system call never fails: for an impossible wish (0) it answers with the current
   end. A filter that refuses it yields 0, an empty heap. */
uintptr_t os_brk_now(void) {
  int saved = errno;
  long result = result_of(syscall(SYS_brk, 0L), saved);
  return failed(result) ? 0 : (uintptr_t)result;
}

/* The kernel's struct rlimit64, which the C library shows only with a feature macro. */
struct limit64 {
  uint64_t soft, hard;
};

enum { STATM_SPACE = 0, STATM_DATA = 5 };   /* numbers of /proc/self/statm */

/* Pages of address space in use, or of writable memory; 0 when that cannot be read. */
static size_t pages_in_use(unsigned field) {
  char text[128];
  int fd = os_open_read("/proc/self/statm");
  if (fd < 0)
    return 0;
  ssize_t length = os_read(fd, text, sizeof text);
  os_close(fd);
  size_t pages = 0;
  for (ssize_t i = 0; i < length; i++) {
    if (text[i] == ' ' && field-- == 0)
      break;
    if (field == 0 && text[i] >= '0' && text[i] <= '9')
      pages = pages * 10 + (size_t)(text[i] - '0');
  }
  return pages;
}

static size_t space_left(int resource, unsigned field) {
  struct limit64 limit = { UINT64_MAX, UINT64_MAX };
  int saved = errno;
  long result = result_of(syscall(SYS_prlimit64, 0L, resource, NULL, &limit), saved);
  if (failed(result) || limit.soft >= SIZE_MAX)
    return SIZE_MAX;
  size_t allowed = (size_t)limit.soft;
  size_t used = pages_in_use(field) * os_page_size;
  if (used == 0)
    used = allowed / 4;
  return used < allowed ? allowed - used : 0;
}

size_t os_address_space_left(void) { return space_left(RLIMIT_AS, STATM_SPACE); }
size_t os_data_space_left(void) { return space_left(RLIMIT_DATA, STATM_DATA); }

/* End of the program's image, where its brk heap begins or a random distance later; 0: not known. */
static uintptr_t image_end(void) {
  const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
  unsigned long count = header == NULL ? 0 : getauxval(AT_PHNUM);
  uintptr_t base = 0, end = 0;
  for (unsigned long i = 0; i < count; i++)
    if (header[i].p_type == PT_PHDR)
      base = (uintptr_t)header - header[i].p_vaddr;
  for (unsigned long i = 0; i < count; i++)
    if (header[i].p_type == PT_LOAD && base + header[i].p_vaddr + header[i].p_memsz > end)
      end = base + header[i].p_vaddr + header[i].p_memsz;
  return end;
}

void os_init(void) {
  unsigned long size = getauxval(AT_PAGESZ);
  if (is_power_of_two(size) && size >= 4 * KIB && size <= 64 * KIB)
    os_page_size = size;
  /* The C library may have moved the break before our first call. What lies between the image and the heap is not
     mapped, and found out by the probe. */
  uintptr_t image = image_end();
  os_brk_start = os_brk_now();
  if (image != 0 && image < os_brk_start && os_brk_start - image < BRK_DISTANCE_MAX)
    os_brk_start = image;
}

/* ---- threads ---- */

int os_getpid(void) {
  int saved = errno;
  return (int)result_of(syscall(SYS_getpid), saved);
}

bool os_is_first_thread(void) {
  int saved = errno;
  return result_of(syscall(SYS_gettid), saved) == os_getpid();
}


/* What the futex call that is used here takes, on each machine. */
struct futex_timeout {
#ifdef SYS_futex
  long seconds, nanoseconds;
#else
  int64_t seconds, nanoseconds;
#endif
};

static long futex(uint32_t *word, int operation, uint32_t value, const struct futex_timeout *timeout) {
  int saved = errno;
  return result_of(syscall(FUTEX_CALL, word, operation, value, timeout, NULL, 0), saved);
}

/* A wait that nobody ends, for 50 microseconds: sched_yield is in few sandboxes' lists.
   Refused: returns at once. */
void os_yield(void) {
  static uint32_t never_woken;   /* constant 0 */
  const struct futex_timeout timeout = { 0, 50000 };
  (void)futex(&never_woken, FUTEX_WAIT_PRIVATE_OP, 0, &timeout);
}

void os_futex_wait(uint32_t *word, uint32_t value) {
  lock_assert_none_held();
  (void)futex(word, FUTEX_WAIT_PRIVATE_OP, value, NULL);
}

void os_futex_wake(uint32_t *word, int count) {
  lock_assert_none_held();
  (void)futex(word, FUTEX_WAKE_PRIVATE_OP, (uint32_t)count, NULL);
}

/* ---- output ---- */

ssize_t os_write(int fd, const void *data, size_t size) {
  int saved = errno;
  long result;
  do
    result = result_of(syscall(SYS_write, fd, data, size), saved);
  while (result == -EINTR);
  return (ssize_t)result;
}
