/* check_ace_decide.c - what the adaptive controller decides, on series that were written down, on made-up programs, and on
   programs that mean it ill. */
#include <config.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ace_decide.h"
#include "align.h"
#include "unit.h"

enum { LOOK_MS = 10, KEEP_MS = 200, MINUTE_MS = 60000 };

static struct ace_bounds bounds;
static struct ace_state state;
static struct ace_decision decision[ACE_LADDERS];

static void start(void) {
  bounds = (struct ace_bounds){ .base = { 25, 4 << 20, 16, 25, 8 << 20 }, .keep_ms = KEEP_MS, .delay_max_ms = 1000, .idle_max = 256 << 20 };
  memset(&state, 0, sizeof state);
}

/* ---- a series as it was written down */

struct row { unsigned ms; unsigned idle_mib, refaulted_mib; enum ace_reason reason; int rung; };

/* A program that takes back, four times a second, what was given back; the next rung spares it that, the one after it
   costs as much as it gains. Refaulted is a sum. */
static const struct row wanted_again[] = {
  { 0, 4, 0, ACE_NOTHING, 0 },
  { 100, 4, 8, ACE_NOTHING, 0 },        /* no window yet */
  { 250, 4, 20, ACE_NOTHING, 0 },       /* the first, nothing to compare with */
  { 500, 4, 40, ACE_NOTHING, 0 },
  { 750, 4, 60, ACE_NOTHING, 0 },
  { 1000, 4, 80, ACE_TRIES_MORE, 1 },
  { 1250, 6, 90, ACE_NOTHING, 1 },      /* settles */
  { 1500, 0, 96, ACE_NOTHING, 1 },
  { 1750, 0, 102, ACE_NOTHING, 1 },
  { 2000, 0, 108, ACE_NOTHING, 1 },
  { 2250, 0, 114, ACE_STAYS, 1 },       /* 5 where it was 20 */
  { 2500, 0, 120, ACE_TRIES_MORE, 2 },
  { 2750, 6, 120, ACE_NOTHING, 2 },
  { 3000, 6, 120, ACE_NOTHING, 2 },
  { 3250, 6, 120, ACE_NOTHING, 2 },
  { 3500, 6, 120, ACE_NOTHING, 2 },
  { 3750, 6, 120, ACE_GOES_BACK, 1 },   /* 6 */
  { 4000, 0, 126, ACE_NOTHING, 1 },     /* waits */
  { 4250, 0, 132, ACE_NOTHING, 1 },
  { 4500, 0, 138, ACE_NOTHING, 1 },
  { 4750, 0, 144, ACE_TRIES_MORE, 3 },  /* a second later once more, and further */
  { 5000, 6, 144, ACE_NOTHING, 3 },
  { 5250, 6, 144, ACE_NOTHING, 3 },
  { 5500, 6, 144, ACE_NOTHING, 3 },
  { 5750, 6, 144, ACE_NOTHING, 3 },
  { 6000, 6, 144, ACE_GOES_BACK, 1 },
  { 6250, 0, 150, ACE_NOTHING, 1 },
  { 7750, 0, 180, ACE_NOTHING, 1 },     /* and now two seconds */
  { 8000, 0, 190, ACE_TRIES_MORE, 4 },
};

static void play(const struct row *rows, size_t count, enum ace_ladder_name name) {
  for (size_t i = 0; i < count; i++) {
    struct ace_sample sample = { .now_ms = 5000 + rows[i].ms };
    sample.of[name] = (struct ace_counts){ rows[i].idle_mib * MIB, rows[i].refaulted_mib * MIB, i };
    memset(decision, 0, sizeof decision);
    ace_see(&state, &bounds, &sample, decision);
    ck_assert_msg(decision[name].reason == rows[i].reason, "row %zu: %s", i, ace_reason_text(decision[name].reason));
    ck_assert_int_eq(state.ladder[name].rung, rows[i].rung);
    ck_assert_int_eq(state.ladder[!name].rung, 0);
  }
}

START_TEST(a_recorded_series_gives_the_same_decisions) {
  for (int name = ACE_PAGES; name < ACE_LADDERS; name++) {
    start();
    play(wanted_again, sizeof wanted_again / sizeof wanted_again[0], (enum ace_ladder_name)name);
  }
}
END_TEST

static const struct row lies_idle[] = {
  { 0, 40, 0, ACE_NOTHING, 0 },
  { 250, 40, 1, ACE_NOTHING, 0 },
  { 500, 40, 2, ACE_NOTHING, 0 },
  { 750, 40, 3, ACE_NOTHING, 0 },
  { 1000, 40, 4, ACE_TRIES_LESS, -1 },
  { 1250, 20, 5, ACE_NOTHING, -1 },
  { 1500, 20, 6, ACE_NOTHING, -1 },
  { 1750, 20, 7, ACE_NOTHING, -1 },
  { 2000, 20, 8, ACE_NOTHING, -1 },
  { 2250, 20, 9, ACE_STAYS, -1 },
  { 2500, 20, 10, ACE_TRIES_LESS, -2 },
};

START_TEST(what_lies_idle_is_kept_less_long) { play(lies_idle, sizeof lies_idle / sizeof lies_idle[0], ACE_PAGES); }
END_TEST

START_TEST(a_decision_tells_what_it_saw) {
  play(lies_idle, 5, ACE_PAGES);
  ck_assert_uint_eq(decision[ACE_PAGES].elapsed_ms, 250);
  ck_assert_uint_eq(decision[ACE_PAGES].idle, 40 * MIB);
  ck_assert_uint_eq(decision[ACE_PAGES].refaulted, MIB);
  ck_assert_uint_eq(decision[ACE_PAGES].cost, 40 * MIB + MIB * KEEP_MS / 250);
}
END_TEST

/* ---- programs, made up: what a wave of blocks leaves is wanted again by the next wave */

struct program { unsigned period_ms; uint64_t bytes; };

/* Sums and gauges of a program that runs on what the rung means; a tick is one look. */
struct world {
  uint64_t now_ms, freed_ms;
  struct ace_counts counts;
  bool kept;
};

static long delay_of(int rung) {
  long knobs[KNOB_COUNT];
  ace_settings(&bounds, rung, rung, knobs);
  return knobs[KNOB_PURGE_DELAY_MS];
}

/* One look's time with a delay in force. */
static void live(struct world *world, const struct program *program, long delay_ms) {
  world->now_ms += LOOK_MS;
  world->counts.activity += 10;
  uint64_t age = world->now_ms - world->freed_ms;
  if (world->kept && age > (uint64_t)delay_ms) world->kept = false;
  if (age >= program->period_ms) {
    if (!world->kept) world->counts.refaulted += program->bytes;
    world->kept = true;
    world->freed_ms = world->now_ms;
  }
  world->counts.idle = world->kept ? program->bytes : 0;
}

struct outcome { double cost; unsigned moves, turns; };

/* adapt: the controller moves; else the rung stays. The cost is the mean of all but the first tenth. */
static struct outcome run(struct world *world, const struct program *program, uint64_t ms, bool adapt, int rung) {
  struct outcome outcome = { 0, 0, 0 };
  struct ace_ladder *ladder = &state.ladder[ACE_PAGES];
  uint64_t until = world->now_ms + ms, from = world->now_ms + ms / 10;
  int way = 0;
  double sum = 0;
  while (world->now_ms < until) {
    uint64_t refaulted = world->counts.refaulted;
    int before = ladder->rung;
    live(world, program, delay_of(adapt ? before : rung));
    if (world->now_ms > from)
      sum += (double)world->counts.idle * LOOK_MS + (double)(world->counts.refaulted - refaulted) * (double)bounds.keep_ms;
    struct ace_sample sample = { .now_ms = world->now_ms };
    sample.of[ACE_PAGES] = world->counts;
    if (!adapt || !ace_see(&state, &bounds, &sample, decision) || ladder->rung == before) continue;
    int now = ladder->rung > before ? 1 : -1;
    outcome.moves++;
    outcome.turns += way != 0 && now != way;
    way = now;
  }
  outcome.cost = sum / (double)(until - from);
  return outcome;
}

static struct world new_world(void) { return (struct world){ .now_ms = 1000, .freed_ms = 1000 }; }

static double best_static(const struct program *program) {
  double best = 1e300;
  for (int rung = ACE_RUNG_MIN; rung <= ACE_RUNG_MAX; rung++) {
    struct world world = new_world();
    struct outcome outcome = run(&world, program, MINUTE_MS, false, rung);
    if (outcome.cost < best) best = outcome.cost;
  }
  return best;
}

/* After two minutes within a quarter of what the best rung costs, whatever the period; what it tries on the way included. */
START_TEST(it_finds_about_the_best_rung) {
  static const unsigned periods[] = { 20, 40, 60, 90, 150, 300, 700, 2000 };
  for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
    struct program program = { periods[i], 64 * MIB };
    double best = best_static(&program);
    start();
    struct world world = new_world();
    run(&world, &program, 2 * MINUTE_MS, true, 0);
    struct outcome outcome = run(&world, &program, 4 * MINUTE_MS, true, 0);
    ck_assert_msg(outcome.cost <= best * 1.25, "period %u: %.1f MiB, %.1f were possible", periods[i], outcome.cost / MIB, best / MIB);
  }
}
END_TEST

START_TEST(it_keeps_what_comes_back_and_no_more) {
  struct world world = new_world();
  run(&world, &(struct program){ 60, 64 * MIB }, MINUTE_MS, true, 0);
  ck_assert_int_ge(delay_of(state.ladder[ACE_PAGES].rung), 60);
  run(&world, &(struct program){ 3000, 64 * MIB }, 2 * MINUTE_MS, true, 0);   /* another phase: keeping it costs more than it is worth */
  ck_assert_int_le(delay_of(state.ladder[ACE_PAGES].rung), 100);
}
END_TEST

/* The longer a program does the same, the more seldom anything is tried. */
START_TEST(it_comes_to_rest) {
  static const unsigned periods[] = { 30, 60, 200, 1000 };
  for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
    start();
    struct world world = new_world();
    struct program program = { periods[i], 64 * MIB };
    struct outcome first = run(&world, &program, 10 * MINUTE_MS, true, 0);
    struct outcome then = run(&world, &program, 10 * MINUTE_MS, true, 0);
    ck_assert_msg(first.moves <= 50, "period %u: %u moves in ten minutes", periods[i], first.moves);
    ck_assert_msg(then.moves <= 12, "period %u: %u moves in the next ten", periods[i], then.moves);
  }
}
END_TEST

/* ---- series that are against it */

static uint32_t draw(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33);
}

enum adversary {
  WORST_HERE,        /* where it is costs much; once it has gone, nothing does */
  WORST_AFTER_STAY,  /* a rung is cheap until it has been accepted, then dear, the other way */
  ALTERNATES,        /* each half second all is wanted again, then nothing is */
  NOISE,
  SHOCKS,            /* calm, and each nine seconds a hundred times as much */
  ADVERSARIES
};

static struct ace_counts against(enum adversary adversary, uint64_t now_ms, struct ace_counts last, uint64_t *seed) {
  struct ace_ladder *ladder = &state.ladder[ACE_PAGES];
  last.activity += 10;
  last.idle = 0;
  switch (adversary) {
    case WORST_HERE:
      if (ladder->phase != ACE_RESTS) break;
      if (ladder->rung < 0) last.refaulted += 8 * MIB;
      else last.idle = 100 * MIB;
      break;
    case WORST_AFTER_STAY:
      if (ladder->phase != ACE_RESTS) break;
      if (ladder->last_way == 1) last.refaulted += 8 * MIB;
      else last.idle = 100 * MIB;
      break;
    case ALTERNATES:
      if (now_ms / 500 % 2 == 0) last.refaulted += 4 * MIB;
      else last.idle = 80 * MIB;
      break;
    case NOISE:
      last.idle = draw(seed) % (200 * MIB);
      last.refaulted += draw(seed) % (10 * MIB);
      last.activity += draw(seed) % 40;
      break;
    case SHOCKS:
      last.idle = now_ms % 9000 < 1000 ? 500 * MIB : 2 * MIB;
      if (now_ms % 18000 < 9000) last.refaulted += now_ms % 9000 < 1000 ? 40 * MIB : MIB / 8;
      break;
    case ADVERSARIES: break;
  }
  return last;
}

/* Moves of an hour, and of its second half, whatever the series. */
START_TEST(no_series_makes_it_swing) {
  enum { HOUR_MS = 60 * MINUTE_MS, TURNS_MAX = 60, LATE_MAX = 300 };
  for (int adversary = 0; adversary < ADVERSARIES; adversary++) {
    start();
    struct ace_counts counts = { 0, 0, 0 };
    uint64_t seed = 1;
    unsigned late = 0, turns = 0, moves = 0;
    int way = -1;
    for (uint64_t now_ms = 0; now_ms < HOUR_MS; now_ms += LOOK_MS) {
      counts = against((enum adversary)adversary, now_ms, counts, &seed);
      struct ace_sample sample = { .now_ms = now_ms };
      sample.of[ACE_PAGES] = counts;
      int before = state.ladder[ACE_PAGES].rung;
      if (!ace_see(&state, &bounds, &sample, decision)) continue;
      ck_assert_int_ge(state.ladder[ACE_PAGES].rung, ACE_RUNG_MIN);
      ck_assert_int_le(state.ladder[ACE_PAGES].rung, ACE_RUNG_MAX);
      if (state.ladder[ACE_PAGES].rung != before) moves++, late += now_ms > HOUR_MS / 2;
      if (decision[ACE_PAGES].reason != ACE_STAYS) continue;
      turns += way >= 0 && way != state.ladder[ACE_PAGES].last_way;
      way = state.ladder[ACE_PAGES].last_way;
    }
    printf("adversary %d: %u moves, %u of them in the second half, %u turns\n", adversary, moves, late, turns);
    ck_assert_msg(turns <= TURNS_MAX, "adversary %d: %u turns in an hour", adversary, turns);
    ck_assert_msg(late <= LATE_MAX, "adversary %d: %u moves in half an hour", adversary, late);
  }
}
END_TEST

/* ---- hard times */

START_TEST(near_the_limit_it_goes_back_and_tries_nothing) {
  struct world world = new_world();
  run(&world, &(struct program){ 60, 64 * MIB }, MINUTE_MS, true, 0);
  ck_assert_int_gt(state.ladder[ACE_PAGES].rung, 0);
  for (int i = 0; i < 2000; i++) {
    live(&world, &(struct program){ 60, 64 * MIB }, 25);
    struct ace_sample sample = { .now_ms = world.now_ms, .pressed = true };
    sample.of[ACE_PAGES] = world.counts;
    memset(decision, 0, sizeof decision);
    if (!ace_see(&state, &bounds, &sample, decision)) continue;
    ck_assert_int_eq(state.ladder[ACE_PAGES].rung, 0);
    ck_assert(decision[ACE_PAGES].reason == ACE_PRESSED || decision[ACE_PAGES].reason == ACE_NOTHING);
  }
}
END_TEST

/* Sleeping, a suspended machine, a clock that goes back: no window, no conclusion, and afterwards it goes on. */
START_TEST(time_may_jump) {
  struct world world = new_world();
  struct program program = { 60, 64 * MIB };
  run(&world, &program, MINUTE_MS, true, 0);
  int rung = state.ladder[ACE_PAGES].rung;
  struct ace_sample sample = { .now_ms = world.now_ms + ACE_GAP_MS + 1 };
  sample.of[ACE_PAGES] = (struct ace_counts){ 900 * MIB, world.counts.refaulted + 900 * MIB, world.counts.activity };
  ck_assert(!ace_see(&state, &bounds, &sample, decision));
  sample.now_ms = 3;
  ck_assert(!ace_see(&state, &bounds, &sample, decision));
  ck_assert_int_eq(state.ladder[ACE_PAGES].rung, rung);
  world = (struct world){ .counts = sample.of[ACE_PAGES] };
  world.now_ms = world.freed_ms = 3;
  run(&world, &(struct program){ 5000, 64 * MIB }, 2 * MINUTE_MS, true, 0);
  ck_assert_int_lt(state.ladder[ACE_PAGES].rung, rung);
}
END_TEST

/* A thread reads the clock, another one looks, then the first: that is no clock that went back, and no window is lost. */
START_TEST(a_reading_may_be_a_little_old) {
  struct ace_sample sample = { .now_ms = 1000 };
  unsigned windows = 0;
  for (int i = 0; i < 6000; i++) {
    sample.now_ms += LOOK_MS;
    windows += ace_see(&state, &bounds, &sample, decision);
    struct ace_sample old = sample;
    old.now_ms -= 4;
    ck_assert(!ace_see(&state, &bounds, &old, decision));
  }
  ck_assert_uint_ge(windows, 6000 * LOOK_MS / ACE_WINDOW_MS - 5);
}
END_TEST

START_TEST(counters_may_wrap_and_be_absurd) {
  struct ace_sample sample = { .now_ms = 0 };
  for (int i = 0; i < 100000; i++) {
    sample.now_ms += LOOK_MS;
    for (int name = 0; name < ACE_LADDERS; name++) {
      sample.of[name].idle = i % 3 == 0 ? UINT64_MAX : 0;
      sample.of[name].refaulted = i % 5 == 0 ? UINT64_MAX - 5 : 7;
      sample.of[name].activity -= 3;
    }
    if (!ace_see(&state, &bounds, &sample, decision)) continue;
    for (int name = 0; name < ACE_LADDERS; name++) {
      ck_assert_uint_le(decision[name].idle, (uint64_t)1 << 41);
      ck_assert_int_ge(decision[name].rung, ACE_RUNG_MIN);
      ck_assert_int_le(decision[name].rung, ACE_RUNG_MAX);
    }
  }
}
END_TEST

/* Forty MiB a window, across the wrap, are forty MiB. */
START_TEST(a_wrap_is_no_gap) {
  struct ace_sample sample = { .now_ms = 0 };
  sample.of[ACE_PAGES].refaulted = UINT64_MAX - 10 * MIB;
  ck_assert(!ace_see(&state, &bounds, &sample, decision));
  sample.now_ms = 250;
  sample.of[ACE_PAGES].refaulted += 40 * MIB;
  ck_assert(ace_see(&state, &bounds, &sample, decision));
  ck_assert_uint_eq(decision[ACE_PAGES].refaulted, 40 * MIB);
}
END_TEST

START_TEST(frozen_it_says_and_does_nothing) {
  bounds.frozen = true;
  struct world world = new_world();
  unsigned said = 0;
  for (int i = 0; i < 60000; i++) {
    live(&world, &(struct program){ 60, 64 * MIB }, 25);
    struct ace_sample sample = { .now_ms = world.now_ms };
    sample.of[ACE_PAGES] = world.counts;
    if (!ace_see(&state, &bounds, &sample, decision)) continue;
    ck_assert_int_eq(state.ladder[ACE_PAGES].rung, 0);
    ck_assert(decision[ACE_PAGES].reason == ACE_NOTHING || decision[ACE_PAGES].reason == ACE_WOULD_MORE);
    said += decision[ACE_PAGES].reason == ACE_WOULD_MORE;
  }
  ck_assert_uint_ge(said, 3);
  ck_assert_uint_le(said, 12);   /* ever more seldom */
}
END_TEST

START_TEST(what_the_options_fix_stays) {
  bounds.fixed[ACE_PAGES] = true;
  struct world world = new_world();
  struct outcome outcome = run(&world, &(struct program){ 60, 64 * MIB }, MINUTE_MS, true, 0);
  ck_assert_uint_eq(outcome.moves, 0);
}
END_TEST

/* ---- rungs as settings */

START_TEST(rungs_double_within_the_bounds) {
  long knobs[KNOB_COUNT];
  ace_settings(&bounds, 0, 0, knobs);
  ck_assert_mem_eq(knobs, bounds.base, sizeof knobs);
  ace_settings(&bounds, 2, -1, knobs);
  ck_assert_int_eq(knobs[KNOB_PURGE_DELAY_MS], 100);
  ck_assert_int_eq(knobs[KNOB_BATCH_FLUSH], 16 << 20);
  ck_assert_int_eq(knobs[KNOB_EMPTY_SUPERSLABS], 64);
  ck_assert_int_eq(knobs[KNOB_CACHE_DELAY_MS], 12);
  ck_assert_int_eq(knobs[KNOB_CACHE_FLOOR], 4 << 20);
  ace_settings(&bounds, ACE_RUNG_MAX, ACE_RUNG_MAX, knobs);
  ck_assert_int_eq(knobs[KNOB_PURGE_DELAY_MS], 1000);
  ck_assert_int_eq(knobs[KNOB_BATCH_FLUSH], 256 << 20);
  ck_assert_int_eq(knobs[KNOB_EMPTY_SUPERSLABS], 128);   /* 256 MiB of them */
  ck_assert_int_eq(knobs[KNOB_CACHE_FLOOR], 256 << 20);
}
END_TEST

static bool between(long value, long a, long b) { return value >= (a < b ? a : b) && value <= (a < b ? b : a); }

START_TEST(no_rung_leaves_the_bounds_whatever_the_options) {
  static const long bases[] = { -1, 0, 1, 3, 25, 4 << 20, 1 << 30, LONG_MAX };
  static const long mosts[] = { 1, 100, 1 << 20, LONG_MAX };
  for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++)
    for (size_t m = 0; m < sizeof mosts / sizeof mosts[0]; m++)
      for (int rung = ACE_RUNG_MIN; rung <= ACE_RUNG_MAX; rung++) {
        long knobs[KNOB_COUNT];
        for (int knob = 0; knob < KNOB_COUNT; knob++) bounds.base[knob] = bases[b];
        bounds.delay_max_ms = bounds.idle_max = mosts[m];
        ace_settings(&bounds, rung, rung, knobs);
        if (bases[b] <= 0) ck_assert_int_eq(knobs[KNOB_PURGE_DELAY_MS], bases[b]);
        long low = bases[b] <= 0 ? bases[b] : 1;
        long high = bases[b] <= 0 ? bases[b] : bases[b] > mosts[m] ? bases[b] : mosts[m];
        ck_assert(between(knobs[KNOB_PURGE_DELAY_MS], low, high));
        ck_assert(between(knobs[KNOB_CACHE_DELAY_MS], low, high));
        if (bases[b] >= 0) ck_assert_int_ge(knobs[KNOB_BATCH_FLUSH], bases[b] < 65536 ? bases[b] : 65536);
        ck_assert(bases[b] != 0 || knobs[KNOB_EMPTY_SUPERSLABS] == 0);
      }
}
END_TEST

UNIT_MAIN_WITH("ace_decide", start, NULL, a_recorded_series_gives_the_same_decisions, what_lies_idle_is_kept_less_long,
               a_decision_tells_what_it_saw, it_finds_about_the_best_rung, it_keeps_what_comes_back_and_no_more, it_comes_to_rest,
               no_series_makes_it_swing, near_the_limit_it_goes_back_and_tries_nothing, time_may_jump, a_reading_may_be_a_little_old,
               counters_may_wrap_and_be_absurd, a_wrap_is_no_gap, frozen_it_says_and_does_nothing, what_the_options_fix_stays,
               rungs_double_within_the_bounds, no_rung_leaves_the_bounds_whatever_the_options)
