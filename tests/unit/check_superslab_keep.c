/* check_superslab_keep.c - superslab.c: what is kept, given back by trim, asked of the kernel;
   fork and threads. */
#include <config.h>

#include "align.h"
#include "core.h"

static char *start_of(const struct span *span) {
  return span->superslab->base + (size_t)span->first * UNIT_SIZE;
}
static struct span take(unsigned units) {
  struct span span;
  require(superslab_alloc_span(units, &span));
  memset(start_of(&span), 'x', (size_t)units * UNIT_SIZE);
  return span;
}
static void give(const struct span *span) { superslab_free_span(span->superslab, span->first, span->units); }

enum { WHOLE = 6 };
static struct span whole[WHOLE];
static void take_whole(bool region, long cached) {
  core_start(region);
  option.purge_delay_ms = 1000000;
  option.batch_flush = 1 << 30;
  option.superslab_max_cached = cached;
  knobs_init();
  for (int i = 0; i < WHOLE; i++) whole[i] = take(SUPERSLAB_UNITS);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), WHOLE);
  ck_assert_int_eq(whole[0].superslab->outside, !region);
  for (int i = 0; i < WHOLE; i++) give(&whole[i]);
}

/* ---- empty SuperSlabs ---- */

START_TEST(no_empty_superslab_is_kept_in_the_region) {
  take_whole(true, 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), WHOLE);
  core_check_masks();
}
END_TEST

/* Those that were in use a moment ago stay until they are a little older. */
START_TEST(as_many_empty_superslabs_are_kept_as_the_option_says) {
  skip_if_emulated();   /* takes too long: the first are old before the last is there */
  take_whole(true, 3);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), WHOLE * (uint64_t)SUPERSLAB_SIZE);
  usleep(50000);
  struct span again = take(SUPERSLAB_UNITS);
  give(&again);
  ck_assert_uint_le(counter_get(COUNT_DIRTY_BYTES), 3 * (uint64_t)SUPERSLAB_SIZE);
  core_check_masks();
}
END_TEST

START_TEST(outside_the_region_the_others_are_unmapped) {
  take_whole(false, 2);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), 2);
  ck_assert_uint_eq(counter_get(COUNT_COMMITTED_BYTES), 2 * (uint64_t)SUPERSLAB_SIZE);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 2 * (uint64_t)SUPERSLAB_SIZE);
  unsigned known = 0;
  for (int i = 0; i < WHOLE; i++) known += registry_lookup(whole[i].superslab->base).kind == REGISTRY_UNIT;
  ck_assert_uint_ge(known, 2);
  for (int i = 0; i < WHOLE; i++) whole[i] = take(SUPERSLAB_UNITS);   /* and they are had again */
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), WHOLE);
}
END_TEST

START_TEST(without_batches_and_a_region_empty_superslabs_are_not_kept_either) {
  core_start(false);
  option.batch_madvise = 0;
  option.superslab_max_cached = 0;
  option.purge_delay_ms = 0;
  knobs_init();
  for (int i = 0; i < WHOLE; i++) whole[i] = take(SUPERSLAB_UNITS);
  for (int i = 0; i < WHOLE; i++) give(&whole[i]);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), 0);
}
END_TEST

/* ---- trim ---- */

START_TEST(trim_purges_everything_in_the_region) {
  take_whole(true, 100);
  ck_assert_uint_eq(superslab_trim(0), WHOLE * (size_t)SUPERSLAB_SIZE);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  ck_assert_uint_eq(superslab_trim(0), 0);
  core_check_masks();
  struct span span;
  ck_assert(superslab_alloc_span(1, &span) && span.zeroed);
}
END_TEST

START_TEST(trim_unmaps_outside_the_region) {
  take_whole(false, 100);
  ck_assert_uint_eq(superslab_trim(0), WHOLE * (size_t)SUPERSLAB_SIZE);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), 0);
  ck_assert_uint_eq(counter_get(COUNT_COMMITTED_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  ck_assert_int_eq(registry_lookup(start_of(&whole[0])).kind, REGISTRY_FOREIGN);
}
END_TEST

START_TEST(trim_leaves_what_it_is_told_to_keep) {
  take_whole(true, 100);
  ck_assert_uint_eq(superslab_trim(WHOLE * (size_t)SUPERSLAB_SIZE), 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), WHOLE * (uint64_t)SUPERSLAB_SIZE);
  option.batch_flush = UNIT_SIZE;
  knobs_init();
  ck_assert_uint_gt(superslab_trim(3 * (size_t)SUPERSLAB_SIZE), 0);
  ck_assert_uint_ge(counter_get(COUNT_DIRTY_BYTES), 2 * (uint64_t)SUPERSLAB_SIZE);
  ck_assert_uint_le(counter_get(COUNT_DIRTY_BYTES), 3 * (uint64_t)SUPERSLAB_SIZE);
}
END_TEST

/* Memory is short, or the program has asked: then short runs go back as well. */
START_TEST(trim_takes_short_runs_too) {
  core_start(true);
  option.purge_delay_ms = 1000000;
  knobs_init();
  option.batch_min_size = 1 << 30;
  struct span first = take(1), between = take(1), second = take(1);
  give(&first);
  give(&second);
  ck_assert_uint_eq(superslab_trim(0), 2 * UNIT_SIZE);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  give(&between);
}
END_TEST

/* One SuperSlab with nothing but short runs does not stand before the others. */
START_TEST(a_superslab_with_short_runs_does_not_stop_the_others) {
  core_start(true);
  option.purge_delay_ms = 1000;
  knobs_init();
  option.batch_min_size = 4 * UNIT_SIZE;
  struct span small = take(1), rest = take(SUPERSLAB_UNITS - 1), other = take(8);
  give(&small);
  give(&other);
  uint64_t now = os_now_ms();
  for (uint64_t tick = 1; tick <= 4; tick++) superslab_tick(now + tick * 2000);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), UNIT_SIZE);
  give(&rest);
}
END_TEST

/* ---- huge pages, prefault ---- */

static void take_with_thp(enum thp thp) {
  core_start(false);
  option.thp = thp;
  kernel.last_advice = 0;
  take(1);
}
START_TEST(huge_pages_only_where_the_option_says) {
  take_with_thp(THP_ALWAYS);
  ck_assert_int_eq(kernel.last_advice, MADV_HUGEPAGE);
}
END_TEST
START_TEST(huge_pages_are_refused_for_a_small_heap) {
  take_with_thp(THP_AUTO);
  ck_assert_int_eq(kernel.last_advice, MADV_NOHUGEPAGE);
}
END_TEST
START_TEST(huge_pages_never_means_never) {
  take_with_thp(THP_NEVER);
  ck_assert_int_eq(kernel.last_advice, MADV_NOHUGEPAGE);
}
END_TEST
START_TEST(huge_pages_are_left_to_the_system) {
  take_with_thp(THP_INHERIT);
  ck_assert_int_eq(kernel.last_advice, 0);
}
END_TEST

static size_t resident_pages(char *start, size_t size) {
  static unsigned char pages[SUPERSLAB_SIZE / 4096];
  size_t count = 0;
  require(mincore(start, size, pages) == 0);
  for (size_t i = 0; i < size / os_page_size; i++) count += pages[i] & 1;
  return count;
}
static size_t resident_when(long prefault) {
  struct span span;
  option.ss_prefault = prefault;
  require(superslab_alloc_span(16, &span));
  require(span.zeroed && all_bytes(start_of(&span), os_page_size, 0));
  return resident_pages(start_of(&span), 16 * UNIT_SIZE);
}
START_TEST(pages_are_filled_early_when_asked) {
  skip_if_emulated();
  core_start(true);
  ck_assert_uint_le(resident_when(PREFAULT_OFF), 1);
  ck_assert_uint_eq(resident_when(PREFAULT_TOUCH), 16 * UNIT_SIZE / os_page_size);
  ck_assert_uint_eq(resident_when(PREFAULT_POPULATE), 16 * UNIT_SIZE / os_page_size);
}
END_TEST

/* ---- fork, threads ---- */

static void take_and_give_in_child(void) {
  struct span span = take(4);
  give(&span);
}
START_TEST(a_forked_child_can_go_on) {
  core_start(true);
  struct span span = take(3);
  superslab_fork_prepare();
  pid_t child = fork();
  superslab_fork_release(child == 0);
  take_and_give_in_child();
  give(&span);
  if (child == 0) _exit(0);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

enum { THREADS = 4 };
static void *churn(void *number) {
  struct span span[16];
  uint64_t seed = *(unsigned char *)number;
  memset(span, 0, sizeof span);
  for (int round = 0; round < CORE_ROUNDS(4000); round++) {
    struct span *one = &span[core_random(&seed) % 16];
    if (one->units != 0) {
      size_t size = (size_t)one->units * UNIT_SIZE;
      require(*start_of(one) == *(char *)number && start_of(one)[size - 1] == *(char *)number);
      give(one);
      one->units = 0;
    } else {
      require(superslab_alloc_span(1 + core_random(&seed) % 12, one));
      require(!one->zeroed || *start_of(one) == 0);
      *start_of(one) = start_of(one)[(size_t)one->units * UNIT_SIZE - 1] = *(char *)number;
    }
  }
  for (int i = 0; i < 16; i++)
    if (span[i].units != 0) give(&span[i]);
  return NULL;
}
static void try_threads(bool region, long delay, long cached) {
  static char number[THREADS] = { 1, 2, 3, 4 };
  pthread_t thread[THREADS];
  core_start(region);
  option.purge_delay_ms = delay;
  option.superslab_max_cached = cached;
  knobs_init();
  for (int i = 0; i < THREADS; i++) require(pthread_create(&thread[i], NULL, churn, &number[i]) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
  if (region) core_check_masks();
}
START_TEST(threads_have_spans_of_their_own) { try_threads(true, 1, 4); }
END_TEST
START_TEST(threads_have_spans_of_their_own_while_pages_go) { try_threads(true, 0, 0); }
END_TEST
START_TEST(threads_have_spans_of_their_own_outside) { try_threads(false, 1, 0); }
END_TEST

UNIT_MAIN("superslab_keep", no_empty_superslab_is_kept_in_the_region,
          as_many_empty_superslabs_are_kept_as_the_option_says, outside_the_region_the_others_are_unmapped,
          without_batches_and_a_region_empty_superslabs_are_not_kept_either,
          trim_purges_everything_in_the_region, trim_unmaps_outside_the_region,
          trim_leaves_what_it_is_told_to_keep, trim_takes_short_runs_too,
          a_superslab_with_short_runs_does_not_stop_the_others, huge_pages_only_where_the_option_says,
          huge_pages_are_refused_for_a_small_heap, huge_pages_never_means_never,
          huge_pages_are_left_to_the_system, pages_are_filled_early_when_asked, a_forked_child_can_go_on,
          threads_have_spans_of_their_own, threads_have_spans_of_their_own_while_pages_go,
          threads_have_spans_of_their_own_outside)
