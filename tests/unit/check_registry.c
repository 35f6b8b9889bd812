/* check_registry.c - the exact map from an address to what owns it. */
#include <config.h>

#include <sys/resource.h>

#include "align.h"
#include "core.h"
#include "mapping_cache.h"

/* ---- questions ---- */

static enum registry_kind kind_at(uintptr_t address) { return registry_lookup((void *)address).kind; }
static bool is_foreign(uintptr_t address) { return kind_at(address) == REGISTRY_FOREIGN; }
static bool is_free_unit(uintptr_t address) {
  struct registry_entry entry = registry_lookup((void *)address);
  return entry.kind == REGISTRY_UNIT && entry.owner == OWNER_NONE && entry.slab == NULL && entry.huge == NULL;
}
static uintptr_t at(const void *p) { return (uintptr_t)p; }

static struct superslab *open_one(void) {
  struct superslab *superslab = registry_new_superslab();
  ck_assert_ptr_nonnull(superslab);
  ck_assert(is_aligned(superslab->base, SUPERSLAB_SIZE));
  return superslab;
}

/* NULL, the first and last page, both halves, what is not canonical, what is the program's. */
static void expect_foreign_everywhere(void) {
  static int a_static;
  int on_stack;
  void *from_libc = malloc(100);
  ck_assert(is_foreign(0) && is_foreign(at(&a_static)) && is_foreign(at(&on_stack)) &&
            is_foreign(at(from_libc)));
  free(from_libc);
  for (unsigned bit = 0; bit < sizeof(uintptr_t) * 8; bit++)
    for (uintptr_t off = 0; off < 3; off++) {
      uintptr_t low = ((uintptr_t)1 << bit) + off - 1;
      uintptr_t addresses[] = { low, ~low, 0 - low };   /* ~low: the kernel's half and what lies before it */
      for (int i = 0; i < 3; i++) {
        bool in_region = addresses[i] - at(region_base) < region_units * UNIT_SIZE;
        require(in_region || is_foreign(addresses[i]));
      }
    }
}

/* ---- the region ---- */

START_TEST(everything_is_foreign_at_first) {
  core_start(true);
  skip_if(region_units == 0, "no address space for a region");
  expect_foreign_everywhere();
  ck_assert(is_aligned(region_base, SUPERSLAB_SIZE));
  ck_assert_uint_eq(region_key, CORE_KEY);
  ck_assert_uint_eq(region_limit, 0);
}
END_TEST

START_TEST(units_of_the_region_from_end_to_end) {
  core_start(true);
  skip_if(region_units == 0, "no address space for a region");
  uintptr_t first = at(region_base), end = first + region_units * UNIT_SIZE;
  ck_assert(is_foreign(first - 1) && is_foreign(end) && is_foreign(end + UNIT_SIZE));
  ck_assert(is_free_unit(first) && is_free_unit(first + 1) && is_free_unit(end - 1));
  struct superslab *superslab = open_one();
  ck_assert_ptr_eq(superslab->base, region_base);
  ck_assert(!superslab->outside);
  ck_assert(is_foreign(first - 1) && is_foreign(end));
  for (uintptr_t unit = 0; unit < region_limit; unit++) require(is_free_unit(first + unit * UNIT_SIZE + 8));
  ck_assert(is_free_unit(first + region_limit * UNIT_SIZE) && is_free_unit(end - 1));
}
END_TEST

START_TEST(the_registrys_own_memory_is_foreign) {
  core_start(true);
  struct superslab *superslab = open_one();
  ck_assert(is_foreign(at(superslab)) && is_foreign(at(superslab->owner_words)));
  ck_assert(is_foreign(at(superslab->slab_words)) && is_foreign(at(superslab->slabs)));
}
END_TEST

/* An owner word is a unit's alone: neither its neighbours' nor another SuperSlab's. */
static void try_owner_words(struct superslab *superslab) {
  for (unsigned unit = 0; unit < SUPERSLAB_UNITS; unit++) {
    uintptr_t start = at(superslab->base) + unit * UNIT_SIZE;
    superslab->slab_words[unit] = &superslab->slabs[unit];
    __atomic_store_n(&superslab->owner_words[unit], (uintptr_t)0x1230, __ATOMIC_RELEASE);
    for (uintptr_t offset = 0; offset < UNIT_SIZE; offset += 4095) {
      struct registry_entry entry = registry_lookup((void *)(start + offset));
      require(entry.kind == REGISTRY_UNIT && entry.owner == 0x1230 && entry.slab == &superslab->slabs[unit]);
    }
    require(unit == 0 || is_free_unit(start - 1));
    require(unit + 1 == SUPERSLAB_UNITS || is_free_unit(start + UNIT_SIZE));
    __atomic_store_n(&superslab->owner_words[unit], OWNER_NONE, __ATOMIC_RELEASE);
    require(is_free_unit(start));
  }
}

START_TEST(owner_words_in_the_region) {
  core_start(true);
  for (int i = 0; i < 20; i++) try_owner_words(open_one());
}
END_TEST

/* The words are committed in steps: all that the limit promises can be read, at any number of SuperSlabs. */
START_TEST(many_superslabs) {
  enum { COUNT = 900 };
  static struct superslab *opened[COUNT];
  core_start(true);
  skip_if(region_units < COUNT * SUPERSLAB_UNITS, "the region is too small");
  for (int i = 0; i < COUNT; i++) {
    opened[i] = open_one();
    require(opened[i]->base == region_base + (size_t)i * SUPERSLAB_SIZE);
    require(region_limit >= (uintptr_t)(i + 1) * SUPERSLAB_UNITS);
    opened[i]->owner_words[SUPERSLAB_UNITS - 1] = (uintptr_t)i * 16 + 16;
    opened[i]->slab_words[SUPERSLAB_UNITS - 1] = &opened[i]->slabs[0];
    memset(&opened[i]->slabs[SUPERSLAB_UNITS - 1], 0, sizeof(struct slab));
  }
  for (int i = 0; i < COUNT; i++)
    require(registry_lookup(opened[i]->base + SUPERSLAB_SIZE - 1).owner == (uintptr_t)i * 16 + 16);
  for (uintptr_t unit = COUNT * SUPERSLAB_UNITS; unit < region_limit; unit++)
    require(is_free_unit(at(region_base) + unit * UNIT_SIZE));
}
END_TEST

/* ---- its size ---- */

START_TEST(a_refused_reservation_is_tried_smaller) {
  kernel_fail(1);
  core_start(true);
  skip_if(region_units == 0, "no address space for a region");
  ck_assert_uint_le(region_units, REGION_UNITS_MAX / 4);
  ck_assert_uint_ge(region_units, REGION_UNITS_MAX / 64);
  try_owner_words(open_one());
}
END_TEST

static void limit_address_space(size_t left) {
  struct rlimit limit = { 0, 0 };
  os_init();
  size_t pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%zu", &pages) != 1) pages = 0;
  if (file != NULL) fclose(file);
  limit.rlim_cur = limit.rlim_max = pages * os_page_size + left;
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

START_TEST(a_limit_of_address_space_leaves_most_to_the_program) {
  skip_if_emulated();
  skip_if(CORE_ASAN || CORE_TSAN, "a sanitizer's shadow exceeds any limit");
  size_t left = sizeof(void *) == 8 ? (size_t)16 << 30 : (size_t)1 << 30;
  limit_address_space(left);
  core_start(true);
  ck_assert_uint_gt(region_units, 0);
  ck_assert_uint_le(region_units * UNIT_SIZE, left / 8);
}
END_TEST

START_TEST(a_tight_limit_leaves_no_region) {
  skip_if_emulated();
  skip_if(CORE_ASAN || CORE_TSAN, "a sanitizer's shadow exceeds any limit");
  limit_address_space((size_t)8 << 20);
  core_start(true);
  ck_assert_uint_eq(region_units, 0);
  ck_assert_uint_eq(region_limit, 0);
  struct superslab *superslab = registry_new_superslab();
  ck_assert_ptr_nonnull(superslab);
  ck_assert(superslab->outside);
}
END_TEST

/* ---- outside ---- */

static void expect_exact(const struct superslab *superslab) {
  uintptr_t base = at(superslab->base);
  for (uintptr_t offset = 0; offset < SUPERSLAB_SIZE; offset += 4096)
    require(is_free_unit(base + offset + 1));
  require(is_free_unit(base) && is_free_unit(base + SUPERSLAB_SIZE - 1));
}

START_TEST(superslabs_without_a_region) {
  core_start(false);
  expect_foreign_everywhere();
  ck_assert_uint_eq(region_units, 0);
  struct superslab *superslab = open_one();
  ck_assert(superslab->outside);
  expect_exact(superslab);
  ck_assert(is_foreign(at(superslab->base) - 1) && is_foreign(at(superslab->base) + SUPERSLAB_SIZE));
  try_owner_words(superslab);
  expect_foreign_everywhere();
}
END_TEST

START_TEST(a_refused_reservation_is_no_region) {
  kernel.refuse_reserve = true;
  core_start(true);
  ck_assert_uint_eq(region_units, 0);
  ck_assert_uint_eq(region_limit, 0);
  struct superslab *superslab = open_one();
  ck_assert(superslab->outside);
  try_owner_words(superslab);
}
END_TEST

START_TEST(a_full_region_goes_on_outside) {
  core_start(true);
  skip_if(region_units == 0, "no address space for a region");
  region_units = 2 * SUPERSLAB_UNITS;
  struct superslab *superslab[4];
  for (int i = 0; i < 4; i++) superslab[i] = open_one();
  ck_assert(!superslab[0]->outside && !superslab[1]->outside && superslab[2]->outside &&
            superslab[3]->outside);
  for (int i = 0; i < 4; i++) try_owner_words(superslab[i]);
}
END_TEST

START_TEST(what_was_dropped_is_foreign_and_its_descriptor_serves_again) {
  core_start(false);
  struct superslab *first = open_one(), *second = open_one();
  uintptr_t base = at(first->base);
  registry_drop_superslab(first);
  ck_assert(is_foreign(base) && is_foreign(base + SUPERSLAB_SIZE - 1));
  expect_exact(second);
  struct superslab *third = open_one();
  ck_assert_ptr_eq(third, first);
  expect_exact(third);
  expect_exact(second);
}
END_TEST

static unsigned visits;
static void count_visit(struct superslab *superslab) {
  require(superslab->owner_words != NULL);
  visits++;
}
START_TEST(each_superslab_is_visited_once) {
  core_start(true);
  for (int i = 0; i < 3; i++) open_one();
  region_units = region_units != 0 ? 3 * SUPERSLAB_UNITS : 0;
  struct superslab *outside = open_one();
  open_one();
  registry_drop_superslab(outside);
  open_one();
  registry_each_superslab(count_visit);
  ck_assert_uint_eq(visits, 5);
}
END_TEST

/* ---- huge mappings ---- */

START_TEST(a_huge_mapping_is_known_by_its_start_alone) {
  static struct huge huge;
  core_start(true);
  char *start = os_map_aligned(4 * MIB, UNIT_SIZE);
  ck_assert(is_foreign(at(start)));
  ck_assert(registry_insert_huge(start, &huge));
  struct registry_entry entry = registry_lookup(start);
  ck_assert(entry.kind == REGISTRY_HUGE && entry.huge == &huge && entry.slab == NULL);
  static const size_t offsets[] = { 1, 8, 16, 4096, UNIT_SIZE - 1, UNIT_SIZE, 2 * UNIT_SIZE, 4 * MIB - 1,
                                    4 * MIB };
  for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
    ck_assert(is_foreign(at(start) + offsets[i]));
  ck_assert(is_foreign(at(start) - 1));
  registry_remove_huge(start);
  ck_assert(is_foreign(at(start)));
}
END_TEST

/* ---- addresses over 48 bits ---- */

/* With page tables of five levels, and with larger pages on arm64, a program that asks for it has mappings there. The same
   address but for its high bits is none of ours, and so nothing may be made of the low ones alone. */
static void expect_foreign_with_high_bits(uintptr_t address) {
  ck_assert(!is_foreign(address));
#if UINTPTR_MAX > 0xffffffff
  for (unsigned bit = 47; bit < 64; bit++) {
    uintptr_t high = address ^ (uintptr_t)1 << bit;
    ck_assert_msg(is_foreign(high), "%p is ours with bit %u", (void *)high, bit);
    ck_assert(is_foreign(address | ~(uintptr_t)0 << bit));
  }
#endif
}
static void try_high_bits(bool region) {
  static struct huge huge;
  core_start(region);
  struct superslab *superslab = open_one();
  expect_foreign_with_high_bits(at(superslab->base));
  expect_foreign_with_high_bits(at(superslab->base) + SUPERSLAB_SIZE - 1);
  char *start = os_map_aligned(4 * MIB, UNIT_SIZE);
  ck_assert(registry_insert_huge(start, &huge));
  expect_foreign_with_high_bits(at(start));
}
START_TEST(high_bits_of_an_address_count) { try_high_bits(true); }
END_TEST
START_TEST(high_bits_of_an_address_count_outside) { try_high_bits(false); }
END_TEST

/* Nothing that lies there is taken in: it could not be found again. */
START_TEST(what_lies_over_48_bits_is_refused) {
#if UINTPTR_MAX > 0xffffffff
  static struct huge huge;
  core_start(true);
  for (unsigned bit = 48; bit < 64; bit++) {
    char *start = (char *)((uintptr_t)1 << bit);
    ck_assert(!registry_insert_huge(start, &huge));
    ck_assert(is_foreign(at(start)) && is_foreign(0));
  }
#endif
}
END_TEST

/* ---- no memory ---- */

START_TEST(a_refused_commit_is_answered_from_outside) {
  core_start(true);
  skip_if(region_units == 0, "no address space for a region");
  kernel.refuse_mprotect = true;
  struct superslab *superslab = open_one();
  ck_assert(superslab->outside);
  try_owner_words(superslab);
  kernel.refuse_mprotect = false;
  ck_assert_ptr_eq(open_one()->base, region_base);   /* its place in the region was not lost */
}
END_TEST

/* Every call of opening one outside fails in turn: nothing stays mapped, nothing is known, the
   next try works. */
START_TEST(each_refusal_outside_leaves_nothing_behind) {
  core_start(false);
  unsigned refusals = 0;
  for (unsigned call = 1;; call++) {
    kernel_fail(call);
    unsigned before = kernel.calls;
    struct superslab *superslab = registry_new_superslab();
    bool reached = kernel.calls - before >= call;
    kernel_fail(0);
    if (superslab == NULL) refusals++;
    else registry_drop_superslab(superslab);
    if (!reached) break;
  }
  ck_assert_uint_ge(refusals, 1);
  expect_foreign_everywhere();
  try_owner_words(open_one());
}
END_TEST

START_TEST(no_memory_for_the_map_refuses_a_huge_mapping) {
  static struct huge huge;
  core_start(false);
  char *start = os_map_aligned(MIB, UNIT_SIZE);
  kernel.refuse_mmap = true;
  bool inserted = registry_insert_huge(start, &huge);
  kernel.refuse_mmap = false;
  skip_if(inserted, "the map needs no memory of the kernel on this machine");
  ck_assert(is_foreign(at(start)));
  ck_assert(registry_insert_huge(start, &huge));
}
END_TEST

/* ---- what a lookup costs, threads ---- */

START_TEST(lookups_make_no_system_call_and_misses_are_counted) {
  core_start(true);
  struct superslab *superslab = open_one();
  superslab->slab_words[0] = &superslab->slabs[0];
  superslab->owner_words[0] = 0x1230;
  unsigned calls = kernel.calls;
  uint64_t misses = counter_get(COUNT_REGISTRY_MISSES);
  registry_lookup(superslab->base);
  ck_assert_uint_eq(counter_get(COUNT_REGISTRY_MISSES), misses);
  registry_lookup(superslab->base + UNIT_SIZE);
  registry_lookup(&calls);
  ck_assert_uint_eq(counter_get(COUNT_REGISTRY_MISSES), misses + 2);
  ck_assert_uint_eq(kernel.calls, calls);
}
END_TEST

enum { THREADS = 4, EACH = 60 };
static struct superslab *made[THREADS][EACH];
static void *open_many(void *number) {
  for (int i = 0; i < EACH; i++) {
    struct superslab *superslab = registry_new_superslab();
    require(superslab != NULL);
    for (unsigned unit = 0; unit < SUPERSLAB_UNITS; unit++) {
      superslab->slab_words[unit] = &superslab->slabs[unit];
      __atomic_store_n(&superslab->owner_words[unit], at(superslab->base), __ATOMIC_RELEASE);
      require(registry_lookup(superslab->base + unit * UNIT_SIZE).owner == at(superslab->base));
    }
    made[*(int *)number][i] = superslab;
  }
  return NULL;
}
static void try_threads(bool region) {
  pthread_t thread[THREADS];
  int number[THREADS];
  core_start(region);
  for (int i = 0; i < THREADS; i++) {
    number[i] = i;
    require(pthread_create(&thread[i], NULL, open_many, &number[i]) == 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < THREADS; i++)
    for (int k = 0; k < EACH; k++) require(registry_lookup(made[i][k]->base).owner == at(made[i][k]->base));
}
START_TEST(threads_open_superslabs_of_their_own) { try_threads(true); }
END_TEST
START_TEST(threads_open_them_outside) { try_threads(false); }
END_TEST

UNIT_MAIN("registry", everything_is_foreign_at_first, units_of_the_region_from_end_to_end,
          the_registrys_own_memory_is_foreign, owner_words_in_the_region, many_superslabs,
          a_refused_reservation_is_tried_smaller, a_limit_of_address_space_leaves_most_to_the_program,
          a_tight_limit_leaves_no_region, superslabs_without_a_region, a_refused_reservation_is_no_region,
          a_full_region_goes_on_outside, what_was_dropped_is_foreign_and_its_descriptor_serves_again,
          each_superslab_is_visited_once, a_huge_mapping_is_known_by_its_start_alone,
          high_bits_of_an_address_count, high_bits_of_an_address_count_outside, what_lies_over_48_bits_is_refused,
          a_refused_commit_is_answered_from_outside, each_refusal_outside_leaves_nothing_behind,
          no_memory_for_the_map_refuses_a_huge_mapping, lookups_make_no_system_call_and_misses_are_counted,
          threads_open_superslabs_of_their_own, threads_open_them_outside)
