/* check_limit.c - when passes are made near a limit, what for, and how often: with made-up counters, and what gives back
   in the test's hands. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "limit.h"
#include "message.h"
#include "metadata.h"

enum { LIMIT = 1 << 30 };

/* What the passes did: the stages in order, and how much each stage gives back of what is held. */
static struct {
  unsigned calls, own, everybody;   /* by scope */
  enum limit_stage last, order[64];
  uint64_t gives[LIMIT_PACK + 1], own_gives;
} relief;

static void relieve(enum limit_stage stage, enum limit_scope scope) {
  require(stage >= LIMIT_CACHES && stage <= LIMIT_PACK);
  bool own = scope != LIMIT_EVERYBODY;
  relief.order[relief.calls++ % 64] = relief.last = stage;
  relief.own += own;
  relief.everybody += !own;
  uint64_t gives = own ? relief.own_gives : relief.gives[stage];
  if (gives > counter_values[COUNT_SPAN_BYTES]) gives = counter_values[COUNT_SPAN_BYTES];
  counter_values[COUNT_SPAN_BYTES] -= gives;
}

/* Spans of so many bytes are held; the library's own metadata is counted too. */
static void hold(uint64_t bytes) { counter_values[COUNT_SPAN_BYTES] = bytes - metadata_bytes(); }
static uint64_t held(void) { return counter_values[COUNT_SPAN_BYTES] + metadata_bytes(); }

static void set_limit(uint64_t bytes, bool hard) {
  option.memory_limit = (long)bytes;
  option.memory_limit_hard = hard;
  limit_init();
}

static void start(void) {
  kernel_watch();
  os_init();
  options_init(NULL, NULL, false, false);
  knobs_init();
  message_level = MESSAGE_NONE;
  limit_relieve = relieve;
}

/* Takes so much more, as an owner does. */
static bool take(uint64_t bytes) {
  struct limit_request request;
  bool admitted = limit_admit(&request, (size_t)bytes, (size_t)bytes);
  if (admitted) counter_add(COUNT_SPAN_BYTES, bytes);
  limit_done(&request);
  return admitted;
}

START_TEST(stages_begin_where_they_should) {
  static const uint64_t limits[] = { MIB, 10 * MIB, LIMIT, (uint64_t)1 << 40, UINT64_MAX / 2 };
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    uint64_t limit = limits[i];
    ck_assert_int_eq(limit_stage_of(0, limit), LIMIT_CALM);
    ck_assert_int_eq(limit_stage_of(limit - limit / 8, limit), LIMIT_CALM);
    ck_assert_int_eq(limit_stage_of(limit - limit / 8 + 1, limit), LIMIT_CACHES);
    ck_assert_int_eq(limit_stage_of(limit - limit / 16, limit), LIMIT_CACHES);
    ck_assert_int_eq(limit_stage_of(limit - limit / 16 + 1, limit), LIMIT_EAGER);
    ck_assert_int_eq(limit_stage_of(limit, limit), LIMIT_EAGER);
    ck_assert_int_eq(limit_stage_of(limit + 1, limit), LIMIT_PACK);
    ck_assert_int_eq(limit_stage_of(UINT64_MAX, limit), LIMIT_PACK);
  }
}
END_TEST

/* Never at once again, never beyond a quarter of the limit, and always at the limit itself. */
START_TEST(the_next_pass_is_neither_too_soon_nor_too_late) {
  static const uint64_t limits[] = { MIB, 10 * MIB, LIMIT, (uint64_t)1 << 40 };
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    uint64_t limit = limits[i], step = limit_step(limit);
    for (unsigned fruitless = 0; fruitless < 40; fruitless++)
      for (uint64_t total = 0; total < 2 * limit; total += limit / 97) {
        uint64_t next = limit_next(total, limit, fruitless);
        ck_assert_uint_ge(next, total + step / 4 < limit - limit / 8 ? limit - limit / 8 : total + step / 4);
        ck_assert_uint_le(next, (total < limit - limit / 8 ? limit - limit / 8 : total) + 8 * step);
        if (total + step / 4 < limit) ck_assert_uint_le(next, limit);
      }
  }
}
END_TEST

START_TEST(without_a_limit_nothing_happens) {
  set_limit(0, false);
  hold((uint64_t)1 << 40);
  ck_assert(take(LIMIT));
  ck_assert(!limit_is_set && limit_stage() == LIMIT_CALM && relief.calls == 0);
  ck_assert(limit_cache_room() == SIZE_MAX && limit_dirty_room() == SIZE_MAX);
  ck_assert_uint_eq(limit_figures().passes + limit_figures().held_bytes, 0);
}
END_TEST

START_TEST(below_seven_eighths_nothing_is_given_back) {
  set_limit(LIMIT, true);
  hold(LIMIT / 2);
  for (unsigned i = 0; i < 100; i++) ck_assert(take(MIB));
  ck_assert_uint_eq(relief.calls, 0);
  ck_assert_int_eq(limit_stage(), LIMIT_CALM);
}
END_TEST

START_TEST(stages_follow_each_other_while_they_do_not_suffice) {
  set_limit(LIMIT, false);
  hold(LIMIT + MIB);
  relief.gives[LIMIT_CACHES] = LIMIT / 2;
  ck_assert(take(MIB));
  ck_assert_uint_eq(relief.calls, 1);   /* the caches did it */
  ck_assert_int_eq(relief.order[0], LIMIT_CACHES);

  hold(LIMIT + MIB);
  relief.calls = 0;
  relief.gives[LIMIT_CACHES] = MIB;
  relief.gives[LIMIT_EAGER] = LIMIT / 16;
  ck_assert(take(MIB));
  ck_assert_uint_eq(relief.calls, 2);
  ck_assert_int_eq(relief.order[1], LIMIT_EAGER);

  hold(3 * (uint64_t)LIMIT);
  relief.calls = 0;
  uint32_t packs = limit_packs;
  ck_assert(take(MIB));
  ck_assert_uint_eq(relief.calls, 3);
  ck_assert_int_eq(relief.order[2], LIMIT_PACK);
  ck_assert_uint_eq(limit_packs, packs + 1);
  ck_assert_uint_eq(relief.everybody, 6);   /* each of them */
}
END_TEST

/* What is asked for counts before it is there. */
START_TEST(one_large_request_makes_room_first) {
  set_limit(LIMIT, true);
  hold(LIMIT / 2);
  relief.gives[LIMIT_CACHES] = LIMIT / 4;
  ck_assert(take(LIMIT / 8 * 5));
  ck_assert_uint_eq(held(), LIMIT / 4 + LIMIT / 8 * 5);
}
END_TEST

START_TEST(a_program_beyond_its_soft_limit_pays_for_few_passes) {
  set_limit(LIMIT, false);
  hold(LIMIT / 2);
  uint64_t steps = 0;
  for (; held() < 3 * (uint64_t)LIMIT; steps++) ck_assert(take(64 * KIB));
  /* Two and a half limits of growth, of which one and five eighths beyond the first stage: steps of a thirty-second, which double. */
  uint64_t passes = limit_figures().passes;
  ck_assert_uint_ge(passes, 6);
  ck_assert_uint_le(passes, 20);
  ck_assert_uint_gt(steps, 30000);
  /* What goes up and down below what has been reached asks for nothing more. */
  for (unsigned i = 0; i < 10000; i++) {
    counter_sub(COUNT_SPAN_BYTES, MIB);
    ck_assert(take(MIB));
  }
  ck_assert_uint_le(limit_figures().passes, passes + 1);
}
END_TEST

START_TEST(after_a_peak_the_limit_is_guarded_again) {
  set_limit(LIMIT, false);
  hold(3 * (uint64_t)LIMIT);
  ck_assert(take(64 * KIB));
  hold(LIMIT / 2);
  ck_assert(take(64 * KIB));
  uint64_t passes = limit_figures().passes;
  ck_assert_int_eq(limit_stage(), LIMIT_CALM);
  hold(LIMIT - LIMIT / 8);
  ck_assert(take(MIB));
  ck_assert_uint_eq(limit_figures().passes, passes + 1);
}
END_TEST

START_TEST(a_hard_limit_refuses_after_everything_was_tried) {
  set_limit(LIMIT, true);
  hold(LIMIT - MIB);
  ck_assert(!take(2 * MIB));
  ck_assert_int_eq(relief.last, LIMIT_PACK);
  ck_assert_uint_eq(held(), LIMIT - MIB);
  ck_assert(take(MIB));                       /* exactly */
  unsigned before = relief.calls;
  ck_assert(!take(1));
  ck_assert_uint_gt(relief.calls, before);    /* each that fails has tried */
  relief.own_gives = 4 * MIB;
  ck_assert(take(2 * MIB));
  relief.own_gives = 0;
  counter_sub(COUNT_SPAN_BYTES, LIMIT / 2);   /* and it recovers */
  ck_assert(take(LIMIT / 2));
}
END_TEST

/* Requests that fail in a row: the own heap is asked each time, others rarely, and the smaller one is not refused for the
   larger one's sake. */
START_TEST(failing_requests_do_not_empty_everything_each_time) {
  set_limit(LIMIT, true);
  hold(LIMIT);
  uint64_t started_ms = os_now_ms();
  for (unsigned i = 0; i < 1000; i++) ck_assert(!take(MIB));
  uint64_t elapsed_ms = os_now_ms() - started_ms;
  ck_assert_uint_eq(relief.own, 1000);
  ck_assert_uint_le(relief.everybody, 3 * (2 + elapsed_ms / 10));
  relief.gives[LIMIT_PACK] = MIB;   /* others have some */
  ck_assert(take(4 * KIB));
}
END_TEST

/* In vain once, twice, for ever: the pauses double, to a third of a second. */
START_TEST(passes_in_vain_become_rare) {
  set_limit(LIMIT, true);
  hold(LIMIT);
  unsigned passes = 0, before = 0;
  for (uint64_t started_ms = os_now_ms(); os_now_ms() - started_ms < 200; usleep(100)) {
    ck_assert(!take(MIB));
    passes += relief.everybody != before;
    before = relief.everybody;
  }
  ck_assert_uint_ge(passes, 2);
  ck_assert_uint_le(passes, 6);   /* at 0, 10, 30, 70, 150 ms */
}
END_TEST

/* What lies in the caches is room, whoever asked in vain before. */
START_TEST(what_is_kept_free_is_always_given_back) {
  set_limit(LIMIT, true);
  hold(LIMIT);
  ck_assert(!take(MIB));
  counter_sub(COUNT_SPAN_BYTES, 8 * MIB);
  counter_add(COUNT_DIRTY_BYTES, 8 * MIB);
  unsigned before = relief.everybody;
  for (unsigned i = 0; i < 4; i++) {
    relief.gives[LIMIT_CACHES] = MIB;   /* of spans: the test's hands cannot empty caches */
    ck_assert(take(MIB));
  }
  ck_assert_uint_eq(relief.everybody, before + 4);
}
END_TEST

/* Mappings in use do not go back: nobody's caches are emptied for a request that can never be met. */
START_TEST(a_hopeless_request_is_refused_at_once) {
  set_limit(LIMIT, true);
  hold(LIMIT / 4);
  ck_assert(!take(LIMIT));
  counter_add(COUNT_HUGE_LIVE_BYTES, LIMIT / 2);
  ck_assert(!take(LIMIT / 8 * 5));
  ck_assert_uint_eq(relief.calls, 0);
  ck_assert_int_eq(limit_stage(), LIMIT_CALM);
  ck_assert(take(LIMIT / 16));
  ck_assert_uint_eq(relief.calls, 0);
}
END_TEST

/* What can be done without is never a reason for a pass, and not granted once one would be due. */
START_TEST(spare_requests_give_nothing_back) {
  struct limit_request request;
  set_limit(LIMIT, true);
  hold(LIMIT / 2);
  ck_assert(limit_admit_spare(&request, MIB));
  limit_done(&request);
  ck_assert(!limit_admit_spare(&request, LIMIT / 2));
  limit_done(&request);
  ck_assert(!limit_is_reached(LIMIT / 4) && limit_is_reached(LIMIT / 8 * 5));
  ck_assert_uint_eq(relief.calls, 0);
}
END_TEST

START_TEST(what_is_reserved_counts_until_it_is_counted) {
  struct limit_request first, second;
  set_limit(LIMIT, true);
  hold(LIMIT / 4);
  ck_assert(limit_admit(&first, LIMIT / 2, 0));
  ck_assert(!limit_admit(&second, LIMIT / 2, 0));   /* two threads at the same moment */
  limit_done(&second);
  limit_done(&first);
  ck_assert(limit_admit(&second, LIMIT / 2, 0));
  limit_fork_child();                               /* its thread is not here */
  ck_assert(limit_admit(&second, LIMIT / 2, 0));
}
END_TEST

START_TEST(a_soft_limit_refuses_nothing) {
  set_limit(MIB, false);
  hold((uint64_t)1 << 40);
  for (unsigned i = 0; i < 100; i++) ck_assert(take((uint64_t)1 << 30));
}
END_TEST

START_TEST(room_for_what_is_free) {
  uint64_t step = limit_step(LIMIT);
  set_limit(LIMIT, false);
  hold(LIMIT / 2);
  ck_assert(take(1) && limit_cache_room() == SIZE_MAX && limit_dirty_room() == SIZE_MAX);
  /* Beyond the limit a step may be kept. */
  hold(2 * (uint64_t)LIMIT);
  ck_assert(take(1));
  ck_assert_uint_eq(limit_cache_room(), step);
  ck_assert_uint_eq(limit_dirty_room(), step);
  counter_add(COUNT_DIRTY_BYTES, step / 4);
  ck_assert_uint_eq(limit_cache_room(), step - step / 4);
  counter_add(COUNT_DIRTY_BYTES, step);
  ck_assert_uint_eq(limit_cache_room(), 0);
  /* Most of what is held is free: it may be as much as reaches to where the first stage begins. */
  hold(LIMIT / 2);
  counter_values[COUNT_DIRTY_BYTES] = LIMIT / 2;
  ck_assert(take(1));
  ck_assert_uint_ge(limit_dirty_room(), LIMIT / 8 * 3 - MIB);
  ck_assert_uint_le(limit_dirty_room(), LIMIT / 8 * 3);
  /* All has gone: the stage that was seen last is forgotten. */
  counter_values[COUNT_DIRTY_BYTES] = 0;
  hold(MIB);
  ck_assert(limit_cache_room() == SIZE_MAX && limit_stage() == LIMIT_CALM);
}
END_TEST

START_TEST(address_space_is_measured_apart) {
  limit_is_set = true;
  limit_bytes[LIMIT_MAPPED] = LIMIT;
  counter_add(COUNT_COMMITTED_BYTES, LIMIT);   /* parked or purged, it is still mapped */
  struct limit_request request;
  ck_assert(limit_admit(&request, 0, MIB));
  ck_assert_uint_eq(relief.calls, 3);
  limit_done(&request);
  option.memory_limit_hard = 1;
  ck_assert(!limit_admit(&request, 0, MIB));
  limit_done(&request);
  counter_sub(COUNT_COMMITTED_BYTES, LIMIT / 2);
  ck_assert(limit_admit(&request, 4 * (size_t)LIMIT / 5, MIB));
}
END_TEST

/* ---- what is said ---- */

static char printed[1000];
static int saved_stderr;
static FILE *caught;

static void catch(void) {
  saved_stderr = dup(2);
  caught = tmpfile();
  dup2(fileno(caught), 2);
  message_level = MESSAGE_ERROR;
}
static unsigned lines_printed(void) {
  dup2(saved_stderr, 2);
  ssize_t length = pread(fileno(caught), printed, sizeof printed - 1, 0);
  printed[length > 0 ? length : 0] = '\0';
  unsigned lines = 0;
  for (const char *c = printed; *c != '\0'; c++) lines += *c == '\n';
  return lines;
}

START_TEST(a_limit_below_what_is_needed_is_told_once) {
  set_limit(10 * MIB, false);
  hold(50 * MIB);
  catch();
  for (unsigned i = 0; i < 100; i++) ck_assert(take(10 * MIB));
  ck_assert_uint_eq(lines_printed(), 1);
  ck_assert_msg(strstr(printed, "memory limit of 10240 KiB: 61440 KiB are needed") != NULL, "%s", printed);
  ck_assert_ptr_null(strstr(printed, "requests fail"));
}
END_TEST

START_TEST(a_hard_limit_that_refuses_says_so) {
  set_limit(10 * MIB, true);
  catch();
  for (unsigned i = 0; i < 100; i++) ck_assert(!take(11 * MIB));
  ck_assert_uint_eq(lines_printed(), 1);
  ck_assert_msg(strstr(printed, "; requests fail\n") != NULL, "%s", printed);
}
END_TEST

START_TEST(a_hard_limit_of_nothing_is_odd) {
  catch();
  set_limit(0, true);
  ck_assert_uint_eq(lines_printed(), 1);
  ck_assert_ptr_nonnull(strstr(printed, "HAKMEM_MEMORY_LIMIT_HARD=1 does nothing without HAKMEM_MEMORY_LIMIT_MB"));
  ck_assert(!limit_is_set && take(LIMIT));
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4 };
static uint64_t most;

static void *take_and_give(void *argument) {
  uint64_t seed = (uintptr_t)argument, mine = 0;
  for (unsigned i = 0; i < CORE_ROUNDS(20000); i++) {
    uint64_t bytes = (core_random(&seed) % 64 + 1) * MIB;
    struct limit_request request;
    if (mine != 0 && core_random(&seed) % 2 == 0) {
      counter_sub(COUNT_SPAN_BYTES, mine);
      mine = 0;
    } else {
      if (limit_admit(&request, (size_t)bytes, 0)) {
        counter_add(COUNT_SPAN_BYTES, bytes);
        mine += bytes;
      }
      limit_done(&request);
      uint64_t now = counter_get(COUNT_SPAN_BYTES);
      if (now > __atomic_load_n(&most, __ATOMIC_RELAXED)) __atomic_store_n(&most, now, __ATOMIC_RELAXED);
    }
  }
  counter_sub(COUNT_SPAN_BYTES, mine);
  return NULL;
}

static void relieve_nothing(enum limit_stage stage, enum limit_scope scope) { (void)stage, (void)scope; }

START_TEST(threads_never_pass_a_hard_limit_together) {
  set_limit(256 * MIB, true);
  limit_relieve = relieve_nothing;
  pthread_t thread[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) require(pthread_create(&thread[i], NULL, take_and_give, (void *)(i + 1)) == 0);
  for (unsigned i = 0; i < THREADS; i++) require(pthread_join(thread[i], NULL) == 0);
  ck_assert_uint_le(most, 256 * MIB);
  ck_assert_uint_gt(most, 128 * MIB);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
  ck_assert(take(200 * MIB));   /* nothing that was granted is left over */
}
END_TEST

/* One thread asks for more than there is room for, which takes a while; another one asks for a little meanwhile. */
START_TEST(a_request_that_is_refused_counts_for_nobody_else) {
  set_limit(LIMIT, true);
  hold(LIMIT / 4);
  struct limit_request refused, little;
  ck_assert(!limit_admit(&refused, LIMIT, LIMIT));
  ck_assert(limit_admit(&little, MIB, MIB));
  limit_done(&little);
  limit_done(&refused);
  ck_assert(limit_admit(&little, LIMIT / 2, LIMIT / 2));
  struct limit_request too_much;
  ck_assert(!limit_admit(&too_much, LIMIT / 2, LIMIT / 2));   /* what is admitted counts */
  limit_done(&too_much);
  limit_done(&little);
}
END_TEST

UNIT_MAIN_WITH("limit", start, NULL, stages_begin_where_they_should, the_next_pass_is_neither_too_soon_nor_too_late,
               without_a_limit_nothing_happens, below_seven_eighths_nothing_is_given_back,
               stages_follow_each_other_while_they_do_not_suffice, one_large_request_makes_room_first,
               a_program_beyond_its_soft_limit_pays_for_few_passes, after_a_peak_the_limit_is_guarded_again,
               a_hard_limit_refuses_after_everything_was_tried, failing_requests_do_not_empty_everything_each_time,
               passes_in_vain_become_rare, what_is_kept_free_is_always_given_back, a_hopeless_request_is_refused_at_once,
               spare_requests_give_nothing_back,
               what_is_reserved_counts_until_it_is_counted, a_soft_limit_refuses_nothing, room_for_what_is_free,
               address_space_is_measured_apart, a_limit_below_what_is_needed_is_told_once, a_hard_limit_that_refuses_says_so,
               a_hard_limit_of_nothing_is_odd, threads_never_pass_a_hard_limit_together, a_request_that_is_refused_counts_for_nobody_else)
