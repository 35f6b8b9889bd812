/* check_superslab.c - spans of units: where they come from, what they hold, when their pages go back. */
#include <config.h>

#include "align.h"
#include "core.h"

static char *start_of(const struct span *span) {
  return span->superslab->base + (size_t)span->first * UNIT_SIZE;
}
static size_t bytes_of(const struct span *span) { return (size_t)span->units * UNIT_SIZE; }

static struct span take(unsigned units) {
  struct span span;
  ck_assert(superslab_alloc_span(units, &span));
  ck_assert_uint_eq(span.units, units);
  ck_assert_uint_le(span.first + units, SUPERSLAB_UNITS);
  return span;
}
static void give(const struct span *span) { superslab_free_span(span->superslab, span->first, span->units); }

/* Writes a byte of its own to both ends of each unit. */
static void mark(const struct span *span, int value) {
  for (size_t at = 0; at < bytes_of(span); at += UNIT_SIZE)
    start_of(span)[at] = start_of(span)[at + UNIT_SIZE - 1] = (char)value;
}
static bool has_mark(const struct span *span, int value) {
  for (size_t at = 0; at < bytes_of(span); at += UNIT_SIZE)
    if (start_of(span)[at] != (char)value || start_of(span)[at + UNIT_SIZE - 1] != (char)value) return false;
  return true;
}

static void start(void) {
  core_start(true);
  option.purge_delay_ms = -1;   /* nothing is purged unless the test says so */
  knobs_init();
}

/* ---- spans ---- */

START_TEST(spans_of_every_length) {
  start();
  for (unsigned units = 1; units <= SUPERSLAB_UNITS; units++) {
    struct span span = take(units);
    ck_assert(span.zeroed);
    ck_assert(all_bytes(start_of(&span), bytes_of(&span), 0));
    memset(start_of(&span), 'x', bytes_of(&span));
  }
  core_check_masks();
}
END_TEST

/* Random spans with a mark in each page: none overlaps, those said to be zero are, all sums stay right. */
static void churn(int rounds, unsigned longest) {
  enum { SPANS = 80 };
  static struct span span[SPANS];
  uint64_t seed = longest;
  size_t held = 0;
  for (int round = 0; round < rounds; round++) {
    unsigned i = core_random(&seed) % SPANS;
    if (span[i].units != 0) {
      require(has_mark(&span[i], (int)i));
      held -= bytes_of(&span[i]);
      give(&span[i]);
      span[i].units = 0;
    } else {
      span[i] = take(1 + core_random(&seed) % longest);
      require(!span[i].zeroed || has_mark(&span[i], 0));
      mark(&span[i], (int)i);
      held += bytes_of(&span[i]);
    }
    if (round % 64 == 0) superslab_tick(os_now_ms() + core_random(&seed) % 50);
    if (round % 256 == 0) core_check_masks();
    require(counter_get(COUNT_SPAN_BYTES) == held);
  }
  for (unsigned i = 0; i < SPANS; i++)
    if (span[i].units != 0) give(&span[i]);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
  core_check_masks();
}

START_TEST(random_spans_never_overlap) {
  start();
  option.purge_delay_ms = 25;
  knobs_init();
  churn(CORE_ROUNDS(8000), 8);
}
END_TEST
START_TEST(random_spans_of_all_lengths) {
  start();
  option.purge_delay_ms = 0;
  knobs_init();
  churn(CORE_ROUNDS(8000), SUPERSLAB_UNITS);
}
END_TEST
START_TEST(random_spans_without_batches) {
  start();
  option.batch_madvise = 0;
  option.purge_delay_ms = 25;
  knobs_init();
  churn(CORE_ROUNDS(6000), 8);
}
END_TEST

START_TEST(dirty_units_serve_again_first) {
  start();
  struct span first = take(1), second = take(2), third = take(1);
  mark(&second, 'x');
  give(&second);
  struct span again = take(2);
  ck_assert_ptr_eq(start_of(&again), start_of(&second));
  ck_assert(!again.zeroed && has_mark(&again, 'x'));
  give(&first);
  give(&third);
  struct span small = take(1);
  ck_assert(start_of(&small) == start_of(&first) || start_of(&small) == start_of(&third));
}
END_TEST

/* A small gap is filled before a large one is broken up. */
START_TEST(the_shortest_run_that_fits_is_taken) {
  start();
  struct span whole = take(SUPERSLAB_UNITS), pieces[8];
  for (int i = 0; i < 8; i++) pieces[i] = take(4);
  ck_assert_ptr_eq(pieces[0].superslab, pieces[7].superslab);
  give(&whole);
  give(&pieces[3]);
  struct span span = take(3);
  ck_assert_ptr_eq(start_of(&span), start_of(&pieces[3]));
}
END_TEST

START_TEST(neighbours_join_into_one_run) {
  start();
  struct span piece[SUPERSLAB_UNITS];
  for (unsigned i = 0; i < SUPERSLAB_UNITS; i++) piece[i] = take(1);
  for (unsigned i = 0; i < SUPERSLAB_UNITS; i += 2) give(&piece[i]);
  for (unsigned i = 1; i < SUPERSLAB_UNITS; i += 2) give(&piece[i]);
  struct span whole = take(SUPERSLAB_UNITS);
  ck_assert_ptr_eq(whole.superslab, piece[0].superslab);
  ck_assert_uint_eq(counter_get(COUNT_SUPERSLABS), 1);
}
END_TEST

/* ---- growth in place ---- */

START_TEST(a_span_grows_into_free_units) {
  start();
  struct span span = take(2), next = take(3), last = take(1);
  mark(&span, 'a');
  mark(&last, 'c');
  ck_assert(!superslab_extend_span(span.superslab, span.first, 2, 3));   /* next is in use */
  give(&next);
  ck_assert(!superslab_extend_span(span.superslab, span.first, 2, 6));   /* last is in use */
  ck_assert(superslab_extend_span(span.superslab, span.first, 2, 4));
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 5 * UNIT_SIZE);
  span.units = 4;
  mark(&span, 'b');
  ck_assert(has_mark(&last, 'c'));
  struct span other = take(1);
  ck_assert_ptr_eq(start_of(&other), start_of(&span) + 4 * UNIT_SIZE);
  give(&span);
  core_check_masks();
}
END_TEST

START_TEST(a_span_never_grows_past_its_superslab_or_into_what_is_not_committed) {
  start();
  struct span span = take(1);
  ck_assert(!superslab_extend_span(span.superslab, span.first, 1, SUPERSLAB_UNITS + 1 - span.first));
  uint32_t behind = ~span.superslab->committed_mask;
  if (behind != 0) {
    unsigned first = (unsigned)__builtin_ctz(behind);
    ck_assert(!superslab_extend_span(span.superslab, span.first, 1, first + 1 - span.first));
  }
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
}
END_TEST

/* ---- commit ---- */

START_TEST(a_refused_commit_loses_no_unit) {
  start();
  struct span span = take(1);
  kernel.refuse_mprotect = kernel.refuse_mmap = true;
  struct span wanted;
  for (unsigned units = 1; units <= SUPERSLAB_UNITS; units++) {
    bool given = superslab_alloc_span(units, &wanted);   /* from what is committed already */
    if (given) give(&wanted);
    core_check_masks();
  }
  ck_assert(!superslab_alloc_span(SUPERSLAB_UNITS, &wanted));
  kernel.refuse_mprotect = kernel.refuse_mmap = false;
  struct span rest = take(SUPERSLAB_UNITS - 1);
  ck_assert_ptr_eq(rest.superslab, span.superslab);
  mark(&rest, 'x');
  core_check_masks();
}
END_TEST

/* A free dirty unit followed by one that is not committed: when that commit fails, the first is
   still dirty. */
START_TEST(a_refused_commit_keeps_dirty_units_dirty) {
  struct span span, wanted;
  start();
  span = take(1);
  uint32_t committed = span.superslab->committed_mask;
  unsigned units = (unsigned)__builtin_popcount(committed);
  if (units > 1) ck_assert(superslab_extend_span(span.superslab, span.first, 1, units));
  span.units = units;
  mark(&span, 'x');
  give(&span);
  kernel.refuse_mprotect = kernel.refuse_mmap = true;
  ck_assert(!superslab_alloc_span(units + 1, &wanted));
  kernel.refuse_mprotect = kernel.refuse_mmap = false;
  for (unsigned i = 0; i < units; i++) {
    wanted = take(1);
    ck_assert(!wanted.zeroed || has_mark(&wanted, 0));
  }
  core_check_masks();
}
END_TEST

/* When more than the span is refused, but the span is not, its units that were committed are not
   counted twice. */
START_TEST(a_smaller_commit_is_counted_exactly) {
  struct span spans[64];
  start();
  for (int i = 0; i < 40; i++) spans[i] = take(1);
  for (int i = 0; i < 24; i++) {
    struct superslab *superslab = spans[39].superslab;
    if (superslab->committed_mask != UINT32_MAX && (superslab->free_mask & superslab->committed_mask) != 0) {
      unsigned calls = kernel.mprotects;
      kernel_fail(1);
      spans[40] = take((unsigned)__builtin_popcount(superslab->free_mask & superslab->committed_mask) + 1);
      kernel_fail(0);
      core_check_masks();
      if (kernel.mprotects >= calls + 2) return;
    }
    spans[39] = take(1);
  }
  ck_abort_msg("the commit was never larger than the span");
}
END_TEST

START_TEST(each_refusal_in_turn_is_survived) {
  start();
  for (unsigned call = 1; call < 60; call++) {
    struct span span;
    kernel_fail(call);
    bool given = superslab_alloc_span(1 + call % SUPERSLAB_UNITS, &span);
    kernel_fail(0);
    if (given) mark(&span, 'x');
    core_check_masks();
    if (given && call % 3 == 0) give(&span);
  }
}
END_TEST

/* ---- purges ---- */

/* Four neighbouring spans of one unit, written to, with a span behind them that stays. */
static void four(struct span span[4]) {
  for (int i = 0; i < 4; i++) span[i] = take(1);
  for (int i = 0; i < 4; i++) mark(&span[i], 'x');
  take(1);
}

START_TEST(pages_go_back_after_the_delay) {
  struct span span[4];
  start();
  four(span);
  option.purge_delay_ms = 1000;
  knobs_init();
  give(&span[0]);
  uint64_t now = os_now_ms();
  superslab_tick(now + 500);
  ck_assert_uint_eq(kernel.purges, 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), UNIT_SIZE);
  superslab_tick(now + 1001);
  ck_assert_uint_eq(kernel.purges, 1);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  struct span again = take(1);
  ck_assert(has_mark(&again, 0));
}
END_TEST

START_TEST(neighbours_go_back_in_one_call) {
  struct span span[4];
  start();
  four(span);
  option.purge_delay_ms = 1000;
  knobs_init();
  for (int i = 0; i < 4; i++) give(&span[i]);
  superslab_tick(os_now_ms() + 2000);
  ck_assert_uint_eq(kernel.purges, 1);
  ck_assert_uint_eq(kernel.purged, 4 * UNIT_SIZE);
}
END_TEST

START_TEST(without_batches_each_span_goes_back_by_itself) {
  struct span span[4];
  start();
  four(span);
  option.purge_delay_ms = 1000;
  knobs_init();
  option.batch_madvise = 0;
  for (int i = 0; i < 4; i++) give(&span[i]);
  ck_assert_uint_eq(kernel.purges, 4);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
  struct span again = take(4);
  ck_assert(has_mark(&again, 0));
  core_check_masks();
}
END_TEST

START_TEST(short_runs_wait_until_they_have_grown) {
  struct span span[4];
  start();
  four(span);
  option.purge_delay_ms = 1000;
  knobs_init();
  option.batch_min_size = 2 * UNIT_SIZE;
  give(&span[1]);
  superslab_tick(os_now_ms() + 2000);
  ck_assert_uint_eq(kernel.purges, 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), UNIT_SIZE);
  give(&span[2]);
  superslab_tick(os_now_ms() + 5000);
  ck_assert_uint_eq(kernel.purges, 1);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
}
END_TEST

START_TEST(a_delay_of_zero_purges_with_the_free) {
  struct span span[4];
  start();
  four(span);
  option.purge_delay_ms = 0;
  knobs_init();
  for (unsigned i = 0; i < 4; i++) {
    give(&span[i]);
    ck_assert_uint_eq(kernel.purges, i + 1);
  }
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
}
END_TEST

START_TEST(a_negative_delay_never_purges) {
  struct span span[8];
  start();
  option.batch_flush = UNIT_SIZE;
  option.superslab_max_cached = 0;
  knobs_init();
  for (int i = 0; i < 8; i++) {
    span[i] = take(SUPERSLAB_UNITS);
    mark(&span[i], 'x');
  }
  for (int i = 0; i < 8; i++) give(&span[i]);
  superslab_tick(UINT64_MAX / 2);
  ck_assert_uint_eq(kernel.purges, 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 8 * SUPERSLAB_SIZE);
}
END_TEST

START_TEST(over_the_bound_pages_do_not_wait_for_the_delay) {
  struct span span[16];
  start();
  option.purge_delay_ms = 1000000;
  option.batch_flush = 4 * SUPERSLAB_SIZE;
  option.superslab_max_cached = 100;
  knobs_init();
  for (int i = 0; i < 16; i++) span[i] = take(SUPERSLAB_UNITS);
  for (int i = 0; i < 16; i++) give(&span[i]);
  for (uint64_t i = 0; i < 16; i++) superslab_tick(os_now_ms() + 100 + i);
  ck_assert_uint_gt(kernel.purges, 0);
  ck_assert_uint_le(counter_get(COUNT_DIRTY_BYTES), 5 * (uint64_t)SUPERSLAB_SIZE);
  ck_assert_uint_gt(counter_get(COUNT_DIRTY_BYTES), 0);
}
END_TEST

START_TEST(refused_purges_leave_the_pages_dirty) {
  struct span span[4];
  start();
  four(span);
  option.purge_delay_ms = 0;
  knobs_init();
  kernel.refuse_madvise = true;
  for (int i = 0; i < 4; i++) give(&span[i]);
  ck_assert_uint_eq(superslab_trim(0), 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 4 * UNIT_SIZE);
  core_check_masks();
  struct span again = take(4);
  ck_assert_ptr_eq(start_of(&again), start_of(&span[0]));
  ck_assert(!again.zeroed && has_mark(&again, 'x'));
}
END_TEST

UNIT_MAIN("superslab", spans_of_every_length, random_spans_never_overlap, random_spans_of_all_lengths,
          random_spans_without_batches, dirty_units_serve_again_first, the_shortest_run_that_fits_is_taken,
          neighbours_join_into_one_run, a_span_grows_into_free_units,
          a_span_never_grows_past_its_superslab_or_into_what_is_not_committed, a_refused_commit_loses_no_unit,
          a_refused_commit_keeps_dirty_units_dirty, a_smaller_commit_is_counted_exactly,
          each_refusal_in_turn_is_survived, pages_go_back_after_the_delay, neighbours_go_back_in_one_call,
          without_batches_each_span_goes_back_by_itself, short_runs_wait_until_they_have_grown,
          a_delay_of_zero_purges_with_the_free, a_negative_delay_never_purges,
          over_the_bound_pages_do_not_wait_for_the_delay, refused_purges_leave_the_pages_dirty)
