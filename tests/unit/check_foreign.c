/* check_foreign.c - what is plausibly a block of the C library's malloc, which malloc() is here. */
#include <config.h>

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "align.h"
#include "bad_free.h"
#include "libc_door.h"
#include "options.h"
#include "os.h"
#include "unit.h"

static const enum external_guard guards[] = { GUARD_POPULATE, GUARD_MINCORE, GUARD_MSYNC };
enum { GUARDS = 3 };

/* The heap's start, as a library that was there before the first malloc saw it. */
static uintptr_t heap_start(void) {
  char line[512];
  unsigned long start = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  ck_assert_ptr_nonnull(maps);
  while (fgets(line, sizeof line, maps) != NULL)
    if (strstr(line, "[heap]") != NULL) ck_assert_int_eq(sscanf(line, "%lx", &start), 1);
  fclose(maps);
  return start;
}

static void start(void) {
  options_init(NULL, NULL, true, false);
  os_init();
  uintptr_t heap = heap_start();
  if (heap != 0) os_brk_start = heap;
}

#ifdef __GLIBC__
enum { GLIBC = 1 };
#else
enum { GLIBC = 0 };
#endif

/* A sanitizer's malloc is none of glibc's. */
static bool sanitized(const char *test) {
  const char *sanitizer = getenv("HAK_TEST_SANITIZER");
  if (sanitizer == NULL || *sanitizer == '\0') return false;
  printf("skipped: %s (malloc is the %s sanitizer's)\n", test, sanitizer);
  return true;
}

static bool plausible_for_all(const void *p) {
  bool first = foreign_is_plausible(p);
  for (size_t i = 0; i < GUARDS; i++) {
    option.external_guard = guards[i];
    ck_assert_int_eq(foreign_is_plausible(p), first);
  }
  option.external_guard = GUARD_POPULATE;
  return first;
}

START_TEST(blocks_of_the_main_arena) {
  skip_if(!GLIBC, "another C library has other chunks");
  skip_if_emulated();
  start();
  if (sanitized("blocks_of_the_main_arena")) return;
  for (size_t size = 0; size < 100000; size += 1 + size / 3) {
    void *p = malloc(size);
    ck_assert_msg(plausible_for_all(p), "size %zu", size);
  }
  void *p = memalign(4096, 100);
  ck_assert(plausible_for_all(p));
}
END_TEST

START_TEST(blocks_with_a_mapping) {
  skip_if(!GLIBC, "another C library has other chunks");
  skip_if_emulated();
  start();
  if (sanitized("blocks_with_a_mapping")) return;
  for (size_t size = 200000; size < 100000000; size *= 3) {
    void *p = malloc(size);
    ck_assert(plausible_for_all(p));
    free(p);
  }
  for (size_t alignment = 32; alignment <= 4 * MIB; alignment *= 2) {
    void *p = memalign(alignment, MIB);
    ck_assert_msg(plausible_for_all(p), "alignment %zu", alignment);
    free(p);
  }
  void *p = calloc(3, MIB);
  p = realloc(p, 7 * MIB);
  ck_assert(plausible_for_all(p));
}
END_TEST

static void *in_other_arena(void *result) {
  void **blocks = result;
  blocks[0] = malloc(24);
  blocks[1] = malloc(5000);
  blocks[2] = memalign(1024, 60000);
  return NULL;
}

START_TEST(blocks_of_other_arenas) {
  skip_if(!GLIBC, "another C library has other chunks");
  skip_if_emulated();
  start();
  if (sanitized("blocks_of_other_arenas")) return;
  void *blocks[3];
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, in_other_arena, blocks), 0);
  pthread_join(thread, NULL);
  for (int i = 0; i < 3; i++) {
    ck_assert_uint_ne(((size_t *)blocks[i])[-1] & 4, 0);   /* else the test tests nothing */
    ck_assert(plausible_for_all(blocks[i]));
    ck_assert(!plausible_for_all((char *)blocks[i] + 8));
  }
  ck_assert(!plausible_for_all((char *)blocks[1] + 32));
}
END_TEST

static int data = 1;
static char bss[4096];

START_TEST(memory_of_other_kinds) {
  skip_if_emulated();
  start();
  size_t stack[64] = { 0 };
  char *mapping = os_map(NULL, 3 * os_page_size);
  char *hole = os_map(NULL, 3 * os_page_size);
  ck_assert(os_unmap(hole, 3 * os_page_size));
  const void *const cases[] = {
    NULL, (void *)16, (void *)0x1000, (void *)(UINTPTR_MAX - 15), (void *)(UINTPTR_MAX & ~(uintptr_t)4095),
    (void *)((uintptr_t)1 << (sizeof(void *) * 8 - 1)), stack, &stack[32], &data, bss, bss + 2048,
    (void *)align_up((uintptr_t)heap_start, 16), mapping, mapping + 16, mapping + os_page_size, hole,
    hole + 16, hole + os_page_size, hole + 3 * os_page_size
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_assert_msg(!plausible_for_all(cases[i]), "case %zu", i);
}
END_TEST

START_TEST(pages_that_cannot_be_read) {
  skip_if_emulated();
  start();
  char *p = os_map(NULL, 3 * os_page_size);
  ck_assert_int_eq(mprotect(p + os_page_size, os_page_size, PROT_NONE), 0);
  ck_assert(!foreign_is_plausible(p + os_page_size));          /* at its edge: the header before it reads */
  ck_assert(!foreign_is_plausible(p + os_page_size + 16));
  ck_assert(!foreign_is_plausible(p + 2 * os_page_size));      /* the header is in it */
  ck_assert(!foreign_is_plausible(p + 2 * os_page_size + 8));
}
END_TEST

START_TEST(odd_and_interior_pointers) {
  start();
  if (sanitized("odd_and_interior_pointers")) return;
  char *p = memset(malloc(1000), 0, 1000);
  for (size_t offset = 1; offset < 1000; offset++) ck_assert(!plausible_for_all(p + offset));
}
END_TEST

/* A header that would do in the heap, in memory that is none. */
static size_t fake[64] __attribute__((aligned(64)));

START_TEST(sane_words_in_a_wrong_place) {
  skip_if_emulated();
  start();
  fake[1] = 0x41;
  fake[1 + 0x40 / sizeof(size_t)] = 0x21;
  ck_assert(!plausible_for_all(&fake[2]));       /* main arena */
  fake[1] = 0x45;
  ck_assert(!plausible_for_all(&fake[2]));       /* another */
  fake[1] = 0x1002;
  ck_assert(!plausible_for_all(&fake[2]));       /* mapped, but not at the start of a page */
  char *page = os_map(NULL, 2 * os_page_size);
  size_t *header = (size_t *)(void *)page;
  header[1] = 1000 * MIB + 2;
  ck_assert(!plausible_for_all(&header[2]));     /* longer than what is mapped */
  header[1] = os_page_size + 16 + 2;
  ck_assert(!plausible_for_all(&header[2]));     /* not whole pages */
  header[0] = 16;
  ck_assert(!plausible_for_all(&header[2]));
  header[0] = 0;
  header[1] = SIZE_MAX - 13;
  ck_assert(!plausible_for_all(&header[2]));
  header[1] = 2 * os_page_size + 2;
  ck_assert(plausible_for_all(&header[2]));      /* what a mapped block looks like: it passes */
}
END_TEST

/* The arena's header is not readable, or leads nowhere. */
START_TEST(forged_arenas) {
  skip_if_emulated();
  start();
  size_t span = sizeof(void *) == 8 ? 64 * MIB : MIB;
  char *heap = os_map_aligned(span, span);
  ck_assert_ptr_nonnull(heap);
  size_t *header = (size_t *)(void *)heap;
  size_t *chunk = (size_t *)(void *)(heap + 4096);
  chunk[1] = 0x45;
  ck_assert(!plausible_for_all(&chunk[2]));      /* no arena */
  header[0] = (size_t)&fake;
  header[2] = header[3] = 2 * os_page_size;
  ck_assert(!plausible_for_all(&chunk[2]));      /* one that is not in the first of its heaps */
  header[0] = (size_t)(heap + 64);
  ck_assert(plausible_for_all(&chunk[2]));
  header[2] = 4096;
  ck_assert(!plausible_for_all(&chunk[2]));      /* past the heap's end */
  header[2] = 2 * span;
  ck_assert(!plausible_for_all(&chunk[2]));      /* a heap of an impossible size */
}
END_TEST

START_TEST(guard_off_reads_nothing) {
  skip_if(!GLIBC, "another C library has other chunks");
  start();
  if (sanitized("guard_off_reads_nothing")) return;
  option.external_guard = GUARD_OFF;
  char *p = malloc(100);
  ck_assert(foreign_is_plausible(p));
  ck_assert(foreign_is_plausible(p + 32));       /* in the range, which is all that counts */
  ck_assert(!foreign_is_plausible(p + 1));
  ck_assert(!foreign_is_plausible((void *)os_brk_now()));
  ck_assert(!foreign_is_plausible(malloc(MIB)));
  ck_assert(!foreign_is_plausible(bss));
  ck_assert(!foreign_is_plausible((void *)0x10000));
}
END_TEST

static long no_madvise(void *begin, size_t size, int advice) {
  (void)begin, (void)size, (void)advice;
  return -22;
}

/* An old kernel: what cannot be probed counts as unreadable. */
START_TEST(without_populate_nothing_is_plausible) {
  start();
  struct os_ops ops = os_kernel;
  ops.madvise = no_madvise;
  os_ops = &ops;
  void *p = malloc(100);
  ck_assert(!foreign_is_plausible(p));
  free(p);
}
END_TEST

START_TEST(the_library_never_forwards) {
  start();
  ck_assert(!libc_door_is_interposer);
  void *p = malloc(100);
  ck_assert(!foreign_is_libc(p));
  free(p);
}
END_TEST

UNIT_MAIN("foreign", blocks_of_the_main_arena, blocks_with_a_mapping, blocks_of_other_arenas,
          memory_of_other_kinds, pages_that_cannot_be_read, odd_and_interior_pointers,
          sane_words_in_a_wrong_place, forged_arenas, guard_off_reads_nothing,
          without_populate_nothing_is_plausible, the_library_never_forwards)
