/* check_mapping_cache.c - what BigCache and the whale cache keep, for whom, and for how long. */
#include <config.h>

#include <sys/wait.h>
#include <unistd.h>

#include "align.h"
#include "counters.h"
#include "mapping_cache.h"
#include "knobs.h"
#include "options.h"
#include "os.h"
#include "patience.h"
#include "size_class.h"
#include "unit.h"

/* Nothing here touches the mappings themselves: addresses are made up. */
enum { RECORDS = 200 };
static struct huge record[RECORDS];
static size_t records;

static void defaults(void) {
  options_init(NULL, NULL, false, false);
  knobs_init();
  counter_values[COUNT_HUGE_LIVE_BYTES] = 0;
}

/* A mapping of its own at the next multiple of 64 KiB of a made-up space. */
static struct huge *mapping(size_t size) {
  static uintptr_t place = 0x10000000;
  struct huge *huge = &record[records++];
  huge->start = (char *)place;
  huge->size = size;
  place += align_up(size, 64 * KIB);
  return huge;
}

static unsigned chain_length(const struct huge *chain) {
  unsigned length = 0;
  for (; chain != NULL; chain = chain->next) length++;
  return length;
}

/* Puts a mapping that is to be kept, at the expense of no other. */
static struct huge *keep(size_t size, uint64_t now_ms) {
  struct huge *evicted, *huge = mapping(size);
  ck_assert(mapping_cache_put(huge, now_ms, &evicted));
  ck_assert_ptr_null(evicted);
  return huge;
}

static void refuse(size_t size, uint64_t now_ms) {
  struct huge *evicted;
  ck_assert(!mapping_cache_put(mapping(size), now_ms, &evicted));
  ck_assert_ptr_null(evicted);
}

START_TEST(what_is_kept_is_taken_again) {
  defaults();
  struct huge *huge = keep(3 * MIB, 1000);
  ck_assert_uint_eq(mapping_cache_bytes(), 3 * MIB);
  ck_assert_ptr_eq(mapping_cache_take(3 * MIB, 65536), huge);
  ck_assert_ptr_null(mapping_cache_take(3 * MIB, 65536));
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
}
END_TEST

START_TEST(bigcache_takes_2_mib_and_more_and_the_whale_cache_the_rest) {
  defaults();
  keep(2 * MIB, 0);
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_KEPT), 1);
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_BYTES), 2 * MIB);
  keep(2 * MIB - 4096, 0);
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_KEPT), 1);
  ck_assert_uint_eq(counter_get(COUNT_WHALE_KEPT), 1);
  ck_assert_uint_eq(counter_get(COUNT_WHALE_BYTES), 2 * MIB - 4096);
  ck_assert_ptr_nonnull(mapping_cache_take(2 * MIB - 4096, 1));
  ck_assert_uint_eq(counter_get(COUNT_WHALE_HITS), 1);
  ck_assert_uint_eq(counter_get(COUNT_WHALE_BYTES), 0);
  ck_assert_ptr_nonnull(mapping_cache_take(2 * MIB, 1));
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_HITS), 1);
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_BYTES), 0);
}
END_TEST

START_TEST(bigcache_l25_takes_512_kib_and_more) {
  defaults();
  option.bigcache_l25 = 1;
  option.whale = 0;
  keep(512 * KIB, 0);
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_KEPT), 1);
  refuse(512 * KIB - 4096, 0);
}
END_TEST

START_TEST(each_can_be_switched_off) {
  defaults();
  option.bigcache = 0;
  keep(3 * MIB, 0);
  ck_assert_uint_eq(counter_get(COUNT_WHALE_KEPT), 1);
  option.whale = 0;
  refuse(3 * MIB, 0);
  option.bigcache = 1;
  keep(3 * MIB, 0);
  ck_assert_uint_eq(counter_get(COUNT_BIGCACHE_KEPT), 1);
  refuse(MIB, 0);
  option.whale = 1;
  option.whale_slots = 0;
  refuse(MIB, 0);
}
END_TEST

START_TEST(any_that_is_large_enough_serves) {
  defaults();
  struct huge *huge = keep(5 * MIB, 0);
  ck_assert_ptr_null(mapping_cache_take(10 * MIB + 4096, 1));
  ck_assert_ptr_eq(mapping_cache_take(os_page_size, 1), huge);
}
END_TEST

/* To be made larger by the caller: the largest from half the size on, if it is one mapping and no alignment is asked for. */
START_TEST(a_smaller_one_serves_when_none_is_large_enough) {
  defaults();
  struct huge *small = keep(2 * MIB, 0), *joined = keep(3 * MIB, 0), *larger = keep(2 * MIB + 4096, 0);
  joined->joined = 1;
  ck_assert_ptr_null(mapping_cache_take(4 * MIB, 2 * UNIT_SIZE));
  ck_assert_ptr_eq(mapping_cache_take(4 * MIB, UNIT_SIZE), larger);
  ck_assert_ptr_eq(mapping_cache_take(4 * MIB, UNIT_SIZE), small);
  ck_assert_ptr_null(mapping_cache_take(4 * MIB, UNIT_SIZE));
  ck_assert_ptr_eq(mapping_cache_take(3 * MIB, UNIT_SIZE), joined);
}
END_TEST

START_TEST(neighbours_are_found) {
  defaults();
  struct huge *low = keep(MIB, 0), *high = keep(3 * MIB, 0), *beside = mapping(MIB), *apart = mapping(MIB);
  ck_assert_ptr_null(mapping_cache_take_neighbour(apart));
  beside->start = high->start + 3 * MIB;
  ck_assert_ptr_eq(mapping_cache_take_neighbour(beside), high);
  ck_assert_ptr_null(mapping_cache_take_neighbour(beside));
  ck_assert_uint_eq(mapping_cache_bytes(), MIB);
  beside->start = low->start - MIB;
  ck_assert_ptr_eq(mapping_cache_take_neighbour(beside), low);
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
}
END_TEST

/* Mapping again what was just given back lets more be kept, and for longer. */
START_TEST(regret_raises_the_budget) {
  defaults();
  counter_values[COUNT_HUGE_LIVE_BYTES] = 0;
  refuse(20 * MIB, 1000);
  mapping_cache_given_up(20 * MIB, 1000);
  mapping_cache_missed(20 * MIB, 1000 + PATIENCE_SOON_MS + 1);   /* too late */
  refuse(20 * MIB, 1000);
  mapping_cache_given_up(20 * MIB, 1000);
  mapping_cache_missed(20 * MIB, 1010);
  keep(20 * MIB, 1010);
  ck_assert_ptr_null(mapping_cache_expire(1010 + 26, 9));   /* twice the delay */
  ck_assert_ptr_nonnull(mapping_cache_expire(1010 + 60, 9));
}
END_TEST

START_TEST(the_smallest_and_then_the_latest_serves) {
  defaults();
  struct huge *large = keep(1152 * KIB, 0);
  struct huge *early = keep(1088 * KIB, 0);
  struct huge *late = keep(1088 * KIB, 0);
  ck_assert_ptr_eq(mapping_cache_take(MIB, 1), late);
  ck_assert_ptr_eq(mapping_cache_take(MIB, 1), early);
  ck_assert_ptr_eq(mapping_cache_take(MIB, 1), large);
}
END_TEST

START_TEST(alignment_is_honoured) {
  defaults();
  struct huge *huge = mapping(MIB), *evicted;
  huge->start = (char *)0x40010000;
  ck_assert(mapping_cache_put(huge, 0, &evicted));
  ck_assert_ptr_null(mapping_cache_take(MIB, 128 * KIB));
  ck_assert_ptr_eq(mapping_cache_take(MIB, 64 * KIB), huge);
}
END_TEST

START_TEST(the_ring_drops_the_oldest) {
  defaults();
  option.whale_slots = 3;
  struct huge *first = keep(MIB, 0);
  keep(MIB, 0);
  keep(MIB, 0);
  struct huge *evicted;
  ck_assert(mapping_cache_put(mapping(MIB), 0, &evicted));
  ck_assert_ptr_eq(evicted, first);
  ck_assert_ptr_null(evicted->next);
  ck_assert_uint_eq(mapping_cache_bytes(), 3 * MIB);
}
END_TEST

START_TEST(the_ring_drops_what_is_over_the_budget) {
  defaults();
  for (int i = 0; i < 7; i++) keep(MIB, 0);
  struct huge *evicted;
  ck_assert(mapping_cache_put(mapping(3 * MIB / 2), 0, &evicted));
  ck_assert_uint_eq(chain_length(evicted), 1);
  ck_assert(mapping_cache_bytes() <= 8 * MIB);
}
END_TEST

/* Pushing a dozen out for one is not worth it: their number is bounded, and then none goes. */
START_TEST(few_are_pushed_out_for_one) {
  defaults();
  option.whale_slots = 20;
  for (int i = 0; i < 16; i++) keep(512 * KIB, 0);
  struct huge *evicted;
  ck_assert(mapping_cache_put(mapping(2 * MIB - 65536), 0, &evicted));
  ck_assert_uint_eq(chain_length(evicted), 4);
  option.bigcache = 0;
  refuse(6 * MIB, 0);
  ck_assert_uint_eq(mapping_cache_bytes(), 12 * 512 * KIB + 2 * MIB - 65536);
}
END_TEST

START_TEST(eight_mib_may_always_be_kept) {
  defaults();
  refuse(9 * MIB, 0);
  keep(8 * MIB, 1);
  refuse(2 * MIB, 2);
}
END_TEST

START_TEST(half_the_peak_may_be_kept) {
  defaults();
  counter_add(COUNT_HUGE_LIVE_BYTES, 37 * MIB);
  keep(3 * MIB, 0);    /* 40 MiB were live when it was freed */
  keep(17 * MIB, 0);
  option.whale = 0;
  refuse(8 * MIB, 0);
}
END_TEST

START_TEST(the_option_is_the_limit_of_all) {
  defaults();
  option.bigcache_max = (long)(4 * MIB);
  keep(3 * MIB, 0);
  refuse(5 * MIB, 0);
  keep(MIB, 0);
  option.bigcache_max = 0;
  refuse(64 * KIB, 0);
}
END_TEST

START_TEST(the_peak_is_forgotten) {
  defaults();
  counter_add(COUNT_HUGE_LIVE_BYTES, 60 * MIB);
  keep(20 * MIB, 5000);
  counter_sub(COUNT_HUGE_LIVE_BYTES, 60 * MIB);
  option.purge_delay_ms = -1;
  knobs_init();
  ck_assert_ptr_null(mapping_cache_expire(5900, 4));
  ck_assert_ptr_null(mapping_cache_expire(6000, 4));   /* 80 / 2, half of it */
  ck_assert_uint_eq(chain_length(mapping_cache_expire(7000, 4)), 1);
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
}
END_TEST

START_TEST(old_ones_expire_few_at_a_time) {
  defaults();
  option.purge_delay_ms = 25;
  knobs_init();
  for (int i = 0; i < 6; i++) keep(MIB, 100 + (uint64_t)i);
  ck_assert_ptr_null(mapping_cache_expire(125, 4));
  ck_assert_uint_eq(chain_length(mapping_cache_expire(127, 4)), 2);
  ck_assert_uint_eq(chain_length(mapping_cache_expire(1000, 3)), 3);
  ck_assert_uint_eq(chain_length(mapping_cache_expire(1000, 3)), 1);
  ck_assert_ptr_null(mapping_cache_expire(1000, 3));
}
END_TEST

START_TEST(both_caches_expire_oldest_first) {
  defaults();
  struct huge *whale = keep(MIB, 1);
  struct huge *big = keep(3 * MIB, 2);
  ck_assert_ptr_eq(mapping_cache_expire(5000, 1), whale);
  ck_assert_ptr_eq(mapping_cache_expire(5000, 1), big);
}
END_TEST

START_TEST(delays_of_never_and_at_once) {
  defaults();
  option.purge_delay_ms = -1;
  knobs_init();
  keep(MIB, 0);
  ck_assert_ptr_null(mapping_cache_expire(1000000000, 4));
  option.purge_delay_ms = 0;
  knobs_init();
  refuse(MIB, 0);
}
END_TEST

/* A clock that another thread read a moment earlier. */
START_TEST(time_may_seem_to_go_back) {
  defaults();
  keep(MIB, 1000);
  ck_assert_ptr_null(mapping_cache_expire(900, 4));
  ck_assert_ptr_nonnull(mapping_cache_take(MIB, 1));
}
END_TEST

START_TEST(bigcache_is_bounded_in_number) {
  defaults();
  option.bigcache_max = (long)(1024 * MIB);
  option.whale = 0;
  counter_add(COUNT_HUGE_LIVE_BYTES, 1024 * MIB);
  for (int i = 0; i < 64; i++) keep(2 * MIB, 0);
  refuse(2 * MIB, 0);
}
END_TEST

START_TEST(drain_hands_out_everything) {
  defaults();
  keep(3 * MIB, 0);
  keep(MIB, 0);
  keep(2 * MIB, 0);
  ck_assert_uint_eq(chain_length(mapping_cache_drain()), 3);
  ck_assert_ptr_null(mapping_cache_drain());
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
  ck_assert_uint_eq(counter_get(COUNT_WHALE_BYTES) + counter_get(COUNT_BIGCACHE_BYTES), 0);
}
END_TEST

START_TEST(insides_are_found) {
  defaults();
  struct huge *whale = keep(MIB, 0);
  struct huge *big = keep(3 * MIB, 0);
  ck_assert_ptr_eq(mapping_cache_find_inside(whale->start + 1), whale);
  ck_assert_ptr_eq(mapping_cache_find_inside(big->start + 3 * MIB - 1), big);
  ck_assert_ptr_null(mapping_cache_find_inside(whale->start));
  ck_assert_ptr_null(mapping_cache_find_inside(big->start + 3 * MIB));
  ck_assert_ptr_null(mapping_cache_find_inside(NULL));
}
END_TEST

START_TEST(fork_keeps_the_lock_whole) {
  defaults();
  mapping_cache_fork_prepare();
  pid_t child = fork();
  mapping_cache_fork_release(child == 0);
  keep(MIB, 0);
  if (child == 0) _exit(mapping_cache_bytes() == MIB ? 0 : 1);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

UNIT_MAIN("mapping_cache", what_is_kept_is_taken_again,
          bigcache_takes_2_mib_and_more_and_the_whale_cache_the_rest, bigcache_l25_takes_512_kib_and_more,
          each_can_be_switched_off, any_that_is_large_enough_serves,
          a_smaller_one_serves_when_none_is_large_enough, neighbours_are_found, regret_raises_the_budget,
          the_smallest_and_then_the_latest_serves, alignment_is_honoured, the_ring_drops_the_oldest,
          the_ring_drops_what_is_over_the_budget, few_are_pushed_out_for_one, eight_mib_may_always_be_kept,
          half_the_peak_may_be_kept, the_option_is_the_limit_of_all, the_peak_is_forgotten,
          old_ones_expire_few_at_a_time, both_caches_expire_oldest_first, delays_of_never_and_at_once,
          time_may_seem_to_go_back, bigcache_is_bounded_in_number, drain_hands_out_everything,
          insides_are_found, fork_keeps_the_lock_whole)
