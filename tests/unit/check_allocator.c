/* check_allocator.c - requests and frees through the whole library: tiers, zero pages, options, no memory. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"
#include "report.h"

static void set(const char *name, const char *value) { setenv(name, value, 1); }
static void start(void) { core_watch_process(); }
/* volatile: the compiler would warn of questions about freed blocks. */
static void (*volatile give)(void *) = hak_free;

static uint64_t requests(enum tier tier) {
  static struct figures figures;
  figures_collect(&figures);
  return figures.requests[tier];
}

static unsigned char *take(size_t size) {
  unsigned char *p = hak_malloc(size);
  require(p != NULL && is_aligned(p, GRANULE));
  return p;
}

/* ---- sizes ---- */

/* Three of each size at a time: whole, apart, known exactly while they live. */
static void try_size(size_t size) {
  unsigned char *p[3];
  for (int i = 0; i < 3; i++) {
    p[i] = take(size);
    require(hak_usable_size(p[i]) >= size && hak_owns(p[i]));
    memset(p[i], 'a' + i, hak_usable_size(p[i]));
  }
  for (int i = 0; i < 3; i++) {
    require(all_bytes(p[i], hak_usable_size(p[i]), 'a' + i));
    give(p[i]);
    require(!CHECKS || !hak_owns(p[i]));
  }
}
START_TEST(every_small_size) {
  for (size_t size = 0; size <= 9000; size++) try_size(size);
}
END_TEST
START_TEST(sizes_around_every_class) {
  hak_free(hak_malloc(1));
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    for (size_t off = 0; off < 3; off++) try_size(size_classes[class].block_size + off - 1);
  for (size_t size = MIB; size < 64 * MIB; size = size * 5 / 3) try_size(size);
}
END_TEST

START_TEST(each_tier_serves_its_sizes) {
  static const size_t first[] = { 0, 1025, 32 * KIB + 1, MIB + 1 }, last[] = { 1024, 32 * KIB, MIB, 2 * MIB };
  hak_free(hak_malloc(1));
  for (int tier = 0; tier < TIER_COUNT; tier++) {
    uint64_t before = requests((enum tier)tier);
    hak_free(hak_malloc(first[tier]));
    hak_free(hak_malloc(last[tier]));
    ck_assert_uint_eq(requests((enum tier)tier), before + 2);
  }
}
END_TEST

/* Random operations of all kinds, against what each block should hold. */
static void churn(int rounds, size_t largest) {
  enum { BLOCKS = 1500 };
  static struct { unsigned char *p; size_t size; unsigned char value; } block[BLOCKS];
  uint64_t seed = largest;
  for (int round = 0; round < rounds; round++) {
    unsigned i = core_random(&seed) % BLOCKS;
    if (block[i].p != NULL) {
      require(all_bytes(block[i].p, min_size(block[i].size, 700), block[i].value));
      hak_free(block[i].p);
      block[i].p = NULL;
      continue;
    }
    bool large = core_random(&seed) % 100 == 0;
    size_t size = core_random(&seed) % (large ? largest : core_random(&seed) % 2000 + 1);
    bool zero = round % 4 == 0;
    block[i].p = zero ? hak_calloc(size, 1) : hak_malloc(size);
    require(block[i].p != NULL && (!zero || all_bytes(block[i].p, size, 0)));
    block[i].size = size;
    block[i].value = (unsigned char)round;
    memset(block[i].p, block[i].value, size < 70000 ? size : 700);
  }
  for (unsigned i = 0; i < BLOCKS; i++) hak_free(block[i].p);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
START_TEST(random_operations) { churn(CORE_ROUNDS(300000), 3 * MIB); }
END_TEST

/* ---- options ---- */

START_TEST(random_operations_without_a_region) {
  kernel.refuse_reserve = true;
  churn(CORE_ROUNDS(200000), 2 * MIB);
  ck_assert_uint_eq(region_units, 0);
}
END_TEST
START_TEST(random_operations_while_pages_go_at_once) {
  set("HAKMEM_PURGE_DELAY_MS", "0");
  churn(CORE_ROUNDS(100000), 2 * MIB);
}
END_TEST
START_TEST(random_operations_with_every_cache_off) {
  set("HAKMEM_MODE", "minimal");
  set("HAKMEM_BATCH_MADVISE", "0");
  churn(CORE_ROUNDS(50000), 2 * MIB);
}
END_TEST
START_TEST(random_operations_with_every_tier_off) {
  set("HAKMEM_WRAP_TINY", "0");
  set("HAKMEM_WRAP_POOL", "0");
  set("HAKMEM_WRAP_L25", "0");
  churn(CORE_ROUNDS(10000), MIB);
  ck_assert_uint_eq(requests(TIER_TINY) + requests(TIER_MID) + requests(TIER_L25), 0);
}
END_TEST
START_TEST(random_operations_with_tracing) {
  set("HAKMEM_FREE_ROUTE_TRACE", "1");
  set("HAKMEM_SUPER_REG_REQTRACE", "1");
  set("HAKMEM_LOG_FILE", "/dev/null");
  churn(20000, 2 * MIB);
  ck_assert_uint_gt(counter_get(COUNT_ROUTE_TINY), 1000);
  ck_assert_uint_gt(counter_get(COUNT_ROUTE_MID), 10);
}
END_TEST

START_TEST(the_next_tier_takes_the_sizes_of_one_that_is_off) {
  set("HAKMEM_WRAP_POOL", "0");
  for (size_t size = 1025; size <= 32 * KIB; size += 777) hak_free(hak_malloc(size));
  ck_assert_uint_eq(requests(TIER_MID), 0);
  ck_assert_uint_ge(requests(TIER_L25), 40);
  hak_free(hak_malloc(100));
  ck_assert_uint_eq(requests(TIER_TINY), 1);
}
END_TEST

/* ---- zero ---- */

START_TEST(calloc_is_zero_after_any_use) {
  for (size_t size = 1; size < 3 * MIB; size = size * 9 / 8 + 1) {
    for (int i = 0; i < 3; i++) {
      unsigned char *p = take(size);
      memset(p, 0xff, hak_usable_size(p));
      hak_free(p);
      p = hak_calloc(1, size);
      require(p != NULL && all_bytes(p, size, 0));
      memset(p, 0xff, size);
      if (i != 1) hak_free(p);
    }
  }
}
END_TEST

static size_t resident(const void *p, size_t size) {
  static unsigned char page[1024];
  uintptr_t from = align_up((uintptr_t)p, os_page_size), end = align_down((uintptr_t)p + size, os_page_size);
  size_t count = 0;
  require(mincore((void *)from, end - from, page) == 0);
  for (size_t i = 0; i < (end - from) / os_page_size; i++) count += page[i] & 1;
  return count * os_page_size;
}
START_TEST(calloc_does_not_clear_fresh_pages) {
  static const size_t sizes[] = { 100 * KIB, 250 * KIB, 700 * KIB, 2 * MIB };
  for (int i = 0; i < 4; i++) {
    unsigned char *p = hak_calloc(1, sizes[i]);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_le(resident(p, sizes[i]), 8 * KIB);
    ck_assert(all_bytes(p, sizes[i], 0));
  }
}
END_TEST

/* ---- no memory ---- */

START_TEST(no_memory_is_enomem_and_what_there_is_stays) {
  unsigned char *kept = take(5000);
  memset(kept, 'k', 5000);
  kernel_refuse_all(true);
  void *p = NULL;
  errno = 0;
  for (int i = 0; i < 10000 && (p = hak_malloc(200000)) != NULL; i++) {}
  ck_assert_ptr_null(p);
  ck_assert_int_eq(errno, ENOMEM);
  errno = 0;
  ck_assert_ptr_null(hak_calloc(1000, 100000));
  ck_assert_int_eq(errno, ENOMEM);
  errno = 0;
  ck_assert_ptr_null(hak_aligned_alloc(1 << 20, 10));
  ck_assert_int_eq(errno, ENOMEM);
  ck_assert(all_bytes(kept, 5000, 'k'));
  hak_free(kept);
  kernel_refuse_all(false);
  hak_free(take(200000));
  try_size(300000);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

/* What other classes keep is given back before a request fails. */
START_TEST(what_is_kept_serves_when_the_kernel_gives_no_more) {
  enum { BLOCKS = 24 };
  static void *block[BLOCKS];
  set("HAKMEM_PURGE_DELAY_MS", "1000000");
  for (int i = 0; i < BLOCKS; i++) memset(block[i] = take(250 * KIB), 1, 250 * KIB);
  for (int i = 0; i < BLOCKS; i++) hak_free(block[i]);
  kernel_refuse_all(true);
  void *p = hak_malloc(100 * KIB);
  kernel_refuse_all(false);
  ck_assert_ptr_nonnull(p);
  hak_free(p);
}
END_TEST

START_TEST(impossible_sizes_are_enomem) {
  static volatile size_t large = (size_t)PTRDIFF_MAX + 1, most = SIZE_MAX, half = SIZE_MAX / 2;
  void *results[] = { hak_malloc(large), hak_malloc(most), hak_calloc(half, 3), hak_calloc(most, most),
                      hak_calloc(1, large), hak_malloc((size_t)PTRDIFF_MAX) };
  for (int i = 0; i < 6; i++) ck_assert_ptr_null(results[i]);
  errno = 0;
  ck_assert_ptr_null(hak_calloc(half, 3));
  ck_assert_int_eq(errno, ENOMEM);
  try_size(100);
}
END_TEST

/* ---- giving back ---- */

static size_t resident_kib(void) {
  size_t all = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%zu %zu", &all, &pages) != 2) pages = 0;
  if (file != NULL) fclose(file);
  return pages * (os_page_size / 1024);
}
START_TEST(trim_gives_back_what_nobody_uses) {
  static void *block[400];
  skip_if(CORE_ASAN || CORE_TSAN, "a sanitizer's shadow is resident too");
  hak_free(hak_malloc(1));
  size_t before = resident_kib();
  for (unsigned class = CLASS_MID_FIRST; class < CLASS_COUNT; class++) {
    size_t size = size_classes[class].block_size, count = 2 * MIB / size;
    for (size_t i = 0; i < count && i < 400; i++) memset(block[i] = take(size), 1, size);
    for (size_t i = 0; i < count && i < 400; i++) hak_free(block[i]);
  }
  hak_trim(0);
  ck_assert_uint_le(resident_kib(), before + 4096);
}
END_TEST

START_TEST(trim_before_the_start_does_nothing) {
  ck_assert_int_eq(hak_trim(0), 0);
  hak_free(take(100));
}
END_TEST

START_TEST(trim_says_whether_it_gave_anything) {
  void *p = take(3 * MIB);
  memset(p, 1, 3 * MIB);
  hak_free(p);
  ck_assert_int_eq(hak_trim(0), 1);
  ck_assert_int_eq(hak_trim(0), 0);
}
END_TEST

UNIT_MAIN_WITH("allocator", start, NULL, every_small_size, sizes_around_every_class,
               each_tier_serves_its_sizes, random_operations, random_operations_without_a_region,
               random_operations_while_pages_go_at_once, random_operations_with_every_cache_off,
               random_operations_with_every_tier_off, random_operations_with_tracing,
               the_next_tier_takes_the_sizes_of_one_that_is_off, calloc_is_zero_after_any_use,
               calloc_does_not_clear_fresh_pages, no_memory_is_enomem_and_what_there_is_stays,
               what_is_kept_serves_when_the_kernel_gives_no_more, impossible_sizes_are_enomem,
               trim_gives_back_what_nobody_uses, trim_before_the_start_does_nothing,
               trim_says_whether_it_gave_anything)
