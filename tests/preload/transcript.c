/* transcript.c - says what each function of the malloc family returns in each odd case, and what errno is
   after it. One run with and one without the interposer must say the same. "info": the reports only. */
#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 77 };

/* volatile: the compiler would warn of what it knows to be impossible, and must call each function. */
static volatile size_t largest = PTRDIFF_MAX, everything = SIZE_MAX, half = SIZE_MAX / 2 + 1;
static volatile size_t zero = 0, five = 5, page = 4096, three = 3, twenty_four = 24;

static void say_errno(int error) {
  if (error == KEPT) {
    puts("errno kept");
  } else {
    printf("errno %d\n", error);
  }
}

static void say_block(const char *what, void *block, int error) {
  printf("%s: %s, ", what, block != NULL ? "a block" : "NULL");
  say_errno(error);
  free(block);
}

static void say_number(const char *what, long number, int error) {
  printf("%s: %ld, ", what, number);
  say_errno(error);
}

#define BLOCK(call)                 \
  do {                              \
    errno = KEPT;                   \
    void *block = (call);           \
    say_block(#call, block, errno); \
  } while (0)

#define NUMBER(call)                  \
  do {                                \
    errno = KEPT;                     \
    long number = (long)(call);       \
    say_number(#call, number, errno); \
  } while (0)

static void sizes(void) {
  BLOCK(malloc(zero));
  BLOCK(malloc(largest + 1));
  BLOCK(malloc(everything));
  BLOCK(calloc(zero, five));
  BLOCK(calloc(five, zero));
  BLOCK(calloc(half, 2));
  BLOCK(calloc(everything, 1));
  BLOCK(calloc(everything, everything));
  BLOCK(realloc(NULL, zero));
  BLOCK(realloc(NULL, five));
  BLOCK(realloc(NULL, everything));
  BLOCK(realloc(malloc(five), zero));
  BLOCK(realloc(malloc(page * 1000), zero));
  BLOCK(reallocarray(NULL, half, 2));
  BLOCK(reallocarray(NULL, zero, zero));
  BLOCK(reallocarray(NULL, five, five));
  BLOCK(reallocarray(malloc(five), zero, 2));
  char *volatile block = malloc(five);
  memcpy(block, "text", 5);
  NUMBER(realloc(block, everything) == NULL);
  NUMBER(reallocarray(block, half, 3) == NULL);
  NUMBER(strcmp(block, "text"));
  free(block);
}

static void alignments(void) {
  BLOCK(memalign(zero, five));
  BLOCK(memalign(three, five));
  BLOCK(memalign(twenty_four, five));
  BLOCK(memalign(page, zero));
  BLOCK(memalign(half, five));
  BLOCK(memalign(half + 1, five));
  BLOCK(memalign(half + 1, everything));
  BLOCK(memalign(everything, five));
  BLOCK(memalign(8, everything));
  BLOCK(memalign(64, largest));
  BLOCK(aligned_alloc(64, five));
  BLOCK(aligned_alloc(half, five));
  BLOCK(aligned_alloc(64, everything));
  BLOCK(valloc(zero));
  BLOCK(valloc(largest));
  BLOCK(valloc(everything));
  BLOCK(pvalloc(zero));
  BLOCK(pvalloc(largest));
  BLOCK(pvalloc(everything - page + 2));
  BLOCK(pvalloc(everything));
  for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
    void *near = memalign(alignment - alignment / 4, 100), *exact = aligned_alloc(alignment, 100);
    printf("%zu: %d %d\n", alignment, (uintptr_t)near % alignment == 0, (uintptr_t)exact % alignment == 0);
    free(near);
    free(exact);
  }
}

static void posix(void) {
  void *block = &block;
  NUMBER(posix_memalign(&block, zero, five));
  NUMBER(posix_memalign(&block, sizeof(void *) / 2, five));
  NUMBER(posix_memalign(&block, 24, five));
  NUMBER(posix_memalign(&block, 7, everything));
  NUMBER(posix_memalign(&block, everything, five));
  NUMBER(posix_memalign(&block, 64, everything));
  NUMBER(posix_memalign(&block, half, five));
  NUMBER(block == (void *)&block);
  NUMBER(posix_memalign(&block, 64, zero));
  NUMBER((uintptr_t)block % 64);
  free(block);
}

static void settings(void) {
  for (int parameter = -9; parameter <= 9; parameter++) NUMBER(mallopt(parameter, 1));
  NUMBER(mallopt(1000, 1));
  NUMBER(mallopt(M_MXFAST, 0));
  NUMBER(mallopt(M_MXFAST, (int)(80 * sizeof(size_t) / 4)));
  NUMBER(mallopt(M_MXFAST, (int)(80 * sizeof(size_t) / 4) + 1));
  NUMBER(mallopt(M_MXFAST, -1));
  NUMBER(mallopt(M_MMAP_THRESHOLD, -1));
  NUMBER(mallopt(M_ARENA_MAX, 0));
  NUMBER(malloc_info(1, stdout));
  NUMBER(malloc_usable_size(NULL));
}

static void freeing(void) {
  static const size_t all[] = { 0, 100, 5000, 100000, 5000000 };
  NUMBER((free(NULL), 0));
  for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
    void *block = malloc(all[i]);
    NUMBER(malloc_usable_size(block) >= all[i]);
    NUMBER((free(block), 0));
  }
  void *aligned = memalign(1 << 16, 100);
  NUMBER((free(aligned), 0));
}

/* mallinfo is deprecated for its width only. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* In one run figures go up by what was got, and down again. */
static void figures(void) {
  void *block[100];
  void *volatile big = NULL;
  struct mallinfo2 before = mallinfo2();
  for (int i = 0; i < 100; i++) block[i] = malloc(2000);
  big = malloc(20 << 20);
  struct mallinfo2 full = mallinfo2();
  struct mallinfo narrow = mallinfo();
  for (int i = 0; i < 100; i++) free(block[i]);
  free(big);
  struct mallinfo2 after = mallinfo2();
  size_t grown = full.uordblks - before.uordblks, mapped = full.hblkhd - before.hblkhd;
  printf("in use: %d\n", grown >= 200000 && grown <= 300000);
  printf("mapped: %d %zu\n", mapped >= 20 << 20 && mapped <= 21 << 20, full.hblks - before.hblks);
  printf("arena: %d\n", full.arena >= full.uordblks && full.uordblks + full.fordblks == full.arena);
  printf("narrow: %d\n", (size_t)narrow.uordblks == full.uordblks && (size_t)narrow.hblkhd == full.hblkhd);
  printf("after: %d %d\n", after.uordblks <= before.uordblks, after.hblkhd == before.hblkhd);
}

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "info") == 0) {
    void *volatile block = malloc(100);
    free(block);
    malloc_stats();
    return malloc_info(0, stdout);
  }
  setvbuf(stdout, NULL, _IONBF, 0);
  sizes();
  alignments();
  posix();
  freeing();
  figures();
  settings();   /* last: they change where glibc puts blocks */
  return 0;
}
