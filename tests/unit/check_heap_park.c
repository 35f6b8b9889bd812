/* check_heap_park.c - heap_park.c and slab.c: pages of slabs that hold blocks in use go back, and are taken
   again. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "heap.h"
#include "remote.h"

static struct heap *heap;

static void start(void) {
  core_start(true);
  option.purge_delay_ms = 1000000;
  knobs_init();
  heap = heap_open(0x1230);
  ck_assert_ptr_nonnull(heap);
  heap->shared_spent = 0xff;   /* exact classes from the start */
}

enum { MANY = 20000 };
static struct block *block[MANY];

static struct block *take(unsigned class) {
  struct block *taken = heap_alloc(heap, class, NULL);
  require(taken != NULL && !block_is_free(taken));
  return taken;
}
static void give(struct block *p) { heap_free_local(slab_of(p), p); }
static uint8_t mark_of(const void *p) { return (uint8_t)((uintptr_t)p / GRANULE * 37 + 1); }
static void fill(struct block *p) { memset(p, mark_of(p), slab_of(p)->block_size); }
static bool is_filled(const struct block *p) { return all_bytes(p, slab_of(p)->block_size, mark_of(p)); }

/* One slab, all of its blocks in block[0, capacity), filled, and another one that is current. */
static struct slab *full_slab(unsigned class) {
  unsigned capacity = size_classes[class].capacity;
  for (unsigned i = 0; i <= capacity; i++) fill(block[i] = take(class));
  struct slab *slab = slab_of(block[0]);
  require(slab->state == SLAB_FULL && slab_of(block[capacity]) != slab);
  return slab;
}
/* With pages as large as a unit a slab of one unit has nothing to park. */
static bool is_one_page(unsigned class) { return size_classes[class].units * (size_t)UNIT_SIZE <= os_page_size; }
#define skip_if_one_page() skip_if(os_page_size >= UNIT_SIZE, "a slab of one unit is one page")
/* Frees all of them but those for which keep says so. */
static unsigned free_but(const struct slab *slab, bool (*keep)(unsigned, unsigned)) {
  unsigned freed = 0;
  for (unsigned i = 0; i < slab->capacity; i++)
    if (!keep(i, slab->capacity)) {
      give(block[i]);
      block[i] = NULL;
      freed++;
    }
  return freed;
}
static bool keep_first(unsigned i, unsigned capacity) { return capacity != 0 && i == 0; }
static bool keep_some(unsigned i, unsigned capacity) { return i == 1 || i == capacity / 2 || i + 1 == capacity; }
/* Those of few blocks, and of few pages, keep one. */
static unsigned free_most(const struct slab *slab) {
  bool many = slab->capacity > 12 && (size_t)slab->units * UNIT_SIZE >= 16 * os_page_size;
  return free_but(slab, many ? keep_some : keep_first);
}
static bool keep_most(unsigned i, unsigned capacity) { return i % 8 != 0 && capacity != 0; }

static bool is_slow(const struct slab *slab) { return (registry_lookup(slab->start).owner & OWNER_SLOW) != 0; }
static bool bit_of(const struct slab *slab, size_t offset) {
  return (slab->parked >> (offset >> slab_granule_shift(slab)) & 1) != 0;
}

static const unsigned classes[] = { 0, 2, 15, 20, 31, CLASS_MID_FIRST + 5, CLASS_MID_FIRST + 14, CLASS_MID_FIRST + 20,
                                    CLASS_L25_FIRST - 6, CLASS_L25_FIRST - 1, CLASS_L25_FIRST, CLASS_L25_FIRST + 12 };
enum { CLASSES = sizeof classes / sizeof classes[0] };

/* ---- which pages ---- */

/* Byte by byte: granules that a block in use touches are not parked, all others are; what stays is as it was.
   */
static void check_parked(const struct slab *slab) {
  size_t bytes = (size_t)slab->units * UNIT_SIZE, granule = (size_t)1 << slab_granule_shift(slab);
  require(granule * PARK_GRANULES >= bytes && granule % os_page_size == 0);
  for (size_t at = 0; at < bytes; at += granule) {
    bool touched = false;
    for (unsigned i = 0; i < slab->capacity; i++) {
      size_t from = (size_t)i * slab->block_size;
      if (block[i] != NULL && from < at + granule && from + slab->block_size > at) touched = true;
    }
    require(bit_of(slab, at) == !touched);
    if (!touched) require(all_bytes(slab->start + at, granule, 0));
  }
  uint32_t parked = 0;
  for (unsigned i = 0; i < slab->capacity; i++) {
    const char *p = slab->start + (size_t)i * slab->block_size;
    bool is_parked = bit_of(slab, (size_t)i * slab->block_size);
    require(block[i] == NULL || (is_filled(block[i]) && !is_parked));
    if (CHECKS) require(slab_is_parked(slab, p) == is_parked && slab_block_is_free(slab, p) == (block[i] == NULL));
    parked += is_parked;
  }
  require(parked == slab->parked_blocks && is_slow(slab) == (CHECKS && parked != 0));
  require(slab->used - (slab->armed - slab->countdown) == slab->carved - slab_count_free(slab));
}

START_TEST(pages_without_a_block_in_use_are_parked) {
  for (unsigned c = 0; c < CLASSES; c++) {
    if (is_one_page(classes[c])) continue;
    struct slab *slab = full_slab(classes[c]);
    size_t purged = kernel.purged;
    free_most(slab);
    size_t bytes = heap_park_all(heap);
    ck_assert_uint_eq(bytes, slab_parked_bytes(slab));
    ck_assert_uint_eq(kernel.purged - purged, bytes);
    ck_assert_uint_ge(bytes, (size_t)slab->units * UNIT_SIZE / 2);
    check_parked(slab);
  }
}
END_TEST

START_TEST(they_are_parked_once_and_more_when_more_is_free) {
  skip_if_one_page();
  struct slab *slab = full_slab(15);
  free_but(slab, keep_some);
  ck_assert_uint_gt(heap_park_all(heap), 0);
  uint64_t before = slab->parked;
  ck_assert_uint_eq(heap_park_all(heap), 0);
  give(block[slab->capacity / 2]);
  block[slab->capacity / 2] = NULL;
  give(block[slab->capacity - 1]);
  block[slab->capacity - 1] = NULL;
  ck_assert_uint_gt(heap_park_all(heap), 0);
  ck_assert_uint_eq(slab->parked & before, before);
  check_parked(slab);
}
END_TEST

START_TEST(a_few_free_pages_are_not_worth_it) {
  struct slab *slab = full_slab(15);
  free_but(slab, keep_most);
  for (unsigned i = 0; i < 16; i++) {   /* one page */
    if (block[i] != NULL) give(block[i]);
    block[i] = NULL;
  }
  ck_assert_uint_eq(heap_park_all(heap), 0);
  ck_assert(slab->parked == 0 && !is_slow(slab));
}
END_TEST

/* Blocks that other threads have freed are in use until the owner takes them in. */
START_TEST(pages_of_blocks_on_the_remote_list_stay) {
  skip_if_one_page();
  struct heap *other = heap_open(0x4560);
  struct slab *slab = full_slab(15);
  unsigned half = slab->capacity / 2;
  for (unsigned i = half; i < slab->capacity; i++) give(block[i]);
  for (unsigned i = 0; i < half; i++) require(remote_free(other, slab, block[i]) == REMOTE_FREED);
  remote_flush(other);
  struct block *before = remote_head(slab, slab->remote);
  heap_park_all(heap);
  ck_assert_ptr_eq(remote_head(slab, slab->remote), before);
  for (unsigned i = 0; i < slab->capacity; i++) ck_assert(bit_of(slab, (size_t)i * slab->block_size) == (i >= half));
  heap_drain_pending(heap, UINT32_MAX);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
}
END_TEST

/* ---- taken again ---- */

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)*(struct block *const *)a, y = (uintptr_t)*(struct block *const *)b;
  return x < y ? -1 : x > y;
}

/* All blocks of the slab come back, each once, page by page; then the owner's frees are fast again. */
static void take_all_again(struct slab *slab, unsigned freed) {
  static struct block *again[MANY];
  unsigned capacity = slab->capacity, class = slab->class_index;
  while (heap->current[class] != slab) take(class);   /* what the current one still has */
  struct block *last = NULL;
  unsigned count = 0;
  for (unsigned i = 0; i < 2 * capacity && count < freed; i++) {
    struct block *p = take(class);
    if (slab_of(p) == slab) again[count++] = p;
    else last = p;
  }
  require(last == NULL || count == freed);
  require(slab->parked_blocks == 0 && !is_slow(slab));
  qsort(again, count, sizeof again[0], by_address);
  for (unsigned i = 0, n = 0; i < capacity; i++) {
    if (block[i] != NULL) {
      require(is_filled(block[i]));
    } else {
      require((char *)again[n] == slab->start + (size_t)i * slab->block_size);
      fill(again[n]);
      block[i] = again[n++];
    }
  }
  for (unsigned i = 0; i < capacity; i++) require(is_filled(block[i]));
}

START_TEST(parked_blocks_are_taken_again) {
  skip_if(!CHECKS, "built without checks: it asks which blocks are free");
  for (unsigned c = 0; c < CLASSES; c++) {
    if (is_one_page(classes[c])) continue;
    struct slab *slab = full_slab(classes[c]);
    unsigned freed = free_most(slab);
    heap_park_all(heap);
    require(slab->parked_blocks != 0);
    /* One was taken by the search for the slab. */
    while (heap->current[classes[c]] != slab) take(classes[c]);
    unsigned gone = 0;
    for (unsigned i = 0; i < slab->capacity; i++) {
      struct block *p = (struct block *)(void *)(slab->start + (size_t)i * slab->block_size);
      if (block[i] == NULL && !slab_block_is_free(slab, p)) {
        fill(block[i] = p);
        gone++;
      }
    }
    take_all_again(slab, freed - gone);
    require(heap->parked_kib == 0 && heap->parked_units == 0 && counter_get(COUNT_PARKED_BYTES) == 0);
  }
}
END_TEST

START_TEST(they_are_taken_a_page_at_a_time) {
  unsigned class = 15;
  struct slab *slab = full_slab(class);
  free_but(slab, keep_first);
  heap_park_all(heap);
  while (heap->current[class] != slab) take(class);
  for (unsigned pages = (unsigned)__builtin_popcountll(slab->parked), last = pages; slab->parked_blocks != 0; last = pages) {
    take(class);
    pages = (unsigned)__builtin_popcountll(slab->parked);
    require(pages == last || pages + 1 == last);
  }
}
END_TEST

START_TEST(what_is_taken_again_is_not_said_to_be_zero) {
  unsigned class = CLASS_MID_FIRST + 10;
  struct slab *slab = full_slab(class);
  free_but(slab, keep_first);
  heap_park_all(heap);
  bool zeroed = true;
  while (heap->current[class] != slab) heap_alloc(heap, class, &zeroed);
  zeroed = true;
  struct block *p = heap_alloc(heap, class, &zeroed);
  require(slab_of(p) == slab);
  ck_assert(!zeroed || all_bytes(p, slab->block_size, 0));
}
END_TEST

/* Frees of a current slab with parked pages are slow: many in a short time, and all pages are taken. */
START_TEST(a_busy_slab_takes_all_its_pages) {
  skip_if_one_page();
  skip_if(!CHECKS, "built without checks");
  unsigned class = 15;
  struct slab *slab = full_slab(class);
  free_but(slab, keep_first);
  heap_park_all(heap);
  struct block *p = NULL;
  while (p == NULL || slab_of(p) != slab) p = take(class);
  ck_assert(is_slow(slab));
  for (unsigned i = 0; i < 2000000 && slab->parked != 0; i++) {
    give(p);
    p = take(class);
  }
  ck_assert(slab->parked == 0 && !is_slow(slab));
}
END_TEST

/* ---- the life of the slab ---- */

START_TEST(a_slab_that_goes_leaves_no_parked_pages_behind) {
  skip_if_one_page();
  struct slab *slab = full_slab(15);
  free_but(slab, keep_first);
  heap_park_all(heap);
  ck_assert_uint_ne(heap->parked_kib, 0);
  give(block[0]);
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_int_eq(slab->state, SLAB_NONE);
  ck_assert(slab->parked == 0 && slab->parked_blocks == 0);
  ck_assert_uint_eq(heap->parked_kib, 0);
  ck_assert_uint_eq(counter_get(COUNT_PARKED_BYTES), 0);
  core_check_masks();
}
END_TEST

START_TEST(an_abandoned_slab_keeps_them_and_its_adopter_takes_them) {
  skip_if_one_page();
  unsigned class = 15;
  struct slab *slab = full_slab(class);
  unsigned freed = free_but(slab, keep_some);
  heap_park_all(heap);
  uint64_t parked = slab->parked;
  give(block[slab->capacity]);
  heap_close(heap);
  ck_assert(slab->state == SLAB_ABANDONED && slab->parked == parked);
  ck_assert_uint_eq(heap->parked_kib, 0);
  if (CHECKS) ck_assert_int_eq(remote_free(NULL, slab, slab->start), REMOTE_DOUBLE);
  ck_assert_ptr_eq(heap_open(0x4560), heap);
  heap->shared_spent = 0xff;
  struct block *p = take(class);
  ck_assert_ptr_eq(slab_of(p), slab);
  ck_assert(is_slow(slab) == CHECKS);
  ck_assert_uint_eq(registry_lookup(p).owner & ~OWNER_SLOW, 0x4560);
  ck_assert_uint_eq(heap->parked_kib, slab_parked_bytes(slab) / 1024);
  unsigned i = (unsigned)((size_t)((char *)p - slab->start) / slab->block_size);
  ck_assert_ptr_null(block[i]);
  fill(block[i] = p);
  take_all_again(slab, freed - 1);
}
END_TEST

/* The first look is refused the call-th range, 0: all. Then the kernel takes them. Once for each class. */
static void refuse_and_ask_again(unsigned class, unsigned call) {
  struct slab *slab = full_slab(class);
  free_but(slab, keep_some);
  kernel.refuse_madvise = call == 0;
  kernel_fail(call);
  size_t bytes = heap_park_all(heap);
  kernel.refuse_madvise = false;
  kernel_fail(0);
  require(heap->refused && slab->waiting == 0 && (bytes == 0) == (call == 0));
  require(slab_parked_bytes(slab) == bytes && counter_get(COUNT_PARKED_BYTES) == bytes && heap->parked_kib == bytes / 1024);
  require(is_slow(slab) == (CHECKS && bytes != 0));
  for (unsigned i = 0; i < slab->capacity; i++) require(block[i] == NULL || is_filled(block[i]));
  size_t more = heap_park_all(heap);   /* what is left of a part may be too little */
  require(call != 0 || (more > 0 && !heap->refused));
  if (call == 0) check_parked(slab);
  for (unsigned i = 0; i < slab->capacity; i++)
    if (block[i] != NULL) give(block[i]);
  heap_release_empty(heap, 0, true);
  require(counter_get(COUNT_PARKED_BYTES) == 0);
}
START_TEST(pages_that_the_kernel_does_not_take_are_not_parked) {
  skip_if_one_page();
  for (unsigned c = 0; c < CLASSES; c++) {
    if (size_classes[classes[c]].capacity <= 12) continue;
    /* Of few pages the three blocks that stay leave one range. */
    if (size_classes[classes[c]].units * (size_t)UNIT_SIZE < 16 * os_page_size) continue;
    refuse_and_ask_again(classes[c], c % 3);
  }
}
END_TEST

START_TEST(no_huge_page_takes_their_place) {
  skip_if_one_page();
  struct slab *slab = full_slab(15);
  superslab_of(slab)->huge_pages = true;
  free_but(slab, keep_first);
  heap_park_all(heap);
  ck_assert(!superslab_of(slab)->huge_pages);
  ck_assert_int_eq(kernel.last_advice, MADV_NOHUGEPAGE);
}
END_TEST

START_TEST(nothing_is_parked_where_huge_pages_are_asked_for) {
  struct slab *slab = full_slab(15);
  free_but(slab, keep_first);
  option.thp = THP_ALWAYS;
  ck_assert_uint_eq(heap_park_all(heap), 0);
  option.purge_delay_ms = 0;
  knobs_init();
  for (unsigned i = 0; i < 100; i++) heap_tick(heap);
  ck_assert(slab->parked == 0);
}
END_TEST

/* ---- when ---- */

/* Some rounds at least, on a machine that is busy with something else. */
static void tick_for(unsigned milliseconds) {
  uint64_t end = os_now_ms() + milliseconds;
  for (unsigned round = 0; round < 30 || os_now_ms() < end; round++) {
    usleep(1000);
    for (unsigned i = 0; i < HEAP_TICK_PERIOD; i++) heap_tick(heap);
  }
}

START_TEST(what_has_waited_for_the_delay_goes) {
  skip_if_one_page();
  static const long delays[] = { 1000000, -1, 20 };
  for (unsigned i = 0; i < 3; i++) {
    option.purge_delay_ms = delays[i];
    knobs_init();
    struct slab *slab = full_slab(15 + i);
    free_but(slab, keep_first);
    ck_assert_uint_eq(slab->parked, 0);
    tick_for(150);
    ck_assert((slab->parked != 0) == (delays[i] == 20));
  }
}
END_TEST

START_TEST(without_a_delay_it_goes_at_once) {
  skip_if_one_page();
  option.purge_delay_ms = 0;
  knobs_init();
  struct slab *slab = full_slab(15);
  free_but(slab, keep_first);
  ck_assert_uint_ne(slab->parked, 0);
}
END_TEST

/* 48 MiB in 4 KiB blocks, of which all are freed but one in 16. */
static void fill_and_free(unsigned count) {
  for (unsigned i = 0; i < count; i++) block[i] = take(CLASS_MID_FIRST + 15);
  for (unsigned i = 0; i < count; i++)
    if (i % 16 != 0) give(block[i]);
}
static void free_rest(unsigned count) {
  for (unsigned i = 0; i < count; i += 16) give(block[i]);
}

/* Nothing runs but the frees themselves. */
START_TEST(too_much_that_waits_goes_at_once) {
  skip_if_one_page();
  fill_and_free(12000);
  ck_assert_uint_gt(heap->parked_kib, os_page_size > 4096 ? 30 << 10 : 32 << 10);
  /* Since the bound was set: one slab has begun to wait, and a tick gave back a slab's worth of eight, which lowers it. */
  enum { SLAB_UNITS = 8 };
  ck_assert_uint_le(heap->waiting_units, heap->waiting_bound + 2 * SLAB_UNITS);
  option.purge_delay_ms = -1;
  knobs_init();
  free_rest(12000);
  size_t before = kernel.purged;
  fill_and_free(12000);
  ck_assert_uint_eq(kernel.purged, before);
}
END_TEST

/* Pages that are taken again at once: it gives back fewer each time. */
START_TEST(waves_are_learnt) {
  skip_if_one_page();
  size_t first = 0, last = 0;
  for (int wave = 0; wave < 6; wave++) {
    size_t before = kernel.purged;
    fill_and_free(12000);
    last = kernel.purged - before;
    if (wave == 0) first = last;
    free_rest(12000);
  }
  ck_assert_uint_ge(heap->patience.level, 3);
  ck_assert_uint_lt(last, first / 2);
}
END_TEST

START_TEST(idle_current_slabs_are_left) {
  skip_if_one_page();
  option.purge_delay_ms = 10;
  knobs_init();
  unsigned capacity = size_classes[15].capacity;
  for (unsigned i = 0; i < capacity; i++) block[i] = take(15);
  struct slab *slab = slab_of(block[0]);
  for (unsigned i = 1; i < capacity; i++) give(block[i]);
  ck_assert_int_eq(slab->state, SLAB_CURRENT);
  tick_for(150);
  ck_assert_int_eq(slab->state, SLAB_PARTIAL);
  ck_assert_uint_ne(slab->parked, 0);
  ck_assert_ptr_eq(slab_of(take(15)), slab);
}
END_TEST

/* ---- against a model ---- */

/* Random requests and frees in waves, parked at any time: contents stay, no block is given twice. */
START_TEST(parking_changes_nothing_that_is_in_use) {
  uint64_t seed = 11;
  option.purge_delay_ms = 3;
  knobs_init();
  memset(block, 0, sizeof block);
  for (int round = 0; round < CORE_ROUNDS(300000); round++) {
    unsigned wave = (unsigned)round / 15000 % 4, i = core_random(&seed) % 6000;
    if (block[i] != NULL && (wave % 2 == 1 || core_random(&seed) % 4 == 0)) {
      require(is_filled(block[i]));
      give(block[i]);
      block[i] = NULL;
    } else if (block[i] == NULL && wave % 2 == 0) {
      block[i] = take(classes[core_random(&seed) % 9]);
      fill(block[i]);
    }
    if (core_random(&seed) % 2000 == 0) heap_park_all(heap);
    if (round % 10000 == 0)
      for (const struct slab *slab = heap->all; slab != NULL; slab = slab->all_next) {
        require(is_slow(slab) == (CHECKS && slab->parked_blocks != 0));
        require(slab->state == SLAB_CURRENT ||
                slab->used - (slab->armed - slab->countdown) == slab->carved - slab_count_free(slab));
      }
  }
  for (unsigned i = 0; i < MANY; i++)
    if (block[i] != NULL) {
      require(is_filled(block[i]));
      give(block[i]);
    }
  heap_close(heap);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_PARKED_BYTES), 0);
}
END_TEST

UNIT_MAIN_WITH("heap_park", start, NULL, pages_without_a_block_in_use_are_parked,
               they_are_parked_once_and_more_when_more_is_free, a_few_free_pages_are_not_worth_it,
               pages_of_blocks_on_the_remote_list_stay, parked_blocks_are_taken_again,
               they_are_taken_a_page_at_a_time, what_is_taken_again_is_not_said_to_be_zero,
               a_busy_slab_takes_all_its_pages, a_slab_that_goes_leaves_no_parked_pages_behind,
               an_abandoned_slab_keeps_them_and_its_adopter_takes_them,
               pages_that_the_kernel_does_not_take_are_not_parked, no_huge_page_takes_their_place,
               nothing_is_parked_where_huge_pages_are_asked_for, what_has_waited_for_the_delay_goes,
               without_a_delay_it_goes_at_once, too_much_that_waits_goes_at_once, waves_are_learnt,
               idle_current_slabs_are_left, parking_changes_nothing_that_is_in_use)
