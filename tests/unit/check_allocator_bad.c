/* check_allocator_bad.c - allocator.c: what is no live block is recognised, counted, and changes nothing. */
#include <config.h>

#include <signal.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"

/* Through volatile ones: the compiler would warn of what is done here on purpose. */
static void (*volatile give)(void *) = hak_free;
static void *volatile bad;

static void start(void) {
  core_watch_process();
  give(hak_malloc(1));
  if (!CHECKS) {
    printf("SKIP: built without checks\n");
    exit(0);
  }
}

static uint64_t invalid(void) { return counter_get(COUNT_INVALID_FREES); }

static void free_bad(const void *p) {
  bad = (void *)(uintptr_t)p;
  give(bad);
}

static const size_t sizes[] = { 1, 16, 24, 64, 100, 1000, 1024, 1025, 2048, 5000, 9000, 32 * KIB, 40000,
                                200000, CACHED_MAX, 300000, MIB, MIB + 1, 5 * MIB };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* No two of the next blocks of that size overlap: the double free has not put one on a list twice. */
static void expect_no_overlap(size_t size) {
  enum { NEXT = 8 };
  char *p[NEXT];
  for (int i = 0; i < NEXT; i++) {
    p[i] = hak_malloc(size);
    require(p[i] != NULL);
    for (int k = 0; k < i; k++) require(p[k] + size <= p[i] || p[i] + size <= p[k]);
  }
  for (int i = 0; i < NEXT; i++) give(p[i]);
}

/* ---- double frees ---- */

START_TEST(a_double_free_is_recognised) {
  for (int i = 0; i < SIZES; i++) {
    void *p = hak_malloc(sizes[i]);
    uint64_t before = invalid();
    give(p);
    free_bad(p);
    free_bad(p);
    require(invalid() == before + 2);
    expect_no_overlap(sizes[i]);
  }
}
END_TEST

START_TEST(a_double_free_is_recognised_after_others) {
  for (int i = 0; i < SIZES; i++) {
    void *p[5];
    for (int k = 0; k < 5; k++) p[k] = hak_malloc(sizes[i]);
    for (int k = 0; k < 5; k++) give(p[k]);
    uint64_t before = invalid();
    for (int k = 0; k < 5; k++) free_bad(p[k]);
    require(invalid() == before + 5);
    expect_no_overlap(sizes[i]);
  }
}
END_TEST

static void *free_it(void *p) {
  give(hak_malloc(1));   /* with a heap: it goes to a batch */
  give(p);
  return NULL;
}
static void *free_it_without_a_heap(void *p) {
  give(p);
  return NULL;
}
START_TEST(a_double_free_by_another_thread_is_recognised) {
  for (int i = 0; i < SIZES; i++)
    for (int how = 0; how < 4; how++) {
      void *p = hak_malloc(sizes[i]), *other = hak_malloc(sizes[i]);
      uint64_t before = invalid();
      if (how % 2 == 0) give(p);
      in_thread(how < 2 ? free_it : free_it_without_a_heap, p);
      if (how % 2 == 1) free_bad(p);
      require(invalid() == before + 1);
      expect_no_overlap(sizes[i]);
      give(other);
      require(invalid() == before + 1);
    }
}
END_TEST

START_TEST(a_double_free_after_a_purge_is_recognised) {
  enum { BLOCKS = 200 };
  static void *p[BLOCKS];
  for (int i = 0; i < SIZES; i++) {
    int count = sizes[i] > 10000 ? 20 : BLOCKS;
    for (int k = 0; k < count; k++) p[k] = hak_malloc(sizes[i]);
    for (int k = 0; k < count; k++) give(p[k]);
    hak_trim(0);
    uint64_t before = invalid();
    for (int k = 0; k < count; k++) free_bad(p[k]);
    require(invalid() == before + (unsigned)count);
    expect_no_overlap(sizes[i]);
  }
}
END_TEST

START_TEST(realloc_of_a_freed_block_is_refused) {
  for (int i = 0; i < SIZES; i++) {
    void *p = hak_malloc(sizes[i]);
    give(p);
    uint64_t before = invalid();
    bad = p;
    errno = 0;
    require(hak_realloc(bad, 50) == NULL && errno == EINVAL);
    require(hak_usable_size(bad) == 0);
    require(invalid() == before + 2 && !hak_owns(bad));
  }
}
END_TEST

/* ---- insides ---- */

START_TEST(no_address_inside_a_block_is_one) {
  for (int i = 0; i < SIZES; i++) {
    char *p = hak_malloc(sizes[i]);
    size_t usable = hak_usable_size(p), step = usable < 5000 ? 1 : usable / 4999 + 1;
    memset(p, 'x', usable);
    uint64_t before = invalid(), tried = 0;
    for (size_t at = 1; at < usable; at += step, tried++) {
      require(!hak_owns(p + at));
      free_bad(p + at);
    }
    require(invalid() == before + tried);
    require(hak_owns(p) && all_bytes(p, usable, 'x'));
    give(p);
    require(invalid() == before + tried && !hak_owns(p));
  }
}
END_TEST

START_TEST(usable_size_and_realloc_refuse_insides) {
  for (int i = 0; i < SIZES; i++) {
    char *p = hak_malloc(sizes[i]);
    memset(p, 'x', sizes[i]);
    errno = 0;
    bad = p + 1;
    require(hak_realloc(bad, 10) == NULL && errno == EINVAL && hak_usable_size(bad) == 0);
    require(all_bytes(p, sizes[i], 'x'));
    give(p);
  }
}
END_TEST

/* ---- what was never handed out ---- */

START_TEST(what_was_never_handed_out_is_no_block) {
  char *p = hak_malloc(40000);
  struct slab *slab = slab_of(p);
  uint64_t before = invalid();
  char *past = slab->start + (size_t)slab->carved * slab->block_size;
  require(!hak_owns(past));
  free_bad(past);
  char *small = hak_malloc(100);
  struct slab *tiny = slab_of(small);
  past = tiny->start + (size_t)tiny->carved * tiny->block_size;
  for (; past < tiny->start + UNIT_SIZE; past += 16) require(!hak_owns(past));
  free_bad(tiny->start + UNIT_SIZE - 16);
  require(invalid() == before + 2);
  /* Carved with the others, and still on the list. */
  require(tiny->free != NULL && !hak_owns(tiny->free));
  free_bad(tiny->free);
  require(invalid() == before + 3);
  if (region_units == 0) return;
  free_bad(region_base + region_units * UNIT_SIZE - 16);
  free_bad(region_base - 16);
  free_bad(slab);
  require(invalid() == before + 6);
}
END_TEST

START_TEST(what_is_not_ours_is_no_block) {
  static char a_static[64];
  char on_stack[64];
  char *libc = malloc(100), *mapped = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(mapped + 4096, 4096);
  const void *pointers[] = { a_static, a_static + 16, on_stack, libc, libc + 1, mapped, mapped + 16,
                             mapped + 4096, mapped + 4080, none, none + 4096,
                             (void *)(uintptr_t)1, (void *)(uintptr_t)16,
                             (void *)(uintptr_t)0x1000, (void *)UINTPTR_MAX, (void *)(UINTPTR_MAX - 15),
                             (void *)(UINTPTR_MAX / 2), (void *)(UINTPTR_MAX / 2 + 1),
                             (void *)(uintptr_t)&free };
  unsigned count = sizeof pointers / sizeof pointers[0];
  for (unsigned i = 0; i < count; i++) {
    require(!hak_owns(pointers[i]));
    free_bad(pointers[i]);
    require(invalid() == i + 1);
    bad = (void *)(uintptr_t)pointers[i];
    require(hak_usable_size(bad) == 0);
    counter_sub(COUNT_INVALID_FREES, 1);
  }
  give(NULL);
  ck_assert(!hak_owns(NULL));
  ck_assert_uint_eq(hak_usable_size(NULL), 0);
  ck_assert_uint_eq(invalid(), count);
  free(libc);   /* untouched */
}
END_TEST

/* Addresses over 48 bits, as page tables of five levels allow: nothing comes of the low bits of one. */
START_TEST(a_block_s_address_with_other_high_bits_is_no_block) {
#if UINTPTR_MAX > 0xffffffff
  static const size_t tried[] = { 16, 5000, 100000, 5 * MIB };
  uint64_t expected = invalid();
  for (int i = 0; i < 4; i++) {
    char *p = hak_malloc(tried[i]);
    for (unsigned bit = 47; bit < 64; bit++) {
      void *high = (void *)((uintptr_t)p ^ (uintptr_t)1 << bit);
      require(!hak_owns(high));
      free_bad(high);
      require(invalid() == ++expected);
    }
    require(hak_owns(p));
    give(p);
    require(invalid() == expected);
  }
#endif
}
END_TEST

/* ---- owns ---- */

/* Exactly the live blocks of a slab are owned, among all its addresses. */
START_TEST(owns_is_exact) {
  enum { BLOCKS = 300 };
  static char *p[BLOCKS];
  static const size_t exact[] = { 80, 1024, 3000, 20000 };
  for (int s = 0; s < 4; s++) {
    for (int i = 0; i < BLOCKS; i++) p[i] = hak_malloc(exact[s]);
    for (int i = 0; i < BLOCKS; i += 3) give(p[i]);
    for (int i = 0; i < BLOCKS; i++) require(hak_owns(p[i]) == (i % 3 != 0));
    struct slab *slab = slab_of(p[1]);
    size_t owned = 0, live = 0;
    for (size_t at = 0; at < (size_t)slab->units * UNIT_SIZE; at++) owned += hak_owns(slab->start + at) != 0;
    for (int i = 0; i < BLOCKS; i++) live += i % 3 != 0 && slab_of(p[i]) == slab;
    require(owned == live);
    for (int i = 0; i < BLOCKS; i++)
      if (i % 3 != 0) give(p[i]);
  }
}
END_TEST

START_TEST(questions_make_no_system_call_for_our_blocks) {
  char *p = hak_malloc(100), *huge = hak_malloc(2 * MIB);
  unsigned calls = kernel.calls;
  ck_assert(hak_owns(p) && hak_owns(huge) && !hak_owns(p + 1) && !hak_owns(&calls) && !hak_owns(huge + 1));
  ck_assert_uint_ge(hak_usable_size(p) + hak_usable_size(huge), 100 + 2 * MIB);
  ck_assert_uint_eq(kernel.calls, calls);
}
END_TEST

/* ---- the policy ---- */

static void die_of_a_double_free(void) {
  void *p = hak_malloc(100);
  give(p);
  free_bad(p);
}
START_TEST(abort_means_abort) {
  core_open_constants();
  option.invalid_free = INVALID_ABORT;
  int status = in_child(die_of_a_double_free);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

UNIT_MAIN_WITH("allocator_bad", start, NULL, a_double_free_is_recognised,
               a_double_free_is_recognised_after_others, a_double_free_by_another_thread_is_recognised,
               a_double_free_after_a_purge_is_recognised, realloc_of_a_freed_block_is_refused,
               no_address_inside_a_block_is_one, usable_size_and_realloc_refuse_insides,
               what_was_never_handed_out_is_no_block, what_is_not_ours_is_no_block,
               a_block_s_address_with_other_high_bits_is_no_block, owns_is_exact,
               questions_make_no_system_call_for_our_blocks, abort_means_abort)
