/* check_os.c - the kernel's contract: mappings, the safe probe, limits, refusals. */
#include <config.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "align.h"
#include "os.h"
#include "unit.h"

typedef bool probe(const void *start, size_t size);
static probe *const probes[] = { os_readable_populate, os_readable_mincore, os_readable_msync };
enum { PROBES = 3 };

static bool sanitized(const char *what) {
  const char *sanitizer = getenv("HAK_TEST_SANITIZER");
  if (sanitizer == NULL || *sanitizer == '\0') return false;
  printf("skipped: %s (not with the %s sanitizer)\n", what, sanitizer);
  return true;
}

static bool all_zero(const char *p, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (p[i] != 0) return false;
  return true;
}

START_TEST(page_size_is_the_kernels) {
  os_init();
  ck_assert_uint_eq(os_page_size, (size_t)sysconf(_SC_PAGESIZE));
  ck_assert(is_power_of_two(os_page_size));
}
END_TEST

START_TEST(map_gives_zeroed_pages) {
  char *p = os_map(NULL, 4 * os_page_size);
  ck_assert_ptr_nonnull(p);
  ck_assert(all_zero(p, 4 * os_page_size));
  memset(p, 1, 4 * os_page_size);
  ck_assert(os_unmap(p, 4 * os_page_size));
  ck_assert(!os_readable_mincore(p, 1));
}
END_TEST

START_TEST(impossible_sizes_are_refused) {
  ck_assert_ptr_null(os_map(NULL, 0));
  ck_assert_ptr_null(os_map(NULL, SIZE_MAX));
  /* A 32-bit program has twice that under a 64-bit kernel. */
  if (sizeof(void *) == 8) ck_assert_ptr_null(os_map(NULL, (size_t)PTRDIFF_MAX));
  ck_assert_ptr_null(os_map_aligned(0, 65536));
  ck_assert_ptr_null(os_map_aligned(SIZE_MAX, 65536));
  ck_assert_ptr_null(os_map_aligned((size_t)PTRDIFF_MAX, 65536));
  ck_assert_ptr_null(os_map_aligned(65536, (SIZE_MAX >> 1) + 1));
  ck_assert_ptr_null(os_reserve(SIZE_MAX));
}
END_TEST

START_TEST(reserve_is_not_readable_until_committed) {
  skip_if_emulated();
  char *p = os_reserve(16 * os_page_size);
  ck_assert_ptr_nonnull(p);
  ck_assert(!os_readable_populate(p, 1));
  ck_assert(os_commit(p + os_page_size, os_page_size));
  ck_assert(os_readable_populate(p + os_page_size, os_page_size));
  ck_assert(!os_readable_populate(p + os_page_size, os_page_size + 1));
  p[os_page_size] = 1;
  ck_assert(os_unmap(p, 16 * os_page_size));
}
END_TEST

START_TEST(map_aligned_honours_every_alignment) {
  for (size_t alignment = os_page_size; alignment <= (size_t)64 << 20; alignment *= 2)
    for (size_t pages = 1; pages < 40; pages += 13) {
      char *p = os_map_aligned(pages * os_page_size, alignment);
      ck_assert_ptr_nonnull(p);
      ck_assert(is_aligned(p, alignment));
      p[0] = 1;
      p[pages * os_page_size - 1] = 1;
      ck_assert(os_unmap(p, pages * os_page_size));
    }
}
END_TEST

/* ---- counting and failing calls ---- */

static unsigned mmaps, munmaps;
static size_t mapped_bytes;
static long mremap_error;

static long counting_mmap(void *hint, size_t size, int prot, int flags) {
  mmaps++;
  mapped_bytes += size;
  return os_kernel.mmap(hint, size, prot, flags);
}
static long counting_munmap(void *start, size_t size) {
  munmaps++;
  mapped_bytes -= size;
  return os_kernel.munmap(start, size);
}
static long failing_mremap(void *start, size_t old_size, size_t new_size, int flags, void *target) {
  (void)start, (void)old_size, (void)new_size, (void)flags, (void)target;
  return mremap_error;
}
static long no_mmap(void *hint, size_t size, int prot, int flags) {
  (void)hint, (void)size, (void)prot, (void)flags;
  return -ENOMEM;
}
static long no_call(void *start, size_t size) {
  (void)start, (void)size;
  return -EPERM;
}
static long no_int_call(void *start, size_t size, int flag) {
  (void)start, (void)size, (void)flag;
  return -ENOSYS;
}

static struct os_ops counting_ops(void) {
  struct os_ops ops = os_kernel;
  ops.mmap = counting_mmap;
  ops.munmap = counting_munmap;
  mmaps = munmaps = 0;
  mapped_bytes = 0;
  return ops;
}

START_TEST(aligned_mappings_take_one_call_and_waste_nothing) {
  skip_if_emulated();
  enum { COUNT = 200 };
  static char *block[COUNT];
  struct os_ops ops = counting_ops();
  os_ops = &ops;
  size_t wanted = 0;
  for (size_t i = 0; i < COUNT; i++) {
    size_t size = (300 + i % 7) * os_page_size;
    block[i] = os_map_aligned(size, 65536);
    ck_assert_ptr_nonnull(block[i]);
    ck_assert(is_aligned(block[i], 65536));
    wanted += size;
  }
  ck_assert_uint_eq(mapped_bytes, wanted);
  ck_assert_uint_lt(mmaps + munmaps, COUNT + COUNT / 10);
  for (size_t i = 0; i < COUNT; i++) ck_assert(os_unmap(block[i], (300 + i % 7) * os_page_size));
  ck_assert_uint_eq(mapped_bytes, 0);
}
END_TEST

/* Else a long run of maps and unmaps walks down the whole address space, and the registry grows with it. */
START_TEST(unmapped_places_are_used_again) {
  char *lowest = NULL;
  for (int i = 0; i < 1000; i++) {
    char *p = os_map_aligned(2 * MIB + os_page_size, 65536);
    ck_assert_ptr_nonnull(p);
    if (i == 0) lowest = p;
    ck_assert_uint_lt((size_t)(p > lowest ? p - lowest : lowest - p), 64 * MIB);
    ck_assert(os_unmap(p, 2 * MIB + os_page_size));
  }
}
END_TEST

static long high_mmap(void *hint, size_t size, int prot, int flags) {
  (void)hint, (void)size, (void)prot, (void)flags;
  mmaps++;
  return (long)((uint64_t)1 << 48) - (long)os_page_size;
}
static long high_munmap(void *start, size_t size) {
  (void)start;
  munmaps++;
  mapped_bytes = size;
  return 0;
}

START_TEST(addresses_over_48_bits_are_refused) {
  if (sizeof(void *) < 8) return;
  struct os_ops ops = counting_ops();
  ops.mmap = high_mmap;
  ops.munmap = high_munmap;
  os_ops = &ops;
  ck_assert_ptr_nonnull(os_map(NULL, os_page_size));
  ck_assert_ptr_null(os_map(NULL, 2 * os_page_size));
  ck_assert_uint_eq(munmaps, 1);
  ck_assert_uint_eq(mapped_bytes, 2 * os_page_size);
  ck_assert_ptr_null(os_map_aligned(2 * os_page_size, 65536));
  ck_assert_ptr_null(os_reserve(2 * os_page_size));
  ck_assert_uint_eq(mmaps, munmaps + 1);
}
END_TEST

START_TEST(refusals_are_null_or_false) {
  char *p = os_map(NULL, 4 * os_page_size);
  p[0] = 'x';
  struct os_ops ops = { no_mmap, no_call, no_int_call, no_int_call, failing_mremap };
  mremap_error = -EPERM;
  os_ops = &ops;
  errno = 4711;
  ck_assert_ptr_null(os_map(NULL, os_page_size));
  ck_assert_ptr_null(os_map_aligned(os_page_size, 65536));
  ck_assert_ptr_null(os_reserve(os_page_size));
  ck_assert(!os_unmap(p, 4 * os_page_size));
  ck_assert(!os_commit(p, os_page_size));
  ck_assert(!os_purge(p, os_page_size));
  ck_assert(!os_populate(p, os_page_size));
  ck_assert(!os_dont_dump(p, os_page_size));
  ck_assert(!os_advise_huge(p, os_page_size, OS_HUGE_ASK));
  ck_assert(!os_readable_populate(p, 1));
  ck_assert(!os_resize_in_place(p, os_page_size, 2 * os_page_size));
  ck_assert_int_eq(errno, 4711);
  ck_assert_int_eq(p[0], 'x');
}
END_TEST

START_TEST(purged_pages_read_as_zero) {
  char *p = os_map(NULL, 2 * os_page_size);
  memset(p, 1, 2 * os_page_size);
  ck_assert(os_purge(p, os_page_size));
  ck_assert(all_zero(p, os_page_size));
  ck_assert_int_eq(p[os_page_size], 1);
}
END_TEST

START_TEST(locked_pages_are_not_purged) {
  if (sanitized("locked_pages_are_not_purged")) return;
  char *p = os_map(NULL, os_page_size);
  memset(p, 1, os_page_size);
  if (mlock(p, os_page_size) != 0) {
    printf("skipped: memory cannot be locked here\n");
    return;
  }
  ck_assert(!os_purge(p, os_page_size));
  ck_assert_int_eq(p[0], 1);
}
END_TEST

START_TEST(resize_in_place_shrinks_and_grows) {
  char *p = os_map(NULL, 8 * os_page_size);
  memset(p, 1, 8 * os_page_size);
  ck_assert(os_resize_in_place(p, 8 * os_page_size, 2 * os_page_size));
  ck_assert(!os_readable_mincore(p + 2 * os_page_size, 1));
  ck_assert(os_resize_in_place(p, 2 * os_page_size, 4 * os_page_size));
  ck_assert_int_eq(p[2 * os_page_size - 1], 1);
  ck_assert(all_zero(p + 2 * os_page_size, 2 * os_page_size));
}
END_TEST

START_TEST(move_takes_pages_to_the_target) {
  char *p = os_map(NULL, 2 * os_page_size);
  memset(p, 7, 2 * os_page_size);
  char *target = os_map_aligned(4 * os_page_size, 65536);
  ck_assert(os_move(p, 2 * os_page_size, target, 4 * os_page_size));
  ck_assert_int_eq(target[0], 7);
  ck_assert_int_eq(target[2 * os_page_size - 1], 7);
  ck_assert(all_zero(target + 2 * os_page_size, 2 * os_page_size));
  ck_assert(!os_readable_mincore(p, 1));
}
END_TEST

START_TEST(failed_move_gives_the_target_back) {
  char *p = os_map(NULL, 2 * os_page_size);
  p[0] = 7;
  char *target = os_map_aligned(4 * os_page_size, 65536);
  struct os_ops ops = counting_ops();
  ops.mremap = failing_mremap;
  os_ops = &ops;
  mremap_error = -EPERM;
  ck_assert(!os_move(p, 2 * os_page_size, target, 4 * os_page_size));
  ck_assert_uint_eq(munmaps, 1);
  ck_assert(!os_readable_mincore(target, 1));
  ck_assert_int_eq(p[0], 7);
}
END_TEST

/* A source that is two mappings: the kernel has unmapped the target when it says so, and
   the address may be someone else's by then. */
START_TEST(failed_move_of_a_split_source_leaves_the_target_alone) {
  char *p = os_map(NULL, 2 * os_page_size);
  memset(p, 7, 2 * os_page_size);
  char *target = os_map_aligned(4 * os_page_size, 65536);
  struct os_ops ops = counting_ops();
  ops.mremap = failing_mremap;
  os_ops = &ops;
  mremap_error = -EFAULT;
  ck_assert(!os_move(p, 2 * os_page_size, target, 4 * os_page_size));
  ck_assert_uint_eq(munmaps, 0);
  os_ops = &os_kernel;
  ck_assert_int_eq(mprotect(p, os_page_size, PROT_READ), 0);
  ck_assert(!os_move(p, 2 * os_page_size, target, 4 * os_page_size));
  ck_assert_int_eq(p[os_page_size], 7);
}
END_TEST

/* ---- the probe ---- */

START_TEST(probe_needs_no_alignment) {
  skip_if_emulated();
  char *p = os_map(NULL, 2 * os_page_size);
  for (size_t i = 0; i < PROBES; i++) {
    ck_assert(probes[i](p, 1));
    ck_assert(probes[i](p + 13, 100));
    ck_assert(probes[i](p + os_page_size - 1, 2));
    ck_assert(probes[i](p, 2 * os_page_size));
    if (getenv("LARGE_PAGES") != NULL) continue;   /* tests/pages: what the program was loaded into has the real ones */
    ck_assert(probes[i](&p, sizeof p));
    ck_assert(probes[i]("text", 4));
  }
}
END_TEST

START_TEST(probe_looks_at_every_page) {
  skip_if_emulated();
  char *p = os_map(NULL, 3 * os_page_size);
  ck_assert(os_unmap(p + os_page_size, os_page_size));
  for (size_t i = 0; i < PROBES; i++) {
    ck_assert(probes[i](p, os_page_size));
    ck_assert(!probes[i](p, os_page_size + 1));
    ck_assert(!probes[i](p + os_page_size - 4, 8));
    ck_assert(!probes[i](p + os_page_size, 1));
    ck_assert(!probes[i](p + 2 * os_page_size - 4, 8));
    ck_assert(!probes[i](p, 3 * os_page_size));
    ck_assert(probes[i](p + 2 * os_page_size, os_page_size));
  }
}
END_TEST

START_TEST(probe_refuses_addresses_that_cannot_be) {
  skip_if_emulated();
  static const uintptr_t impossible[] = {
    0, 1, 0x1000, UINTPTR_MAX, UINTPTR_MAX - 4095, UINTPTR_MAX - 8192,
#if UINTPTR_MAX > 0xffffffff   /* the edges of user space, the kernel half, what is in neither */
    0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffff81000000, 0x8000000000000000,
    0x7ffffffffffffff8, 0x4141414141414141,
#endif
  };
  for (size_t i = 0; i < PROBES; i++)
    for (size_t k = 0; k < sizeof impossible / sizeof *impossible; k++) {
      const void *p = (const void *)impossible[k];
      ck_assert_msg(!probes[i](p, 1) && !probes[i](p, 16) && !probes[i](p, SIZE_MAX), "probe %zu, %p", i, p);
    }
  char *p = os_map(NULL, os_page_size);
  for (size_t i = 0; i < PROBES; i++) ck_assert(!probes[i](p, SIZE_MAX - (uintptr_t)p - 1));
}
END_TEST

/* Mapped is not readable: only the default probe can tell. */
START_TEST(populate_probe_refuses_what_is_mapped_but_unreadable) {
  skip_if_emulated();
  char *p = os_map(NULL, 3 * os_page_size);
  ck_assert_int_eq(mprotect(p + os_page_size, os_page_size, PROT_NONE), 0);
  ck_assert(!os_readable_populate(p + os_page_size, 1));
  ck_assert(!os_readable_populate(p + os_page_size - 8, 16));
  ck_assert(os_readable_populate(p, os_page_size));
  ck_assert(os_readable_mincore(p + os_page_size, 1));
  ck_assert(os_readable_msync(p + os_page_size, 1));

  if (getenv("LARGE_PAGES") != NULL) return;   /* tests/pages: files end with a page of the kernel's */
  FILE *file = tmpfile();
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(ftruncate(fileno(file), 10), 0);
  char *view = mmap(NULL, 2 * os_page_size, PROT_READ, MAP_SHARED, fileno(file), 0);
  ck_assert_ptr_ne(view, MAP_FAILED);
  ck_assert(os_readable_populate(view, 10));
  ck_assert(!os_readable_populate(view + os_page_size, 1));
}
END_TEST

/* An emulator that says yes to every advice. */
static long yes_to_all(void *start, size_t size, int advice) {
  (void)start;
  (void)size;
  (void)advice;
  return 0;
}
START_TEST(populate_probe_believes_no_flatterer) {
  struct os_ops ops = os_kernel;
  ops.madvise = yes_to_all;
  os_ops = &ops;
  char *p = os_map(NULL, os_page_size);
  ck_assert(!os_readable_populate(p, 1));
  ck_assert(!os_readable_populate((void *)os_page_size, 1));
  ck_assert(os_readable_mincore(p, 1));
}
END_TEST

START_TEST(probe_keeps_errno) {
  skip_if_emulated();
  errno = 4711;
  for (size_t i = 0; i < PROBES; i++) {
    ck_assert(!probes[i]((void *)0x1000, 16));
    ck_assert_int_eq(errno, 4711);
  }
}
END_TEST

/* ---- clock, brk, limits ---- */

START_TEST(clock_moves_forward) {
  uint64_t before = os_now_ms();
  usleep(30000);
  uint64_t after = os_now_ms();
  ck_assert_uint_ge(after - before, 20);
  ck_assert_uint_lt(after - before, 5000);
}
END_TEST

START_TEST(brk_is_the_kernels) {
  os_init();
  ck_assert_uint_eq(os_brk_now(), (uintptr_t)sbrk(0));
  uintptr_t before = os_brk_now();
  extern char end;   /* of the program's image */
  ck_assert_uint_le(os_brk_start, before);
  ck_assert_uint_ge(os_brk_start, (uintptr_t)&end);
  if (sbrk(8192) == (void *)-1) return;
  ck_assert_uint_eq(os_brk_now() - before, 8192);
}
END_TEST

START_TEST(address_space_left_follows_the_limit) {
  skip_if(getenv("LARGE_PAGES") != NULL, "the kernel counts in pages of its own");
  skip_if_emulated();
  ck_assert_uint_eq(os_address_space_left(), SIZE_MAX);
  if (sanitized("address_space_left_follows_the_limit")) return;
  struct rlimit limit = { 512 << 20, 512 << 20 };
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
  size_t left = os_address_space_left();
  ck_assert_uint_lt(left, 512 << 20);
  ck_assert_uint_gt(left, 256 << 20);
  ck_assert_ptr_nonnull(os_reserve(100 << 20));
  size_t later = os_address_space_left();
  ck_assert_uint_eq(left - later, 100 << 20);
}
END_TEST

START_TEST(threads_and_futexes) {
  ck_assert_int_eq(os_getpid(), getpid());
  uint32_t word = 5;
  errno = 4711;
  os_futex_wait(&word, 4);   /* another value: returns at once, or the test times out */
  os_futex_wake(&word, 1);
  os_yield();
  ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(write_says_what_failed) {
  int pair[2];
  ck_assert_int_eq(pipe(pair), 0);
  errno = 4711;
  ck_assert_int_eq(os_write(pair[1], "text", 4), 4);
  char text[8];
  ck_assert_int_eq(read(pair[0], text, sizeof text), 4);
  ck_assert_int_eq(os_write(-1, "text", 4), -EBADF);
  ck_assert_int_eq(errno, 4711);
}
END_TEST

/* ---- filters ---- */

/* From here on all but exit is answered with the error. */
static void refuse_everything(unsigned error) {
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { sizeof code / sizeof *code, code };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(77);
}

/* Each answer that is wrong is a bit. */
static int ask_everything(char *p) {
  uint32_t word = 1;
  int wrong = 0;
  wrong |= (os_map(NULL, os_page_size) != NULL || os_map_aligned(os_page_size, 65536) != NULL) << 0;
  wrong |= (os_unmap(p, os_page_size) || os_commit(p, os_page_size) || os_purge(p, os_page_size)) << 1;
  wrong |= os_resize_in_place(p, os_page_size, 2 * os_page_size) << 2;
  wrong |= (os_readable_populate(p, 1) || os_readable_mincore(p, 1) || os_readable_msync(p, 1)) << 3;
  wrong |= (os_brk_now() != 0) << 4;
  wrong |= (os_address_space_left() != SIZE_MAX) << 5;
  os_futex_wait(&word, 1);
  os_futex_wake(&word, 1);
  os_yield();
  return wrong;
}

START_TEST(calls_that_a_filter_refuses_are_survived) {
  if (sanitized("calls_that_a_filter_refuses_are_survived")) return;
  static const unsigned errors[] = { ENOSYS, EPERM };
  char *p = os_map(NULL, os_page_size);
  for (size_t i = 0; i < 2; i++) {
    pid_t child = fork();
    if (child == 0) {
      refuse_everything(errors[i]);
      _exit(ask_everything(p));
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
      printf("skipped: no filters here\n");
      return;
    }
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
  }
}
END_TEST

UNIT_MAIN_WITH("os", os_init, NULL, page_size_is_the_kernels, map_gives_zeroed_pages, impossible_sizes_are_refused,
          reserve_is_not_readable_until_committed, map_aligned_honours_every_alignment,
          aligned_mappings_take_one_call_and_waste_nothing, unmapped_places_are_used_again,
          addresses_over_48_bits_are_refused, refusals_are_null_or_false, purged_pages_read_as_zero,
          locked_pages_are_not_purged, resize_in_place_shrinks_and_grows, move_takes_pages_to_the_target,
          failed_move_gives_the_target_back, failed_move_of_a_split_source_leaves_the_target_alone,
          probe_needs_no_alignment, probe_looks_at_every_page, probe_refuses_addresses_that_cannot_be,
          populate_probe_refuses_what_is_mapped_but_unreadable, populate_probe_believes_no_flatterer,
          probe_keeps_errno, clock_moves_forward,
          brk_is_the_kernels, address_space_left_follows_the_limit, threads_and_futexes,
          write_says_what_failed,
          calls_that_a_filter_refuses_are_survived)
