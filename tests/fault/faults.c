/* faults.c - see faults.h. Counters are atomic: threads may call. */
#include <config.h>

#include "faults.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "os.h"

const char *const fault_names[FAULT_CALLS] = { "mmap", "munmap", "mprotect", "madvise", "mremap" };

static unsigned long seen, injected;
static unsigned long window_first, window_count;
static unsigned window_kinds, random_kinds, random_chance;
static uint32_t random_state;
static enum fault_call last_kind;

static bool in_window(enum fault_call kind) {
  if ((window_kinds >> kind & 1) == 0) return false;
  unsigned long number = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
  return number >= window_first && number - window_first < window_count;
}

static bool by_chance(enum fault_call kind) {
  if ((random_kinds >> kind & 1) == 0) return false;
  uint32_t value = __atomic_add_fetch(&random_state, 0x9e3779b9U, __ATOMIC_RELAXED);
  value = (value ^ value >> 16) * 0x85ebca6bU;
  return (value ^ value >> 13) % 1000 < random_chance;
}

static bool must_fail(enum fault_call kind) {
  if (!in_window(kind) && !by_chance(kind)) return false;
  __atomic_fetch_add(&injected, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&last_kind, kind, __ATOMIC_RELAXED);
  return true;
}

static long failing_mmap(void *hint, size_t size, int prot, int flags) {
  return must_fail(FAULT_MMAP) ? -ENOMEM : os_kernel.mmap(hint, size, prot, flags);
}
static long failing_munmap(void *start, size_t size) {
  return must_fail(FAULT_MUNMAP) ? -ENOMEM : os_kernel.munmap(start, size);
}
static long failing_mprotect(void *start, size_t size, int prot) {
  return must_fail(FAULT_MPROTECT) ? -ENOMEM : os_kernel.mprotect(start, size, prot);
}
static long failing_madvise(void *start, size_t size, int advice) {
  return must_fail(FAULT_MADVISE) ? -EINVAL : os_kernel.madvise(start, size, advice);
}
/* As the kernel fails: a move that it has begun has cost the target, one that a filter refuses has not. */
static long failing_mremap(void *start, size_t old_size, size_t new_size, int flags, void *target) {
  if (!must_fail(FAULT_MREMAP)) return os_kernel.mremap(start, old_size, new_size, flags, target);
  if ((flags & MREMAP_FIXED) == 0) return -ENOMEM;
  if (__atomic_load_n(&injected, __ATOMIC_RELAXED) % 2 == 0) return -EPERM;
  os_kernel.munmap(target, new_size);
  return -ENOMEM;
}

static const struct os_ops failing = {
  failing_mmap, failing_munmap, failing_mprotect, failing_madvise, failing_mremap
};

void faults_install(void) { os_ops = &failing; }

void faults_at(unsigned long first, unsigned long count, unsigned kinds) {
  window_first = first;
  window_count = count;
  window_kinds = kinds;
  seen = 0;
}

void faults_at_random(unsigned chance, unsigned kinds, unsigned seed) {
  random_chance = chance;
  random_state = seed;
  random_kinds = kinds;
}

void faults_stop(void) { window_kinds = random_kinds = 0; }

unsigned long faults_calls_seen(void) { return __atomic_load_n(&seen, __ATOMIC_RELAXED); }
unsigned long faults_injected(void) { return __atomic_load_n(&injected, __ATOMIC_RELAXED); }
enum fault_call faults_last_kind(void) { return __atomic_load_n(&last_kind, __ATOMIC_RELAXED); }
