/* ace.c - see ace.h. */
#include <config.h>
#include "ace.h"

#include "align.h"
#include "counters.h"
#include "limit.h"
#include "message.h"
#include "options.h"
#include "os.h"
#include "size_class.h"
#include "trace.h"

enum { LOOK_MS = 10 };

HAK_CONSTANT bool ace_is_on;
uint64_t ace_ticks;
uint64_t ace_kept_units;

/* All of it belongs to the thread that has turned busy from 0 to 1, but for the atomic ones. */
static HAK_SPARSE struct {
  uint32_t busy;                       /* taken by an exchange (acquire), given back by a store (release) */
  uint32_t looked_ms;                  /* relaxed; low bits of the clock */
  uint64_t windows, trials, stayed;    /* for the report: relaxed */
  uint64_t started_ms;
  struct ace_bounds bounds;            /* constant after the start */
  struct ace_state state;
} ace;

static const char ladder_names[ACE_LADDERS][12] = { [ACE_PAGES] = "pages", [ACE_MAPPINGS] = "mappings" };

static void read_counts(struct ace_sample *sample) {
  struct ace_counts *pages = &sample->of[ACE_PAGES], *mappings = &sample->of[ACE_MAPPINGS];
  pages->idle = counter_get(COUNT_DIRTY_BYTES) + __atomic_load_n(&ace_kept_units, __ATOMIC_RELAXED) * UNIT_SIZE;
  pages->refaulted = place_get(PLACE_TINY, EVENT_REFAULTED_BYTES) + place_get(PLACE_MID, EVENT_REFAULTED_BYTES) +
                     place_get(PLACE_L25, EVENT_REFAULTED_BYTES);
  pages->activity = __atomic_load_n(&ace_ticks, __ATOMIC_RELAXED);
  mappings->idle = counter_get(COUNT_BIGCACHE_BYTES) + counter_get(COUNT_WHALE_BYTES);
  mappings->refaulted = place_get(PLACE_HUGE, EVENT_REFAULTED_BYTES);
  mappings->activity = counter_get(COUNT_HUGE_REQUESTS);
}

/* Counters are for others to read: one writer, no order. */
static void count(uint64_t *counter) { __atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); }

static void set_knobs(void) {
  long knobs[KNOB_COUNT];
  ace_settings(&ace.bounds, ace.state.ladder[ACE_PAGES].rung, ace.state.ladder[ACE_MAPPINGS].rung, knobs);
  for (enum knob knob = 0; knob < KNOB_COUNT; knob++) knob_set(knob, knobs[knob]);
}

static unsigned long long kib(uint64_t bytes) { return (unsigned long long)(bytes / KIB); }

static void tell(enum ace_ladder_name name, const struct ace_decision *decision, uint64_t now_ms) {
  char settings[96];
  if (name == ACE_PAGES)
    message_format(settings, sizeof settings, "delay %ld ms, flush %llu KiB, %ld empty SuperSlabs", knob_get(KNOB_PURGE_DELAY_MS),
                   kib((uint64_t)knob_get(KNOB_BATCH_FLUSH)), knob_get(KNOB_EMPTY_SUPERSLABS));
  else
    message_format(settings, sizeof settings, "delay %ld ms, floor %llu KiB", knob_get(KNOB_CACHE_DELAY_MS),
                   kib((uint64_t)knob_get(KNOB_CACHE_FLOOR)));
  trace_line_to(TRACE_ACE, "ace %llu ms %s: in %llu ms idle %llu KiB, faulted again %llu KiB, cost %llu KiB (before: %llu): %s; rung %d: %s",
                (unsigned long long)(now_ms - ace.started_ms), ladder_names[name], (unsigned long long)decision->elapsed_ms,
                kib(decision->idle), kib(decision->refaulted), kib(decision->cost), kib(decision->cost_before),
                ace_reason_text(decision->reason), decision->rung, settings);
}

static void look(uint64_t now_ms) {
  struct ace_sample sample = { .now_ms = now_ms, .pressed = limit_stage() != LIMIT_CALM };
  struct ace_decision decision[ACE_LADDERS];
  read_counts(&sample);
  if (!ace_see(&ace.state, &ace.bounds, &sample, decision)) return;
  count(&ace.windows);
  if (!ace.bounds.frozen) set_knobs();
  for (enum ace_ladder_name name = 0; name < ACE_LADDERS; name++) {
    enum ace_reason reason = decision[name].reason;
    if (reason == ACE_TRIES_MORE || reason == ACE_TRIES_LESS) count(&ace.trials);
    if (reason == ACE_STAYS) count(&ace.stayed);
    if (reason != ACE_NOTHING) tell(name, &decision[name], now_ms);
  }
}

/* The sum may wrap in between: each heap takes back what it has added. */
void ace_tell_kept(uint32_t *told, uint32_t kept_units) {
  if (*told == kept_units) return;
  __atomic_fetch_add(&ace_kept_units, (uint64_t)kept_units - *told, __ATOMIC_RELAXED);
  *told = kept_units;
}

void ace_look(uint64_t now_ms) {
  if ((uint32_t)now_ms - __atomic_load_n(&ace.looked_ms, __ATOMIC_RELAXED) < LOOK_MS) return;
  if (__atomic_exchange_n(&ace.busy, 1, __ATOMIC_ACQUIRE) != 0) return;   /* another thread is at it */
  __atomic_store_n(&ace.looked_ms, (uint32_t)now_ms, __ATOMIC_RELAXED);
  look(now_ms);
  __atomic_store_n(&ace.busy, 0, __ATOMIC_RELEASE);   /* pairs with the exchange: what it has left is seen whole */
}

static long least_of(long a, long b) { return a < b ? a : b; }

void ace_init(void) {
  if (option.ace == ACE_OFF) {
    if (option_ace_log[0] != '\0') message_print(MESSAGE_ERROR, "HAKMEM_ACE_LOG does nothing without HAKMEM_ACE");
    return;
  }
  for (enum knob knob = 0; knob < KNOB_COUNT; knob++) ace.bounds.base[knob] = knob_get(knob);
  /* More kept mappings than the option allows are never kept, whatever the floor. */
  ace.bounds.base[KNOB_CACHE_FLOOR] = least_of(ace.bounds.base[KNOB_CACHE_FLOOR], option.bigcache_max);
  ace.bounds.keep_ms = (uint64_t)option.ace_keep_ms;
  ace.bounds.delay_max_ms = option.ace_delay_max_ms;
  ace.bounds.idle_max = option.ace_idle_max;
  ace.bounds.fixed[ACE_PAGES] = option.purge_delay_ms <= 0;
  ace.bounds.fixed[ACE_MAPPINGS] = option.purge_delay_ms <= 0 || option.bigcache_max == 0 ||
                                   (!option.bigcache && (!option.whale || option.whale_slots == 0));
  ace.bounds.frozen = option.ace == ACE_FREEZE;
  ace.started_ms = os_now_ms();
  ace_is_on = true;
}

struct ace_figures ace_figures(void) {
  struct ace_figures figures = { .mode = (uint64_t)option.ace };
  if (!ace_is_on) return figures;
  figures.windows = __atomic_load_n(&ace.windows, __ATOMIC_RELAXED);
  figures.trials = __atomic_load_n(&ace.trials, __ATOMIC_RELAXED);
  figures.stayed = __atomic_load_n(&ace.stayed, __ATOMIC_RELAXED);
  for (enum knob knob = 0; knob < KNOB_COUNT; knob++) figures.knobs[knob] = knob_get(knob);
  return figures;
}

/* Another thread may have been at it, which is not here: what it had in hand is begun anew. */
void ace_fork_child(void) {
  if (!ace_is_on) return;
  if (__atomic_load_n(&ace.busy, __ATOMIC_RELAXED) != 0) {
    ace.state = (struct ace_state){ .begun = false };
    set_knobs();
    __atomic_store_n(&ace.busy, 0, __ATOMIC_RELAXED);
  }
}
