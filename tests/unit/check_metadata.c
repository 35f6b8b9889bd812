/* check_metadata.c - memory for the library's own structures. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "align.h"
#include "metadata.h"
#include "os.h"
#include "unit.h"

static unsigned mmaps, munmaps;
static bool refuse;

static long counting_mmap(void *hint, size_t size, int prot, int flags) {
  if (refuse) return -ENOMEM;
  __atomic_fetch_add(&mmaps, 1, __ATOMIC_RELAXED);
  return os_kernel.mmap(hint, size, prot, flags);
}
static long counting_munmap(void *start, size_t size) {
  __atomic_fetch_add(&munmaps, 1, __ATOMIC_RELAXED);
  return os_kernel.munmap(start, size);
}

static struct os_ops ops;
static void count_calls(void) {
  ops = os_kernel;
  ops.mmap = counting_mmap;
  ops.munmap = counting_munmap;
  os_ops = &ops;
}

/* Takes size bytes, checks them and leaves a mark in them. */
static char *take(size_t size, int mark) {
  char *p = metadata_alloc(size);
  ck_assert_ptr_nonnull(p);
  ck_assert(is_aligned(p, CACHE_LINE));
  for (size_t i = 0; i < size; i++) ck_assert_int_eq(p[i], 0);
  memset(p, mark, size);
  return p;
}

START_TEST(small_needs_cost_no_mapping) {
  count_calls();
  for (int i = 0; i < 100; i++) take(1 + (size_t)i % 150, 1);
  ck_assert_uint_eq(mmaps, 0);
  ck_assert_uint_eq(metadata_bytes(), 16 * KIB);
}
END_TEST

START_TEST(blocks_are_zeroed_and_apart) {
  enum { COUNT = 3000 };
  static char *block[COUNT];
  static size_t size[COUNT];
  for (int i = 0; i < COUNT; i++) {
    size[i] = (size_t)(i * 37 % 500) + 1;
    block[i] = take(size[i], i & 0x7f);
  }
  for (int i = 0; i < COUNT; i++)
    for (size_t k = 0; k < size[i]; k++) ck_assert_int_eq(block[i][k], i & 0x7f);
}
END_TEST

START_TEST(chunks_are_shared_by_many_blocks) {
  count_calls();
  for (int i = 0; i < 4096; i++) take(64, 1);   /* 256 KiB, 16 of them from .bss */
  ck_assert_uint_eq(mmaps, 4);
  ck_assert_uint_eq(metadata_bytes(), (16 + 4 * 64) * KIB);
}
END_TEST

START_TEST(large_blocks_leave_the_chunk_alone) {
  count_calls();
  char *before = take(64, 1);
  take(100 * KIB + 1, 2);
  char *after = take(64, 3);
  ck_assert_ptr_eq(after, before + 64);
  ck_assert_uint_eq(mmaps, 1);
  ck_assert_uint_eq(metadata_bytes(), 16 * KIB + align_up(100 * KIB + 1, os_page_size));
}
END_TEST

START_TEST(impossible_sizes_are_null) {
  ck_assert_ptr_null(metadata_alloc(SIZE_MAX));
  ck_assert_ptr_null(metadata_alloc((size_t)PTRDIFF_MAX));
  ck_assert_uint_eq(metadata_bytes(), 16 * KIB);
}
END_TEST

START_TEST(no_memory_is_null_and_later_calls_work) {
  count_calls();
  refuse = true;
  unsigned given = 0;
  while (given < 10000 && metadata_alloc(256) != NULL) given++;
  ck_assert_uint_eq(given, 16 * KIB / 256);
  ck_assert_ptr_null(metadata_alloc(MIB));
  ck_assert_uint_eq(metadata_bytes(), 16 * KIB);
  refuse = false;
  take(256, 1);
}
END_TEST

enum { THREADS = 4, ROUNDS = 2000 };
static void *fill(void *number) {
  static char *block[THREADS][ROUNDS];
  char **mine = block[*(int *)number];
  for (int i = 0; i < ROUNDS; i++) mine[i] = take(128, 1 + *(int *)number);
  for (int i = 0; i < ROUNDS; i++)
    for (int k = 0; k < 128; k++) ck_assert_int_eq(mine[i][k], 1 + *(int *)number);
  return NULL;
}

/* A chunk that came too late is unmapped, so that what is counted is what was used. */
START_TEST(threads_do_not_share_or_lose_memory) {
  count_calls();
  pthread_t thread[THREADS];
  int number[THREADS];
  for (int i = 0; i < THREADS; i++) {
    number[i] = i;
    ck_assert_int_eq(pthread_create(&thread[i], NULL, fill, &number[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  size_t used = (size_t)THREADS * ROUNDS * 128;
  ck_assert_uint_eq(metadata_bytes(), 16 * KIB + align_up(used - 16 * KIB, 64 * KIB));
  ck_assert_uint_eq((mmaps - munmaps) * 64 * KIB + 16 * KIB, metadata_bytes());
}
END_TEST

START_TEST(fork_keeps_the_lock_whole) {
  metadata_fork_prepare();
  pid_t child = fork();
  metadata_fork_release(child == 0);
  char *p = take(1000, 1);
  if (child == 0) _exit(p != NULL ? 0 : 1);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

UNIT_MAIN("metadata", small_needs_cost_no_mapping, blocks_are_zeroed_and_apart,
          chunks_are_shared_by_many_blocks, large_blocks_leave_the_chunk_alone,
          impossible_sizes_are_null, no_memory_is_null_and_later_calls_work,
          threads_do_not_share_or_lose_memory, fork_keeps_the_lock_whole)
