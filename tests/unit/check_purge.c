/* check_purge.c - ranges of pages collected, joined and given back together. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "purge.h"

static struct purge_batch batch;
static char *memory;
static size_t page;

enum { PAGES = 64 };

static void start(void) {
  core_start(false);
  page = os_page_size;
  memory = os_map(NULL, PAGES * page);
  require(memory != NULL);
  memset(memory, 'x', PAGES * page);
  purge_batch_init(&batch);
}

static bool add(size_t first, size_t pages) {
  return purge_batch_add(&batch, memory + first * page, pages * page);
}
static bool is_clean(size_t first, size_t pages) { return all_bytes(memory + first * page, pages * page, 0); }
static bool is_whole(size_t first, size_t pages) {
  return all_bytes(memory + first * page, pages * page, 'x');
}

START_TEST(ranges_that_touch_are_one) {
  ck_assert(add(1, 2) && add(3, 1) && add(4, 3));
  ck_assert_uint_eq(batch.count, 1);
  ck_assert_uint_eq(batch.bytes, 6 * page);
  purge_batch_issue(&batch);
  ck_assert_uint_eq(kernel.purges, 1);
  ck_assert_uint_eq(kernel.purged, 6 * page);
  ck_assert(is_whole(0, 1) && is_clean(1, 6) && is_whole(7, PAGES - 7));
}
END_TEST

START_TEST(ranges_apart_stay_apart) {
  ck_assert(add(1, 1) && add(3, 1) && add(5, 2));
  ck_assert_uint_eq(batch.count, 3);
  purge_batch_issue(&batch);
  ck_assert_uint_eq(kernel.purges, 3);
  ck_assert(is_clean(1, 1) && is_whole(2, 1) && is_clean(3, 1) && is_whole(4, 1) && is_clean(5, 2) &&
            is_whole(7, 1));
}
END_TEST

START_TEST(a_full_batch_takes_no_more_but_what_touches) {
  for (size_t i = 0; i < PURGE_BATCH_RANGES; i++) ck_assert(add(2 * i, 1));
  size_t bytes = batch.bytes;
  ck_assert(!add(2 * PURGE_BATCH_RANGES + 4, 1));
  ck_assert_uint_eq(batch.count, PURGE_BATCH_RANGES);
  ck_assert_uint_eq(batch.bytes, bytes);
  ck_assert(add(2 * PURGE_BATCH_RANGES - 1, 1));
  ck_assert_uint_eq(batch.bytes, bytes + page);
  purge_batch_issue(&batch);
  ck_assert_uint_eq(kernel.purges, PURGE_BATCH_RANGES);
  ck_assert(is_whole(2 * PURGE_BATCH_RANGES + 4, 1));
}
END_TEST

START_TEST(an_empty_batch_does_nothing) {
  purge_batch_issue(&batch);
  ck_assert_uint_eq(kernel.purges, 0);
  ck_assert(!purge_batch_done(&batch, memory, page));
}
END_TEST

START_TEST(what_was_refused_is_not_done) {
  ck_assert(add(1, 2) && add(5, 2) && add(9, 2));
  kernel_fail(2);
  purge_batch_issue(&batch);
  ck_assert(purge_batch_done(&batch, memory + page, page) &&
            purge_batch_done(&batch, memory + 10 * page, page));
  ck_assert(!purge_batch_done(&batch, memory + 5 * page, page));
  ck_assert(is_clean(1, 2) && is_whole(5, 2) && is_clean(9, 2));
}
END_TEST

START_TEST(only_what_lies_inside_is_done) {
  ck_assert(add(4, 4));
  purge_batch_issue(&batch);
  ck_assert(purge_batch_done(&batch, memory + 4 * page, 4 * page));
  ck_assert(purge_batch_done(&batch, memory + 7 * page, page));
  ck_assert(!purge_batch_done(&batch, memory + 3 * page, page));
  ck_assert(!purge_batch_done(&batch, memory + 3 * page, 2 * page));
  ck_assert(!purge_batch_done(&batch, memory + 7 * page, 2 * page));
  ck_assert(!purge_batch_done(&batch, memory + 8 * page, page));
}
END_TEST

START_TEST(calls_and_bytes_are_counted) {
  ck_assert(add(0, 3) && add(8, 1));
  kernel_fail(2);
  purge_batch_issue(&batch);
  ck_assert_uint_eq(counter_get(COUNT_PURGE_CALLS), 2);
  ck_assert_uint_eq(counter_get(COUNT_PURGED_BYTES), 3 * page);
}
END_TEST

UNIT_MAIN_WITH("purge", start, NULL, ranges_that_touch_are_one, ranges_apart_stay_apart,
               a_full_batch_takes_no_more_but_what_touches, an_empty_batch_does_nothing,
               what_was_refused_is_not_done, only_what_lies_inside_is_done, calls_and_bytes_are_counted)
