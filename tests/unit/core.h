/* core.h - what the tests of the core share: a kernel that counts and refuses, starts, threads, children. */
#ifndef HAKMEM_TESTS_CORE_H
#define HAKMEM_TESTS_CORE_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "constant.h"
#include "counters.h"
#include "knobs.h"
#include "options.h"
#include "os.h"
#include "registry.h"
#include "slab.h"
#include "superslab.h"
#include "unit.h"

/* As ck_assert, at the price of a compare: for inner loops and for threads. */
#define require(condition)                                                                   \
  do {                                                                                       \
    if (!(condition)) ck_abort_msg("%s:%d: not so: %s", __FILE__, __LINE__, #condition);      \
  } while (0)

#if defined(__SANITIZE_ADDRESS__)
#define CORE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORE_ASAN 1
#endif
#endif
#ifndef CORE_ASAN
#define CORE_ASAN 0
#endif
#ifdef HAK_TSAN
#define CORE_TSAN 1
#else
#define CORE_TSAN 0
#endif
/* Rounds of a loop that a sanitizer makes ten times slower. */
#define CORE_ROUNDS(n) ((n) / (CORE_ASAN || CORE_TSAN ? 8 : 1))

/* ---- a kernel that counts, and refuses when told ---- */

static struct {
  unsigned calls, mmaps, munmaps, mprotects, madvises, purges, mremaps;   /* atomic, relaxed */
  size_t mapped, unmapped, purged;       /* bytes; atomic, relaxed */
  unsigned fail_at;                      /* number of the call that fails, 0: none */
  bool refuse_mmap, refuse_reserve, refuse_mprotect, refuse_madvise;
  int last_advice;                       /* of those other than MADV_DONTNEED */
} kernel;

static inline bool kernel_fails_now(unsigned *counter) {
  __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
  return __atomic_add_fetch(&kernel.calls, 1, __ATOMIC_RELAXED) == kernel.fail_at;
}

static inline long kernel_mmap(void *hint, size_t size, int prot, int flags) {
  if (kernel_fails_now(&kernel.mmaps) || kernel.refuse_mmap) return -ENOMEM;
  if (kernel.refuse_reserve && prot == PROT_NONE) return -ENOMEM;
  __atomic_fetch_add(&kernel.mapped, size, __ATOMIC_RELAXED);
  return os_kernel.mmap(hint, size, prot, flags);
}
static inline long kernel_munmap(void *start, size_t size) {
  if (kernel_fails_now(&kernel.munmaps)) return -ENOMEM;
  __atomic_fetch_add(&kernel.unmapped, size, __ATOMIC_RELAXED);
  return os_kernel.munmap(start, size);
}
static inline long kernel_mprotect(void *start, size_t size, int prot) {
  if (kernel_fails_now(&kernel.mprotects) || kernel.refuse_mprotect) return -ENOMEM;
  return os_kernel.mprotect(start, size, prot);
}
static inline long kernel_madvise(void *start, size_t size, int advice) {
  if (kernel_fails_now(advice == MADV_DONTNEED ? &kernel.purges : &kernel.madvises)) return -ENOMEM;
  if (kernel.refuse_madvise) return -EINVAL;
  if (advice == MADV_DONTNEED) __atomic_fetch_add(&kernel.purged, size, __ATOMIC_RELAXED);
  else __atomic_store_n(&kernel.last_advice, advice, __ATOMIC_RELAXED);
  return os_kernel.madvise(start, size, advice);
}
static inline long kernel_mremap(void *start, size_t old_size, size_t new_size, int flags, void *target) {
  if (kernel_fails_now(&kernel.mremaps)) return -ENOMEM;
  return os_kernel.mremap(start, old_size, new_size, flags, target);
}

static inline void kernel_watch(void) {
  static const struct os_ops ops = { kernel_mmap, kernel_munmap, kernel_mprotect, kernel_madvise,
                                     kernel_mremap };
  os_ops = &ops;
}
/* The call-th call from now fails; 0: none does. */
static inline void kernel_fail(unsigned call) { kernel.fail_at = call == 0 ? 0 : kernel.calls + call; }
static inline void kernel_refuse_all(bool refuse) {
  kernel.refuse_mmap = refuse;
  kernel.refuse_mprotect = refuse;
}

/* ---- starts ---- */

#define CORE_KEY ((uintptr_t)0x5bd1e995)

/* The modules up to the heaps, without a process around them. */
static inline void core_start(bool want_region) {
  kernel_watch();
  os_init();
  options_init(NULL, NULL, false, false);
  knobs_init();
  size_class_init(true, true, true);
  registry_init(CORE_KEY, want_region);
}

/* For the whole library, which starts at its first call: quiet about bad pointers. */
static inline void core_watch_process(void) {
  kernel_watch();
  setenv("HAKMEM_DEBUG_LEVEL", "0", 1);
}

/* After the whole library has started: what is read-only since then (options, the region's base) can be changed again. */
static inline void core_open_constants(void) {
  size_t size;
  void *pages = constant_pages(&size);
  if (pages != NULL) require(mprotect(pages, size, PROT_READ | PROT_WRITE) == 0);
}

/* ---- what the tests ask ---- */

static inline struct slab *slab_of(const void *p) { return registry_lookup(p).slab; }

static inline unsigned class_for(size_t size) { return size_class_of(size); }

/* What the masks of all SuperSlabs add up to. */
struct core_masks { size_t free, dirty, committed; };
static struct core_masks core_masks_sum;
static inline void core_add_masks(struct superslab *superslab) {
  core_masks_sum.free += (unsigned)__builtin_popcount(superslab->free_mask) * (size_t)UNIT_SIZE;
  core_masks_sum.dirty += (unsigned)__builtin_popcount(superslab->dirty_mask) * (size_t)UNIT_SIZE;
  core_masks_sum.committed += (unsigned)__builtin_popcount(superslab->committed_mask) * (size_t)UNIT_SIZE;
  require((superslab->dirty_mask & ~superslab->free_mask) == 0);
  require((superslab->dirty_mask & ~superslab->committed_mask) == 0);
}
/* Holds whenever no SuperSlab outside the region has been unmapped and no thread is at work. */
static inline void core_check_masks(void) {
  core_masks_sum = (struct core_masks){ 0, 0, 0 };
  registry_each_superslab(core_add_masks);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), core_masks_sum.dirty);
  ck_assert_uint_eq(counter_get(COUNT_COMMITTED_BYTES), core_masks_sum.committed);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS) * SUPERSLAB_SIZE,
                    core_masks_sum.free + counter_get(COUNT_SPAN_BYTES));
}

/* All bytes of [p, p + size) are value. */
static inline bool all_bytes(const void *p, size_t size, int value) {
  const unsigned char *bytes = p;
  return size == 0 || (bytes[0] == (unsigned char)value && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* ---- numbers, threads, children ---- */

static inline uint32_t core_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

static inline void in_thread(void *(*body)(void *), void *argument) {
  pthread_t thread;
  require(pthread_create(&thread, NULL, body, argument) == 0);
  require(pthread_join(thread, NULL) == 0);
}

/* The status of a child that runs body and then exits with 0. */
static inline int in_child(void (*body)(void)) {
  int status = -1;
  fflush(stdout);
  pid_t child = fork();
  require(child >= 0);
  if (child == 0) {
    body();
    _exit(0);
  }
  require(waitpid(child, &status, 0) == child);
  return status;
}

#endif
