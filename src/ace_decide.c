/* ace_decide.c - see ace_decide.h. */
#include <config.h>
#include "ace_decide.h"
#include "align.h"

enum { UP, DOWN };
enum {
  TRIAL_WINDOWS = 4,      /* measured, after one that settles, and known at rest before; more where windows differ */
  TRIAL_WINDOWS_MAX = 64,
  MEAN_WINDOWS = 16, LATELY_WINDOWS = 4,
  LOSS = 4,               /* times the cost in one window ends a trial at once */
  WORTH_SHARE = 4,        /* of the cost has to be what a way would lower */
  TRIAL_REPEATS = 3,      /* while the program does not do as much, or as little, as before */
  ALIKE = 2,              /* times as many requests: not the same work */
  ACTIVITY_SCALE = 16,
  CLEARLY = 8,            /* an eighth lower is clearly lower */
  SHOCK = 4,              /* times the cost: another phase of the program, what was learnt of the old one may not hold */
  SHOCK_REST_MS = 8000, TURN_REST_MS = 2000,   /* the brakes' least */
  BRAKE_EASES = 8,        /* times its wait without an event, and a brake waits half as long */
  BASE_MIN = 64 << 10     /* bytes, the smallest bound */
};
#define BYTES_MOST ((uint64_t)1 << 40)   /* at one look; sums of products stay below 2^64 */

static uint64_t lower_of(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- rungs as settings */

/* base * 2^rung, from least to most; a base that is outside of them stays reachable. What is 0 or -1 by an option (at once,
   none, never) is no amount, and stays. */
static long scaled(long base, int rung, long least, long most) {
  if (base <= 0) return base;
  if (base < least) least = base;
  if (base > most) most = base;
  if (rung < 0) return base >> -rung < least ? least : base >> -rung;
  return base > most >> rung ? most : base << rung;
}

void ace_settings(const struct ace_bounds *bounds, int pages_rung, int mappings_rung, long knobs[KNOB_COUNT]) {
  const long *base = bounds->base;
  long most_empty = bounds->idle_max >> 21;   /* 2 MiB each */
  knobs[KNOB_PURGE_DELAY_MS] = scaled(base[KNOB_PURGE_DELAY_MS], pages_rung, 1, bounds->delay_max_ms);
  knobs[KNOB_BATCH_FLUSH] = scaled(base[KNOB_BATCH_FLUSH], pages_rung, BASE_MIN, bounds->idle_max);
  knobs[KNOB_EMPTY_SUPERSLABS] = scaled(base[KNOB_EMPTY_SUPERSLABS], pages_rung, 1, most_empty);
  knobs[KNOB_CACHE_DELAY_MS] = scaled(base[KNOB_CACHE_DELAY_MS], mappings_rung, 1, bounds->delay_max_ms);
  knobs[KNOB_CACHE_FLOOR] = scaled(base[KNOB_CACHE_FLOOR], mappings_rung, BASE_MIN, bounds->idle_max);
}

/* ---- means */

static const struct ace_mean nothing;

static void approach(uint64_t *mean, uint64_t value, unsigned windows) {
  if (value > *mean) *mean += (value - *mean) / windows;
  else *mean -= (*mean - value) / windows;
}

/* The mean of the first windows, then each new one counts for one in most. */
static void mean_add(struct ace_mean *mean, const struct ace_mean *window, unsigned most) {
  mean->windows += mean->windows < most;
  approach(&mean->rent, window->rent, mean->windows);
  approach(&mean->bought, window->bought, mean->windows);
  approach(&mean->activity, window->activity, mean->windows);
  approach(&mean->square, window->square, mean->windows);
}

static uint64_t cost_of(const struct ace_mean *mean) { return mean->rent + mean->bought; }

#define KIB_MOST ((uint64_t)1 << 31)
static uint64_t square_of_cost(uint64_t bytes) {
  uint64_t kib = lower_of(bytes / KIB, KIB_MOST);
  return kib * kib;
}

/* Windows whose mean can be relied on: where a program comes back every few seconds most windows show nothing of it. Four times
   the variance, in units of the squared mean. */
static unsigned windows_needed(const struct ace_mean *mean) {
  uint64_t squared = square_of_cost(cost_of(mean));
  if (squared == 0 || mean->square <= squared) return TRIAL_WINDOWS;
  uint64_t needed = (mean->square - squared) / (squared / TRIAL_WINDOWS + 1);
  return needed < TRIAL_WINDOWS ? TRIAL_WINDOWS : needed > TRIAL_WINDOWS_MAX ? TRIAL_WINDOWS_MAX : (unsigned)needed;
}

/* A few requests more or less are no difference. */
static bool alike(uint64_t a, uint64_t b) {
  return a <= b * ALIKE + ACTIVITY_SCALE * ALIKE && b <= a * ALIKE + ACTIVITY_SCALE * ALIKE;
}

/* ---- waiting */

static void wait_longer(struct ace_way *way, uint64_t now_ms) {
  if (way->wait_ms < ACE_WAIT_MIN_MS) way->wait_ms = ACE_WAIT_MIN_MS;
  way->not_before_ms = now_ms + way->wait_ms;
  way->wait_ms = lower_of(way->wait_ms * 2, ACE_WAIT_MAX_MS);
}

static bool brake_lets(const struct ace_brake *brake, uint64_t now_ms) { return now_ms - brake->last_ms >= brake->wait_ms; }

static void brake_pull(struct ace_brake *brake, uint64_t now_ms, uint64_t least_ms) {
  uint64_t quiet = now_ms - brake->last_ms;
  for (; brake->wait_ms > least_ms && quiet > brake->wait_ms * BRAKE_EASES; brake->wait_ms /= 2) quiet -= brake->wait_ms * BRAKE_EASES;
  brake->wait_ms = brake->wait_ms < least_ms ? least_ms : lower_of(brake->wait_ms * 2, ACE_WAIT_MAX_MS);
  brake->last_ms = now_ms;
}

static bool may_try(const struct ace_ladder *ladder, int way, uint64_t now_ms) {
  bool turns = ladder->last_way >= 0 && ladder->last_way != way;
  return now_ms >= ladder->way[way].not_before_ms && (!turns || brake_lets(&ladder->turn, now_ms));
}

/* ---- trials */

/* Where so many rungs that way lead to; the same rung where the bounds leave nothing that differs. */
static int target(const struct ace_bounds *bounds, enum ace_ladder_name name, int rung, int way, int jump) {
  int next = way == UP ? rung + jump : rung - jump;
  if (next < ACE_RUNG_MIN) next = ACE_RUNG_MIN;
  if (next > ACE_RUNG_MAX) next = ACE_RUNG_MAX;
  long now[KNOB_COUNT], then[KNOB_COUNT];
  ace_settings(bounds, rung, rung, now);
  ace_settings(bounds, next, next, then);
  enum knob first = name == ACE_PAGES ? KNOB_PURGE_DELAY_MS : KNOB_CACHE_DELAY_MS;
  enum knob end = name == ACE_PAGES ? KNOB_CACHE_DELAY_MS : KNOB_COUNT;
  for (enum knob knob = first; knob < end; knob++)
    if (now[knob] != then[knob]) return next;
  return rung;
}

static int way_of_trial(const struct ace_ladder *ladder) { return ladder->rung > ladder->left ? UP : DOWN; }

static void go_back(struct ace_ladder *ladder, uint64_t now_ms) {
  struct ace_way *way = &ladder->way[way_of_trial(ladder)];
  wait_longer(way, now_ms);
  way->jump = (way->jump + 1) % ACE_JUMP_MAX;
  ladder->rung = ladder->left;
  ladder->phase = ACE_RESTS;
  ladder->lately.windows = 0;
}

/* A trial has paid: on, that way, without a wait. */
static void stay(struct ace_ladder *ladder, uint64_t now_ms) {
  int way = way_of_trial(ladder);
  if (ladder->last_way >= 0 && ladder->last_way != way) brake_pull(&ladder->turn, now_ms, TURN_REST_MS);
  ladder->last_way = way;
  ladder->way[way] = (struct ace_way){ 0, 0, 0 };
  ladder->mean = ladder->lately = ladder->trial;
  ladder->phase = ACE_RESTS;
}

static enum ace_reason measure(struct ace_ladder *ladder, const struct ace_mean *window, uint64_t now_ms) {
  unsigned needed = windows_needed(&ladder->mean);
  if (needed == TRIAL_WINDOWS && cost_of(window) / LOSS > cost_of(&ladder->mean)) {
    ladder->trial = *window;
    go_back(ladder, now_ms);
    return ACE_GOES_BACK;
  }
  if (ladder->phase == ACE_SETTLES) {
    ladder->phase = ACE_MEASURES;
    ladder->trial = nothing;
    return ACE_NOTHING;
  }
  mean_add(&ladder->trial, window, needed);
  if (ladder->trial.windows < needed) return ACE_NOTHING;
  if (!alike(ladder->trial.activity, ladder->mean.activity)) {
    ladder->trial = nothing;
    if (++ladder->repeats < TRIAL_REPEATS) return ACE_NOTHING;
    go_back(ladder, now_ms);
    return ACE_UNCLEAR;
  }
  uint64_t before = cost_of(&ladder->mean), gain = before > ACE_WORTH ? before / CLEARLY : ACE_WORTH / CLEARLY;
  if (cost_of(&ladder->trial) + gain > before) {
    go_back(ladder, now_ms);
    return ACE_GOES_BACK;
  }
  stay(ladder, now_ms);
  return ACE_STAYS;
}

static void begin_trial(struct ace_ladder *ladder, int rung) {
  ladder->left = ladder->rung;
  ladder->rung = rung;
  ladder->phase = ACE_SETTLES;
  ladder->repeats = 0;
}

/* ---- at rest */

/* What has cost a multiple for some windows is another phase of the program: that ends all waiting, now and then. */
static void remember(struct ace_ladder *ladder, const struct ace_mean *window, uint64_t now_ms) {
  unsigned needed = windows_needed(&ladder->mean);
  mean_add(&ladder->mean, window, needed * 2 > MEAN_WINDOWS ? needed * 2 : MEAN_WINDOWS);
  mean_add(&ladder->lately, window, LATELY_WINDOWS);
  uint64_t cost = cost_of(&ladder->lately);
  bool shock = ladder->mean.windows >= MEAN_WINDOWS && needed < MEAN_WINDOWS && cost / SHOCK > cost_of(&ladder->mean) && cost > ACE_WORTH;
  if (!shock || !brake_lets(&ladder->shock, now_ms)) return;
  brake_pull(&ladder->shock, now_ms, SHOCK_REST_MS);
  ladder->mean = ladder->lately;
  for (int way = UP; way <= DOWN; way++) ladder->way[way] = (struct ace_way){ 0, 0, 0 };
}

/* The rung that it may try that way now; the same: none. What keeping more lowers is what was bought. */
static int next_trial(const struct ace_ladder *ladder, const struct ace_bounds *bounds, enum ace_ladder_name name, int way, uint64_t now_ms) {
  uint64_t part = way == UP ? ladder->mean.bought : ladder->mean.rent;
  if (part < cost_of(&ladder->mean) / WORTH_SHARE || !may_try(ladder, way, now_ms)) return ladder->rung;
  return target(bounds, name, ladder->rung, way, ladder->way[way].jump + 1);
}

static enum ace_reason rest(struct ace_ladder *ladder, const struct ace_bounds *bounds, enum ace_ladder_name name,
                            const struct ace_mean *window, uint64_t now_ms) {
  remember(ladder, window, now_ms);
  const struct ace_mean *mean = &ladder->mean;
  if (bounds->fixed[name] || mean->windows < windows_needed(mean) || cost_of(mean) < ACE_WORTH) return ACE_NOTHING;
  int larger = mean->bought > mean->rent ? UP : DOWN, way = larger;
  int rung = next_trial(ladder, bounds, name, larger, now_ms);
  if (rung == ladder->rung) rung = next_trial(ladder, bounds, name, way = !larger, now_ms);
  if (rung == ladder->rung) return ACE_NOTHING;
  if (bounds->frozen) {
    wait_longer(&ladder->way[way], now_ms);
    return way == UP ? ACE_WOULD_MORE : ACE_WOULD_LESS;
  }
  begin_trial(ladder, rung);
  return way == UP ? ACE_TRIES_MORE : ACE_TRIES_LESS;
}

static enum ace_reason relieve(struct ace_ladder *ladder, uint64_t now_ms) {
  ladder->rung = 0;
  ladder->phase = ACE_RESTS;
  ladder->mean = ladder->lately = nothing;
  wait_longer(&ladder->way[UP], now_ms);
  return ACE_PRESSED;
}

static void decide(struct ace_ladder *ladder, const struct ace_bounds *bounds, enum ace_ladder_name name,
                   const struct ace_sample *sample, struct ace_decision *decision) {
  uint64_t elapsed = decision->elapsed_ms;
  uint64_t rent = ladder->rent / elapsed, bought = ladder->bought / elapsed;
  const struct ace_mean window = { rent, bought, ladder->activity * ACTIVITY_SCALE * ACE_WINDOW_MS / elapsed, square_of_cost(rent + bought), 1 };
  decision->idle = window.rent;
  decision->refaulted = ladder->bought / bounds->keep_ms;
  decision->cost = cost_of(&window);
  decision->cost_before = cost_of(&ladder->mean);
  if (ladder->phase != ACE_RESTS) {
    decision->reason = measure(ladder, &window, sample->now_ms);
    if (decision->reason == ACE_STAYS || decision->reason == ACE_GOES_BACK) decision->cost = cost_of(&ladder->trial);
  } else if (!sample->pressed) {
    decision->reason = rest(ladder, bounds, name, &window, sample->now_ms);
    decision->cost_before = cost_of(&ladder->mean);
  } else {
    decision->reason = ACE_NOTHING;
  }
  if (sample->pressed && ladder->rung > 0) decision->reason = relieve(ladder, sample->now_ms);
  decision->rung = ladder->rung;
}

/* ---- samples */

/* Between two looks idle memory went from one number to the other; a sum that seems to have gone back has not. */
static void add(struct ace_ladder *ladder, const struct ace_counts *now, uint64_t gap_ms, uint64_t keep_ms) {
  uint64_t refaulted = now->refaulted - ladder->before.refaulted, activity = now->activity - ladder->before.activity;
  uint64_t idle = lower_of(now->idle, BYTES_MOST) / 2 + lower_of(ladder->before.idle, BYTES_MOST) / 2;
  ladder->rent += idle * gap_ms;
  if (refaulted < BYTES_MOST) ladder->bought += refaulted * keep_ms;
  if (activity < BYTES_MOST) ladder->activity += activity;
  ladder->before = *now;
}

static void begin_window(struct ace_state *state, const struct ace_sample *sample) {
  for (int name = 0; name < ACE_LADDERS; name++) {
    struct ace_ladder *ladder = &state->ladder[name];
    ladder->rent = ladder->bought = ladder->activity = 0;
    ladder->before = sample->of[name];
  }
  state->last_ms = state->window_ms = sample->now_ms;
}

/* The clock went back: what was to come after some time would never come. */
static void forget_times(struct ace_state *state) {
  for (int name = 0; name < ACE_LADDERS; name++) {
    struct ace_ladder *ladder = &state->ladder[name];
    ladder->way[UP].not_before_ms = ladder->way[DOWN].not_before_ms = 0;
    ladder->turn = ladder->shock = (struct ace_brake){ 0, 0 };
  }
}

bool ace_see(struct ace_state *state, const struct ace_bounds *bounds, const struct ace_sample *sample,
             struct ace_decision decision[ACE_LADDERS]) {
  if (!state->begun) {
    state->begun = true;
    for (int name = 0; name < ACE_LADDERS; name++) state->ladder[name].last_way = -1;
    begin_window(state, sample);
    return false;
  }
  /* The clock was read before another thread read it and looked: no jump. */
  if (sample->now_ms < state->last_ms && state->last_ms - sample->now_ms <= ACE_GAP_MS) return false;
  if (sample->now_ms < state->last_ms) forget_times(state);
  if (sample->now_ms < state->last_ms || sample->now_ms - state->last_ms > ACE_GAP_MS) {
    begin_window(state, sample);
    return false;
  }
  for (int name = 0; name < ACE_LADDERS; name++)
    add(&state->ladder[name], &sample->of[name], sample->now_ms - state->last_ms, bounds->keep_ms);
  state->last_ms = sample->now_ms;
  uint64_t elapsed = sample->now_ms - state->window_ms;
  if (elapsed < ACE_WINDOW_MS) return false;
  for (int name = 0; name < ACE_LADDERS; name++) {
    decision[name].elapsed_ms = elapsed;
    decide(&state->ladder[name], bounds, (enum ace_ladder_name)name, sample, &decision[name]);
  }
  begin_window(state, sample);
  return true;
}

const char *ace_reason_text(enum ace_reason reason) {
  switch (reason) {
    case ACE_NOTHING: return "stays";
    case ACE_TRIES_MORE: return "tries to keep more, since what was given back was wanted again";
    case ACE_TRIES_LESS: return "tries to keep less, since what is kept lies idle";
    case ACE_WOULD_MORE: return "frozen; would try to keep more, since what was given back was wanted again";
    case ACE_WOULD_LESS: return "frozen; would try to keep less, since what is kept lies idle";
    case ACE_STAYS: return "stays there, it costs less";
    case ACE_GOES_BACK: return "goes back, it does not cost less";
    case ACE_UNCLEAR: return "goes back, the program did something else meanwhile";
    case ACE_PRESSED: return "goes back, the memory limit is near";
  }
  return "";
}
