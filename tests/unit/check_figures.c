/* check_figures.c - the sums over all heaps, against what the test itself has counted. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"
#include "report.h"

static struct figures now;
static void collect(void) { figures_collect(&now); }
static void start(void) {
  core_watch_process();
  hak_free(hak_malloc(1));
}

/* ---- a model of one thread ---- */

static uint64_t requests[TIER_COUNT], frees[TIER_COUNT];
static enum tier tier_of(size_t size) {
  return size <= TINY_MAX ? TIER_TINY : size <= MID_MAX ? TIER_MID : size <= L25_MAX ? TIER_L25 : TIER_HUGE;
}
static void model_start(void) {
  collect();
  for (int tier = 0; tier < TIER_COUNT; tier++) {
    requests[tier] = now.requests[tier];
    frees[tier] = now.requests[tier] - now.live_blocks[tier];
  }
}
static void check_model(void) {
  collect();
  for (int tier = 0; tier < TIER_COUNT; tier++) {
    ck_assert_uint_eq(now.requests[tier], requests[tier]);
    ck_assert_uint_eq(now.live_blocks[tier], requests[tier] - frees[tier]);
  }
}

enum { BLOCKS = 2000 };
static void *block[BLOCKS];
static size_t size[BLOCKS];
static void churn(int rounds, unsigned bits) {
  uint64_t seed = bits;
  for (int round = 0; round < rounds; round++) {
    unsigned i = core_random(&seed) % BLOCKS;
    if (block[i] != NULL) {
      hak_free(block[i]);
      frees[tier_of(size[i])]++;
      block[i] = NULL;
    } else {
      size[i] = core_random(&seed) % ((size_t)1 << core_random(&seed) % bits);
      block[i] = round % 5 == 0 ? hak_calloc(1, size[i]) : hak_malloc(size[i]);
      require(block[i] != NULL);
      requests[tier_of(size[i])]++;
    }
    if (round % 997 == 0) check_model();
  }
}
static void free_all(void) {
  for (unsigned i = 0; i < BLOCKS; i++) {
    if (block[i] == NULL) continue;
    frees[tier_of(size[i])]++;
    hak_free(block[i]);
    block[i] = NULL;
  }
}

START_TEST(tiny_requests_are_exact) {
  model_start();
  churn(CORE_ROUNDS(300000), 11);
  free_all();
  check_model();
}
END_TEST
START_TEST(requests_of_all_tiers_are_exact) {
  model_start();
  churn(CORE_ROUNDS(100000), 22);
  free_all();
  check_model();
  hak_trim(0);
  check_model();
}
END_TEST
START_TEST(requests_are_exact_without_keeping_anything) {
  model_start();
  core_open_constants();
  option.purge_delay_ms = 0;
  knobs_init();
  churn(CORE_ROUNDS(50000), 17);
  free_all();
  check_model();
}
END_TEST

START_TEST(countdowns_that_end_do_not_change_the_sums) {
  model_start();
  for (int round = 0; round < 3000; round++) {
    void *p = hak_malloc(40);
    struct slab *slab = slab_of(p);
    if (slab->state == SLAB_CURRENT && round % 7 == 0) {
      uint32_t seen = slab->armed - slab->countdown;
      slab->countdown = 1 + (uint32_t)round % 3;
      slab->armed = slab->countdown + seen;
    }
    hak_free(p);
    requests[TIER_TINY]++;
    frees[TIER_TINY]++;
  }
  check_model();
}
END_TEST

START_TEST(live_bytes_and_held_bytes) {
  collect();
  uint64_t tiny = now.live_bytes[TIER_TINY], huge = now.live_bytes[TIER_HUGE];
  void *small = hak_malloc(60), *large = hak_malloc(3 * MIB);
  collect();
  ck_assert_uint_eq(now.live_bytes[TIER_TINY] - tiny, 64);
  ck_assert_uint_ge(now.live_bytes[TIER_HUGE] - huge, 3 * MIB);
  for (int tier = 0; tier < TIER_COUNT; tier++) ck_assert_uint_ge(now.held_bytes[tier], now.live_bytes[tier]);
  uint64_t held = now.held_bytes[TIER_TINY] + now.held_bytes[TIER_MID] + now.held_bytes[TIER_L25];
  ck_assert_uint_eq(held, counter_get(COUNT_SPAN_BYTES));
  ck_assert_uint_ge(now.metadata_bytes, 1);
  hak_free(small);
  hak_free(large);
  collect();
  ck_assert_uint_eq(now.live_bytes[TIER_TINY], tiny);
  ck_assert_uint_eq(now.live_bytes[TIER_HUGE], huge);
}
END_TEST

START_TEST(classes_add_up_to_tiers) {
  model_start();
  churn(CORE_ROUNDS(50000), 20);
  collect();
  uint64_t sum[TIER_COUNT] = { 0 }, live[TIER_COUNT] = { 0 };
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    sum[size_class_tier(class)] += now.class[class].requests;
    live[size_class_tier(class)] += now.class[class].live;
    require(now.class[class].live == now.class[class].requests - now.class[class].frees);
  }
  for (int tier = TIER_TINY; tier <= TIER_L25; tier++) {
    ck_assert_uint_eq(sum[tier], now.requests[tier]);
    ck_assert_uint_eq(live[tier], now.live_blocks[tier]);
  }
}
END_TEST

START_TEST(realloc_in_place_is_no_request) {
  void *p = hak_malloc(1000);
  model_start();
  p = hak_realloc(p, 1010);
  p = hak_realloc(p, 900);
  check_model();
  p = hak_realloc(p, 5000);
  requests[TIER_MID]++;
  frees[TIER_TINY]++;
  check_model();
  hak_free(p);
}
END_TEST

START_TEST(bad_frees_are_no_frees) {
  skip_if(!CHECKS, "built without checks");
  static void (*volatile give)(void *) = hak_free;   /* or the compiler would warn */
  char *p = hak_malloc(100);
  model_start();
  give(p + 1);
  give(&p);
  check_model();
  give(p);
  frees[TIER_TINY]++;
  give(p);
  check_model();
  ck_assert_uint_eq(now.counter[COUNT_INVALID_FREES], 3);
}
END_TEST

/* ---- other threads ---- */

static void *fill(void *unused) {
  for (int i = 0; i < BLOCKS; i++) block[i] = hak_malloc(size[i] = (size_t)i * 17 % 5000);
  return unused;
}
static void *empty(void *unused) {
  hak_free(hak_malloc(5000));   /* with a heap of its own */
  for (int i = 0; i < BLOCKS; i++) hak_free(block[i]);
  memset(block, 0, sizeof block);
  return unused;
}
static void expect_no_more_live_than(const uint64_t live[TIER_COUNT]) {
  hak_trim(0);
  collect();
  for (int tier = 0; tier < TIER_COUNT; tier++) ck_assert_uint_eq(now.live_blocks[tier], live[tier]);
}

START_TEST(blocks_of_a_dead_thread_are_live_until_freed) {
  uint64_t live[TIER_COUNT];
  collect();
  memcpy(live, now.live_blocks, sizeof live);
  in_thread(fill, NULL);
  collect();
  ck_assert_uint_eq(now.live_blocks[TIER_TINY] + now.live_blocks[TIER_MID],
                    live[TIER_TINY] + live[TIER_MID] + BLOCKS);
  empty(NULL);
  expect_no_more_live_than(live);
}
END_TEST

START_TEST(nothing_is_live_after_threads_have_freed_each_others) {
  uint64_t live[TIER_COUNT];
  collect();
  memcpy(live, now.live_blocks, sizeof live);
  for (int round = 0; round < 10; round++) {
    in_thread(fill, NULL);
    in_thread(empty, NULL);
    expect_no_more_live_than(live);
    fill(NULL);
    in_thread(empty, NULL);
    expect_no_more_live_than(live);
  }
}
END_TEST

START_TEST(remote_frees_and_adoptions_are_counted) {
  fill(NULL);
  in_thread(empty, NULL);
  collect();
  ck_assert_uint_ge(now.counter[COUNT_REMOTE_FREES], BLOCKS);
  ck_assert_uint_ge(now.counter[COUNT_REMOTE_BATCHES], BLOCKS / 32);
  ck_assert_uint_lt(now.counter[COUNT_REMOTE_BATCHES], BLOCKS);
  ck_assert_uint_gt(now.counter[COUNT_REFILLS], 0);
  in_thread(fill, NULL);
  fill(NULL);
  collect();
  ck_assert_uint_gt(now.counter[COUNT_ADOPTIONS], 0);
}
END_TEST

START_TEST(collecting_asks_the_kernel_for_nothing) {
  fill(NULL);
  unsigned calls = kernel.calls;
  collect();
  ck_assert_uint_eq(kernel.calls, calls);
}
END_TEST

static bool stop;   /* atomic */
static void *handed_on[16];   /* atomic: some are freed by another thread than their owner */
static void *work(void *unused) {
  uint64_t seed = (uintptr_t)unused;
  void *mine[64] = { NULL };
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    unsigned i = core_random(&seed) % 64;
    hak_free(mine[i]);
    mine[i] = hak_malloc(core_random(&seed) % 5000);
    if (i < 16) mine[i] = __atomic_exchange_n(&handed_on[i], mine[i], __ATOMIC_ACQ_REL);
  }
  for (int i = 0; i < 64; i++) hak_free(mine[i]);
  return NULL;
}
START_TEST(figures_can_be_had_while_threads_work) {
  pthread_t thread[3];
  uint64_t live[TIER_COUNT];
  collect();
  memcpy(live, now.live_blocks, sizeof live);
  for (uintptr_t i = 0; i < 3; i++) require(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
  for (int i = 0; i < 300; i++) {
    collect();
    for (unsigned class = 0; class < CLASS_COUNT; class++)
      require(now.class[class].requests >= now.class[class].frees);
  }
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < 16; i++) hak_free(handed_on[i]);
  expect_no_more_live_than(live);
}
END_TEST

/* ---- counts of each tier and cache ---- */

static void check_consistent(void) {
  collect();
  for (unsigned place = 0; place < PLACE_COUNT; place++) {
    const uint64_t *tally = now.tally[place];
    ck_assert_uint_eq(tally[TALLY_REQUESTS], tally[TALLY_HITS] + tally[TALLY_MISSES]);
    ck_assert_uint_le(tally[TALLY_LIVE_BYTES], tally[TALLY_HELD_BYTES]);
    ck_assert_uint_le(tally[TALLY_KEPT_BYTES], tally[TALLY_HELD_BYTES]);
    if (place >= TIER_COUNT)
      ck_assert_uint_eq(tally[TALLY_REFILLS], tally[TALLY_HITS] + tally[TALLY_FLUSHES] + tally[TALLY_KEPT]);
  }
}
static uint64_t tally_of(enum place place, enum tally tally) {
  collect();
  return now.tally[place][tally];
}

START_TEST(counts_are_consistent) {
  model_start();
  churn(CORE_ROUNDS(50000), 23);
  check_consistent();
  free_all();
  in_thread(fill, NULL);
  check_consistent();   /* slabs that nobody owns are held, too */
  ck_assert_uint_eq(now.held_bytes[TIER_TINY] + now.held_bytes[TIER_MID] + now.held_bytes[TIER_L25],
                    counter_get(COUNT_SPAN_BYTES));
  empty(NULL);
  hak_trim(0);
  check_consistent();
}
END_TEST

enum { FREED_BY_OTHERS = 320 };
static void *free_them(void *unused) {
  hak_free(hak_malloc(5000));   /* with a heap of its own */
  for (int i = 0; i < FREED_BY_OTHERS; i++) hak_free(block[i]);
  return unused;
}
START_TEST(remote_frees_count_for_the_tier_of_the_block) {
  for (int i = 0; i < FREED_BY_OTHERS; i++) block[i] = hak_malloc(i % 2 != 0 ? 100 : 3000);
  in_thread(free_them, NULL);
  ck_assert_uint_eq(tally_of(PLACE_TINY, TALLY_REMOTE_FREES), FREED_BY_OTHERS / 2);
  ck_assert_uint_eq(tally_of(PLACE_MID, TALLY_REMOTE_FREES), FREED_BY_OTHERS / 2);
  ck_assert_uint_eq(tally_of(PLACE_L25, TALLY_REMOTE_FREES), 0);
  ck_assert_uint_ge(tally_of(PLACE_TINY, TALLY_REMOTE_BATCHES), FREED_BY_OTHERS / 2 / 32);
  ck_assert_uint_le(tally_of(PLACE_TINY, TALLY_REMOTE_BATCHES), FREED_BY_OTHERS / 2);
  memset(block, 0, sizeof block);
}
END_TEST

/* A thread ends and leaves slabs of three tiers that have room; who asks for one of the sizes next adopts one of its tier. */
static const size_t left_sizes[] = { 100, 3000, 60000 };
static const enum place left_places[] = { PLACE_TINY, PLACE_MID, PLACE_L25 };
static void *leave_some(void *unused) {
  thread_heap_or_open()->shared_spent = 0xff;
  for (unsigned i = 0; i < 3; i++) {
    block[2 * i] = hak_malloc(left_sizes[i]);
    block[2 * i + 1] = hak_malloc(left_sizes[i]);
    hak_free(block[2 * i + 1]);
  }
  return unused;
}
START_TEST(adoptions_count_for_the_tier_of_the_slab) {
  in_thread(leave_some, NULL);
  thread_heap()->shared_spent = 0xff;
  for (unsigned i = 0; i < 3; i++) {
    block[2 * i + 1] = hak_malloc(left_sizes[i]);
    for (unsigned k = 0; k < 3; k++) ck_assert_uint_eq(tally_of(left_places[k], TALLY_ADOPTIONS), k <= i);
  }
  for (unsigned i = 0; i < 6; i++) hak_free(block[i]);
  memset(block, 0, sizeof block);
}
END_TEST

START_TEST(runs_are_misses_and_slabs_are_made) {
  uint64_t misses = tally_of(PLACE_L25, TALLY_MISSES), made = tally_of(PLACE_L25, TALLY_MADE);
  for (int i = 0; i < 10; i++) block[i] = hak_malloc(500000);
  ck_assert_uint_eq(tally_of(PLACE_L25, TALLY_MISSES) - misses, 10);
  ck_assert_uint_eq(tally_of(PLACE_L25, TALLY_MADE) - made, 10);
  for (int i = 0; i < 10; i++) hak_free(block[i]);
  hak_trim(0);
  ck_assert_uint_eq(tally_of(PLACE_L25, TALLY_FLUSHES), tally_of(PLACE_L25, TALLY_MADE));
  memset(block, 0, sizeof block);
}
END_TEST

START_TEST(purged_bytes_are_those_of_the_tier) {
  for (int i = 0; i < 10; i++) block[i] = memset(hak_malloc(500000), 1, 500000);
  uint64_t held = tally_of(PLACE_L25, TALLY_HELD_BYTES), before = tally_of(PLACE_L25, TALLY_PURGED_BYTES);
  core_open_constants();
  option.purge_delay_ms = 1000000;
  knobs_init();
  for (int i = 0; i < 10; i++) hak_free(block[i]);
  hak_trim(0);
  ck_assert_uint_eq(tally_of(PLACE_L25, TALLY_PURGED_BYTES) - before, held);
  before = tally_of(PLACE_L25, TALLY_REFAULTED_BYTES);
  if (region_units == 0) return;   /* the SuperSlabs have gone as a whole: fresh ones come in their place */
  for (int i = 0; i < 10; i++) block[i] = hak_malloc(500000);
  /* Some of the runs may start in units that were never in use. */
  ck_assert_uint_le(tally_of(PLACE_L25, TALLY_REFAULTED_BYTES) - before, held);
  ck_assert_uint_ge(tally_of(PLACE_L25, TALLY_REFAULTED_BYTES) - before, held / 2);
  for (int i = 0; i < 10; i++) hak_free(block[i]);
  memset(block, 0, sizeof block);
}
END_TEST

START_TEST(huge_requests_hit_what_was_kept) {
  core_open_constants();
  option.purge_delay_ms = 1000000;
  knobs_init();
  for (int i = 0; i < 5; i++) hak_free(hak_malloc(4 * MIB));
  collect();
  ck_assert_uint_eq(now.tally[PLACE_HUGE][TALLY_REQUESTS], 5);
  ck_assert_uint_eq(now.tally[PLACE_HUGE][TALLY_MISSES], 1);
  ck_assert_uint_eq(now.tally[PLACE_BIGCACHE][TALLY_REQUESTS], 5);
  ck_assert_uint_eq(now.tally[PLACE_BIGCACHE][TALLY_HITS], 4);
  ck_assert_uint_eq(now.tally[PLACE_BIGCACHE][TALLY_KEPT], 1);
  ck_assert_uint_eq(now.tally[PLACE_BIGCACHE][TALLY_HELD_BYTES], 4 * MIB);
  hak_trim(0);
  collect();
  ck_assert_uint_eq(now.tally[PLACE_BIGCACHE][TALLY_KEPT], 0);
  ck_assert_uint_eq(now.tally[PLACE_BIGCACHE][TALLY_PURGED_BYTES], 4 * MIB);
}
END_TEST

START_TEST(sums_go_on_past_what_a_heap_can_count) {
  struct heap *heap = slab_of(hak_malloc(40))->heap;
  unsigned class = class_for(4096);
  collect();
  uint64_t requested = now.class[class].requests, live = now.class[class].live;
  for (int round = 0; round < 10; round++) {
    heap->supplied[class] += HEAP_SUM_LARGE - 1000;
    heap->frees[class] += HEAP_SUM_LARGE - 1000;
    for (unsigned i = 0; i < HEAP_SUMS; i++) heap_sums_tick(heap);
  }
  collect();
  ck_assert(now.class[class].requests - requested == UINT64_C(10) * (HEAP_SUM_LARGE - 1000));
  ck_assert(now.class[class].live == live);
  ck_assert_uint_lt(heap->supplied[class], 1u << 31);
}
END_TEST

UNIT_MAIN_WITH("figures", start, NULL, tiny_requests_are_exact, requests_of_all_tiers_are_exact,
               requests_are_exact_without_keeping_anything, countdowns_that_end_do_not_change_the_sums,
               live_bytes_and_held_bytes, classes_add_up_to_tiers, realloc_in_place_is_no_request,
               bad_frees_are_no_frees, blocks_of_a_dead_thread_are_live_until_freed,
               nothing_is_live_after_threads_have_freed_each_others, remote_frees_and_adoptions_are_counted,
               counts_are_consistent, remote_frees_count_for_the_tier_of_the_block, adoptions_count_for_the_tier_of_the_slab, runs_are_misses_and_slabs_are_made,
               purged_bytes_are_those_of_the_tier, huge_requests_hit_what_was_kept,
               sums_go_on_past_what_a_heap_can_count,
               collecting_asks_the_kernel_for_nothing, figures_can_be_had_while_threads_work)
