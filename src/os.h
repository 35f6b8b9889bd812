/* os.h - the kernel as a contract. Layer 2.

   Every function is a raw system call: it never enters the C library's
   wrappers, which another preloaded object may have replaced, and never touches
   errno. Failure is NULL or false; memory is unchanged then.
   None may be called with a lock held but that of the start (debug builds check). */
#ifndef HAKMEM_OS_H
#define HAKMEM_OS_H

#include <sys/types.h>
#include "compiler.h"

/* Size of a page: known after os_init(), a power of two, 4 to 64 KiB. */
extern size_t os_page_size;
void os_init(void);

/* Address space, PROT_NONE, MAP_NORESERVE; NULL when refused. */
void *os_reserve(size_t size);
/* Zeroed, readable and writable pages; NULL when refused. hint: an address to try, or NULL. */
void *os_map(void *hint, size_t size);
/* The same, with the start aligned (a power of two >= the page size). */
void *os_map_aligned(size_t size, size_t alignment);
bool os_unmap(void *start, size_t size);
/* For a range that nobody uses any more: unmaps it, now or, if the kernel refuses, later (os_retry_unmap). */
void os_discard(void *start, size_t size);
/* Makes reserved pages readable and writable. */
bool os_commit(void *start, size_t size);
/* Makes pages read-only. */
bool os_protect(void *start, size_t size);
/* Gives pages back: they read as zero afterwards. False: they are unchanged (locked memory, say). */
bool os_purge(void *start, size_t size);
/* mremap in place. */
bool os_resize_in_place(void *start, size_t old_size, size_t new_size);
/* mremap with a move onto target, which is a mapping of ours of new_size bytes that it replaces.
   False: the memory at start is unchanged, and target is not ours any more (given back). */
bool os_move(void *start, size_t old_size, void *target, size_t new_size);

enum os_huge { OS_HUGE_NEVER, OS_HUGE_ASK };
/* Transparent huge pages in a range. */
bool os_advise_huge(void *start, size_t size, enum os_huge want);
/* Faults pages in for writing (MADV_POPULATE_WRITE); false where the kernel has it not. */
bool os_populate(void *start, size_t size);
/* Excludes a range from core dumps. */
bool os_dont_dump(void *start, size_t size);

/* The safe probe: true if all pages that [start, start+size) touches can be read.
   Three variants, for HAKMEM_EXTERNAL_GUARD. start need not be aligned. */
bool os_readable_populate(const void *start, size_t size);
bool os_readable_mincore(const void *start, size_t size);
bool os_readable_msync(const void *start, size_t size);

/* Milliseconds of a monotonic, coarse clock (through the vDSO). */
uint64_t os_now_ms(void);
/* The current end of the C library's brk heap, and its start as seen by os_init(). */
uintptr_t os_brk_now(void);
extern uintptr_t os_brk_start;
/* Address space still allowed by RLIMIT_AS, SIZE_MAX when unlimited. Start only: reads /proc/self/statm. */
size_t os_address_space_left(void);
/* Writable private memory still allowed by RLIMIT_DATA, likewise. */
size_t os_data_space_left(void);
/* Lets other threads run for a moment, without sched_yield, which filters may answer with death. */
void os_yield(void);
/* Waits while *word == value; returns at a wake or for no reason. */
void os_futex_wait(uint32_t *word, uint32_t value);
void os_futex_wake(uint32_t *word, int count);
/* As write(2), but -errno on failure, and not cut short by signals before the first byte. */
ssize_t os_write(int fd, const void *data, size_t size);
int os_getpid(void);
/* The thread that the process began with, or that forked it. */
bool os_is_first_thread(void);

/* Discarded ranges that the kernel refused to unmap are remembered (lock of rank OS), and tried again
   after each unmap that works, or here. */
void os_retry_unmap(void);
void os_fork_prepare(void);
void os_fork_release(bool child);

/* What the module asks the kernel through; tests replace it to inject faults.
   Each returns what the system call returns: -errno on failure. */
struct os_ops {
  long (*mmap)(void *hint, size_t size, int prot, int flags);
  long (*munmap)(void *start, size_t size);
  long (*mprotect)(void *start, size_t size, int prot);
  long (*madvise)(void *start, size_t size, int advice);
  long (*mremap)(void *start, size_t old_size, size_t new_size, int flags, void *target);
};
extern const struct os_ops os_kernel;      /* the real ones */
extern const struct os_ops *os_ops;        /* the ones in use */

#endif
