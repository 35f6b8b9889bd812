/* semantics.c TEST - what programs rely on in the C library's malloc; the C library passes all of them. */
#include <config.h>

#include <malloc.h>
#include <stdio.h>

#include "program.h"

/* Sizes around every limit of a tier. */
static const size_t sizes[] = {
  0, 1, 15, 16, 17, 63, 64, 100, 1023, 1024, 1025, 2048, 4095, 4096, 4097, 32767, 32768, 32769,
  65536, 100000, 262144, 262145, 524288, 1048575, 1048576, 1048577, 2097152, 3000000, 8 << 20
};
enum { SIZES = sizeof sizes / sizeof *sizes };
static const size_t natural = sizeof(void *) == 8 ? 16 : 8;

static void test_alignment(void) {
  static void *block[5000];
  for (unsigned i = 0; i < 5000; i++) {
    block[i] = get(1 + i % 40);
    REQUIRE((uintptr_t)block[i] % natural == 0);
  }
  for (unsigned i = 0; i < 5000; i++) free(block[i]);
  for (unsigned i = 0; i < SIZES; i++) {
    void *p = get(sizes[i]), *q = opaque(calloc(1, sizes[i]));
    REQUIRE((uintptr_t)p % natural == 0 && (uintptr_t)q % natural == 0);
    p = opaque(realloc(p, sizes[i] + 1));
    REQUIRE((uintptr_t)p % natural == 0);
    free(p);
    free(q);
  }
}

static void free_all_ways(size_t size, int expected) {
  void *p = get(size);
  errno = expected;
  free(p);
  REQUIRE(errno == expected);
  p = opaque(memalign(64, size));
  errno = expected;
  free(p);
  REQUIRE(errno == expected);
  p = get(size);
  errno = expected;
  p = opaque(realloc(p, size + 1));
  REQUIRE(p != NULL && errno == expected);
  p = opaque(realloc(p, size * 3 + 5000));
  REQUIRE(p != NULL && errno == expected);
  p = opaque(realloc(p, 0));
  REQUIRE(p == NULL && errno == expected);
}

static void test_errno_kept(void) {
  for (unsigned i = 0; i < SIZES; i++)
    for (int value = 0; value < 3; value++) free_all_ways(sizes[i], value * 77);
  errno = 99;
  free(NULL);
  malloc_trim(0);
  REQUIRE(errno == 99);
  /* A lot at once: caches overflow, pages are purged, slabs are given back. */
  enum { COUNT = 30000 };
  static void *block[COUNT];
  uint32_t state = 5;
  for (unsigned i = 0; i < COUNT; i++) block[i] = get(next_random(&state) % 6000);
  for (unsigned i = 0; i < COUNT; i++) {
    errno = 1234;
    free(block[i]);
    REQUIRE(errno == 1234);
  }
}

static void test_usable_size(void) {
  REQUIRE(malloc_usable_size(NULL) == 0);
  for (unsigned i = 0; i < SIZES; i++) {
    unsigned char *block = get(sizes[i]);
    size_t usable = malloc_usable_size(block);
    REQUIRE(usable >= sizes[i]);
    memset(block, 0xa5, usable);
    unsigned char *neighbour = get(sizes[i]);
    memset(neighbour, 0x5a, malloc_usable_size(neighbour));
    REQUIRE(malloc_usable_size(block) == usable);
    for (size_t at = 0; at < usable; at++) REQUIRE(block[at] == 0xa5);
    free(neighbour);
    REQUIRE(malloc_usable_size(block) == usable);
    free(block);
  }
}

/* volatile: gcc knows that these sizes are too large and would warn. */
static volatile size_t too_large = (size_t)PTRDIFF_MAX + 1;
static volatile size_t near_all = SIZE_MAX - 100;
static volatile size_t all = SIZE_MAX;
static volatile size_t top_bit = ((size_t)1 << (sizeof(size_t) * 8 - 1));
static volatile size_t not_power_of_two = 24;

static void expect_enomem(void *p) {
  REQUIRE(p == NULL && errno == ENOMEM);
  errno = 0;
}

static void test_limits(void) {
  errno = 0;
  void *block = get(100);
  mark(block, 100, 8);
  expect_enomem(malloc(too_large));
  expect_enomem(malloc(near_all));
  expect_enomem(malloc(all));
  expect_enomem(calloc(too_large, 1));
  expect_enomem(calloc(all / 2, 3));
  expect_enomem(calloc(near_all / 4, 8));
  expect_enomem(realloc(block, too_large));
  expect_enomem(realloc(block, near_all));
  expect_enomem(reallocarray(block, near_all, 2));
  expect_enomem(memalign(64, near_all));
  expect_enomem(memalign(4096, too_large));
  expect_enomem(aligned_alloc(4096, too_large));
  expect_enomem(valloc(near_all));
  expect_enomem(pvalloc(near_all));
  void *untouched = block;
  REQUIRE(posix_memalign(&untouched, 64, near_all) == ENOMEM && untouched == block);
  REQUIRE(is_marked(block, 100, 8));
  free(block);
}

static void test_zero_sizes(void) {
  void *first = get(0), *second = get(0);
  REQUIRE(first != NULL && second != NULL && first != second);
  void *third = opaque(calloc(0, 5)), *fourth = opaque(calloc(5, 0));
  REQUIRE(third != NULL && fourth != NULL && third != fourth);
  REQUIRE(realloc(first, 0) == NULL);
  REQUIRE(reallocarray(second, 0, 8) == NULL);
  void *fifth = opaque(realloc(NULL, 0));
  REQUIRE(fifth != NULL);
  free(third);
  free(fourth);
  free(fifth);
}

static void test_alignments(void) {
  void *p = &p;
  REQUIRE(posix_memalign(&p, sizeof(void *) / 2, 10) == EINVAL && p == &p);
  REQUIRE(posix_memalign(&p, 24, 10) == EINVAL && p == &p);
  REQUIRE(posix_memalign(&p, 0, 10) == EINVAL && p == &p);
  errno = 0;
  REQUIRE(memalign(top_bit, 10) == NULL && errno == ENOMEM);
  for (unsigned shift = 3; shift <= 24; shift++) {
    size_t alignment = (size_t)1 << shift;
    for (unsigned i = 0; i < SIZES; i += 3) {
      REQUIRE(posix_memalign(&p, alignment, sizes[i]) == 0);
      REQUIRE((uintptr_t)p % alignment == 0 && malloc_usable_size(p) >= sizes[i]);
      mark(p, sizes[i], 3);
      free(p);
    }
  }
  p = opaque(memalign(not_power_of_two, 100));   /* the C library rounds up */
  REQUIRE(p != NULL && (uintptr_t)p % 32 == 0);
  free(p);
  p = opaque(valloc(10));
  REQUIRE(p != NULL && (uintptr_t)p % 4096 == 0);
  free(p);
  p = opaque(pvalloc(4097));
  REQUIRE(p != NULL && (uintptr_t)p % 4096 == 0 && malloc_usable_size(p) >= 8192);
  free(p);
}

static void test_mallinfo(void) {
  enum { COUNT = 1000 };
  static void *block[COUNT];
  struct mallinfo2 before = mallinfo2();
  for (unsigned i = 0; i < COUNT; i++) block[i] = get(2000);
  void *big = get(20 << 20);
  struct mallinfo2 during = mallinfo2();
  size_t in_use = during.uordblks + during.hblkhd - before.uordblks - before.hblkhd;
  REQUIRE(in_use >= COUNT * 2000 + (20 << 20) && in_use < COUNT * 2500 + (21 << 20));
  REQUIRE(during.arena > 0 && during.hblks >= before.hblks + 1);
  for (unsigned i = 0; i < COUNT; i++) free(block[i]);
  free(big);
  struct mallinfo2 after = mallinfo2();
  REQUIRE(after.uordblks + after.hblkhd <= before.uordblks + before.hblkhd + 65536);
  REQUIRE(after.fordblks > before.fordblks);
}

static void test_trim(void) {
  enum { COUNT = 20000, SIZE = 3000 };
  static void *block[COUNT];
  for (unsigned i = 0; i < COUNT; i++) {
    block[i] = get(SIZE);
    memset(block[i], 1, SIZE);
  }
  long peak = status_kib("/proc/self/status", "VmRSS");
  for (unsigned i = 0; i < COUNT; i++) free(block[i]);
  malloc_trim(0);
  long after = status_kib("/proc/self/status", "VmRSS");
  REQUIRE(after > 0 && after < peak - 50000);
  /* Nothing left to give back, or nearly: the second call may say either, but must not fail. */
  malloc_trim(0);
  struct workload load = { .state = 91 };
  workload_run(&load, 500);
  workload_end(&load);
}

static void test_reports(void) {
  free(get(5000));
  malloc_stats();
  REQUIRE(malloc_info(0, stdout) == 0);
  errno = 0;
  REQUIRE(malloc_info(1, stdout) != 0);
  REQUIRE(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
  REQUIRE(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
}

static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {
  { "alignment", test_alignment }, { "errno", test_errno_kept }, { "usable_size", test_usable_size },
  { "limits", test_limits }, { "zero", test_zero_sizes }, { "alignments", test_alignments },
  { "mallinfo", test_mallinfo }, { "trim", test_trim }, { "reports", test_reports },
};

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (strcmp(argv[1], tests[i].name) != 0) continue;
    tests[i].run();
    return 0;
  }
  fail_program("unknown test");
}
