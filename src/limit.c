/* limit.c - see limit.h. */
#include <config.h>
#include "limit_inside.h"

#include "align.h"
#include "cgroup.h"
#include "counters.h"
#include "mapping_cache.h"
#include "message.h"
#include "metadata.h"
#include "options.h"
#include "os.h"

enum {
  CACHES_SHARE = 8, EAGER_SHARE = 16,       /* of the limit, as far from it as the stage begins */
  STEP_SHARE = 32, STEP_MIN = 1 << 20,
  FRUITLESS_MAX = 3,                        /* doublings of the step: a quarter of the limit */
  FRUITFUL_SHARE = 2,                       /* a pass has found enough if it was half a step */
  NEAR_SHARE = 4,                           /* of a step: what is held has to grow by at least so much */
  AUTO_GROUP_SHARE = 8, AUTO_SPACE_SHARE = 4   /* auto: of the group, and of address space, for what is not malloc's */
};

HAK_CONSTANT uint64_t limit_bytes[LIMIT_MEASURES];
HAK_CONSTANT bool limit_is_set;
HAK_CONSTANT void (*limit_relieve)(enum limit_stage stage, enum limit_scope scope);
uint32_t limit_stage_seen;
uint32_t limit_packs;
HAK_SPARSE struct limit_state limit_state;

/* ---- arithmetic */

enum limit_stage limit_stage_of(uint64_t total, uint64_t limit) {
  if (total > limit) return LIMIT_PACK;
  if (total > limit - limit / EAGER_SHARE) return LIMIT_EAGER;
  return total > limit - limit / CACHES_SHARE ? LIMIT_CACHES : LIMIT_CALM;
}

uint64_t limit_step(uint64_t limit) { return higher(limit / STEP_SHARE, STEP_MIN); }

uint64_t limit_next(uint64_t total, uint64_t limit, unsigned fruitless) {
  uint64_t first = limit - limit / CACHES_SHARE, step = limit_step(limit);
  uint64_t next = higher(first, total + (step << (fruitless < FRUITLESS_MAX ? fruitless : FRUITLESS_MAX)));
  /* The limit itself is not to be passed by without one. */
  return total < limit && next > limit ? higher(limit, total + step / NEAR_SHARE) : next;
}

/* ---- what is held */

static uint64_t held_now(uint64_t cached) {
  uint64_t spans = less(counter_get(COUNT_SPAN_BYTES), counter_get(COUNT_PARKED_BYTES));
  return spans + counter_get(COUNT_DIRTY_BYTES) + counter_get(COUNT_HUGE_LIVE_BYTES) + cached + metadata_bytes();
}

static uint64_t mapped_now(uint64_t cached) {
  return counter_get(COUNT_COMMITTED_BYTES) + counter_get(COUNT_HUGE_LIVE_BYTES) + cached + metadata_bytes();
}

/* Claims are read before the counters: what moves from the ones to the others, in limit_end, may be seen in both, but not in
   neither. Acquire: pairs with the release there. */
uint64_t limit_total(const struct limit_request *own, enum limit_measure measure) {
  uint64_t claimed = __atomic_load_n(&limit_state.claimed[measure], __ATOMIC_ACQUIRE);
  uint64_t cached = mapping_cache_bytes();
  uint64_t now = claimed + (measure == LIMIT_HELD ? held_now(cached) : mapped_now(cached));
  return own != NULL && own->withdrawn ? now + size_of(own, measure) : now;
}

/* The later one of both measures'. */
enum limit_stage limit_stage_with(const struct limit_request *own) {
  enum limit_stage stage = LIMIT_CALM;
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++) {
    if (limit_bytes[m] == 0) continue;
    enum limit_stage its = limit_stage_of(limit_total(own, m), limit_bytes[m]);
    if (its > stage) stage = its;
  }
  __atomic_store_n(&limit_stage_seen, (uint32_t)stage, __ATOMIC_RELAXED);
  return stage;
}

/* ---- passes */

/* The next pass comes so much later than now. */
static void postpone(const struct limit_request *own, unsigned fruitless) {
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++)
    if (limit_bytes[m] != 0)
      __atomic_store_n(&limit_state.next[m], limit_next(limit_total(own, m), limit_bytes[m], fruitless), __ATOMIC_RELAXED);
}

/* What is held has reached what was set. If it has fallen far below, the next pass comes sooner again. */
bool limit_is_due(const struct limit_request *own) {
  bool due = false;
  unsigned fruitless = __atomic_load_n(&limit_state.fruitless, __ATOMIC_RELAXED);
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++) {
    if (limit_bytes[m] == 0) continue;
    uint64_t total = limit_total(own, m), next = __atomic_load_n(&limit_state.next[m], __ATOMIC_RELAXED);
    due |= total > next;
    if (limit_next(total, limit_bytes[m], fruitless) + limit_step(limit_bytes[m]) > next) continue;
    __atomic_store_n(&limit_state.next[m], limit_next(total, limit_bytes[m], 0), __ATOMIC_RELAXED);
    __atomic_store_n(&limit_state.fruitless, 0, __ATOMIC_RELAXED);
  }
  return due;
}

void limit_make_pass(const struct limit_request *own) {
  uint64_t before = limit_total(own, LIMIT_HELD);
  unsigned fruitless = __atomic_load_n(&limit_state.fruitless, __ATOMIC_RELAXED);
  postpone(own, fruitless);   /* other threads that come meanwhile go on */
  __atomic_fetch_add(&limit_state.passes, 1, __ATOMIC_RELAXED);
  enum limit_stage done = LIMIT_CALM;
  while (done < limit_stage_with(own)) limit_relieve(++done, LIMIT_EVERYBODY);
  if (done == LIMIT_PACK) __atomic_fetch_add(&limit_packs, 1, __ATOMIC_RELAXED);
  uint64_t after = limit_total(own, LIMIT_HELD), step = limit_step(higher(limit_bytes[LIMIT_HELD], limit_bytes[LIMIT_MAPPED]));
  fruitless = less(before, after) >= step / FRUITFUL_SHARE ? 0 : fruitless + (fruitless < FRUITLESS_MAX);
  __atomic_store_n(&limit_state.fruitless, fruitless, __ATOMIC_RELAXED);
  postpone(own, fruitless);
}

bool limit_is_over(const struct limit_request *own) {
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++) {
    if (limit_bytes[m] == 0) continue;
    /* Twice: a span that goes from one counter to another meanwhile is missed once at most. */
    uint64_t total = limit_total(own, m);
    total = higher(total, limit_total(own, m));
    if (total > limit_bytes[m]) return true;
  }
  return false;
}

void limit_tell(const struct limit_request *own) {
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++) {
    uint64_t total = limit_bytes[m] == 0 ? 0 : limit_total(own, m);
    if (total <= limit_bytes[m]) continue;
    if (__atomic_exchange_n(&limit_state.told, 1, __ATOMIC_RELAXED) != 0) return;
    message_print(MESSAGE_ERROR, "memory limit of %llu KiB: %llu KiB are needed, and nothing more can be given back%s",
                  (unsigned long long)limit_bytes[m] / KIB, (unsigned long long)total / KIB,
                  option.memory_limit_hard ? "; requests fail" : "");
    return;
  }
}

static bool ask_soft(struct limit_request *own) {
  bool passed = limit_is_due(own);
  if (passed) limit_make_pass(own);
  if (limit_stage_with(own) == LIMIT_PACK && passed) limit_tell(own);   /* where others see the stage fall, too */
  return true;
}

/* ---- requests */

void limit_claim(struct limit_request *own) {
  if (!own->withdrawn) return;
  own->withdrawn = false;
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++)
    __atomic_fetch_add(&limit_state.claimed[m], size_of(own, m), __ATOMIC_RELAXED);
}

void limit_begin(struct limit_request *request, size_t held, size_t mapped) {
  *request = (struct limit_request){ held, mapped, true };
  if (option.memory_limit_hard == 0 || !limit_is_hopeless(request)) limit_claim(request);
}

bool limit_ask(struct limit_request *own) { return option.memory_limit_hard != 0 ? limit_ask_hard(own) : ask_soft(own); }

bool limit_ask_spare(struct limit_request *own) {
  limit_claim(own);
  return limit_stage_with(own) == LIMIT_CALM;
}

bool limit_ask_reached(size_t held) {
  struct limit_request request = { held, 0, true };
  return option.memory_limit_hard != 0 && limit_is_over(&request);
}

/* Release: what has been claimed is in the counters by now; pairs with the acquire in limit_total. */
void limit_end(const struct limit_request *request) {
  if (request->withdrawn) return;
  __atomic_fetch_sub(&limit_state.claimed[LIMIT_HELD], request->held, __ATOMIC_RELEASE);
  __atomic_fetch_sub(&limit_state.claimed[LIMIT_MAPPED], request->mapped, __ATOMIC_RELEASE);
}

void limit_count_refusal(void) {
  if (option.memory_limit_hard && limit_is_set) __atomic_fetch_add(&limit_state.refused, 1, __ATOMIC_RELAXED);
}

struct limit_figures limit_figures(void) {
  struct limit_figures figures = { limit_bytes[LIMIT_HELD], limit_bytes[LIMIT_MAPPED], 0, 0 };
  if (!limit_is_set) return figures;
  figures.passes = __atomic_load_n(&limit_state.passes, __ATOMIC_RELAXED);
  figures.refused = __atomic_load_n(&limit_state.refused, __ATOMIC_RELAXED);
  return figures;
}

/* ---- what may be kept free */

/* Up to where the first stage begins; near the limit, and over it, still a step, since a program that takes and frees in
   turn would pay for each page again and again. in_use: without what is kept free. */
static uint64_t keep_room(uint64_t in_use, uint64_t limit) {
  return higher(limit_step(limit), less(limit - limit / CACHES_SHARE, in_use));
}

size_t limit_cache_room_now(void) {
  if (limit_stage_with(NULL) == LIMIT_CALM) return SIZE_MAX;
  uint64_t room = SIZE_MAX, dirty = counter_get(COUNT_DIRTY_BYTES);
  if (limit_bytes[LIMIT_HELD] != 0) room = less(keep_room(less(held_now(0), dirty), limit_bytes[LIMIT_HELD]), dirty);
  if (limit_bytes[LIMIT_MAPPED] != 0) {
    uint64_t its = keep_room(mapped_now(0), limit_bytes[LIMIT_MAPPED]);
    if (its < room) room = its;
  }
  return (size_t)(room < SIZE_MAX ? room : SIZE_MAX);
}

size_t limit_dirty_room_now(void) {
  if (limit_stage_with(NULL) < LIMIT_EAGER || limit_bytes[LIMIT_HELD] == 0) return SIZE_MAX;
  uint64_t cached = mapping_cache_bytes(), in_use = less(held_now(0), counter_get(COUNT_DIRTY_BYTES));
  uint64_t room = higher(less(keep_room(in_use, limit_bytes[LIMIT_HELD]), cached), limit_step(limit_bytes[LIMIT_HELD]));
  return (size_t)(room < SIZE_MAX ? room : SIZE_MAX);
}

/* ---- the start */

static void set_lower(enum limit_measure measure, uint64_t bytes) {
  if (limit_bytes[measure] == 0 || bytes < limit_bytes[measure]) limit_bytes[measure] = bytes;
}

static void find_limits(void) {
  uint64_t group = cgroup_memory_limit("");
  if (group != CGROUP_NO_LIMIT) set_lower(LIMIT_HELD, group - group / AUTO_GROUP_SHARE);
  size_t space = os_address_space_left(), data = os_data_space_left();
  size_t left = min_size(space, data);
  if (left != SIZE_MAX) set_lower(LIMIT_MAPPED, left - left / AUTO_SPACE_SHARE);
}

void limit_init(void) {
  if (option.memory_limit == MEMORY_LIMIT_NONE) {
    if (option.memory_limit_hard)
      message_print(MESSAGE_ERROR, "HAKMEM_MEMORY_LIMIT_HARD=1 does nothing without HAKMEM_MEMORY_LIMIT_MB");
    return;
  }
  if (option.memory_limit == MEMORY_LIMIT_AUTO) find_limits();
  else set_lower(LIMIT_HELD, (uint64_t)option.memory_limit);
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++) {
    if (limit_bytes[m] == 0) continue;
    limit_is_set = true;
    limit_state.next[m] = limit_next(0, limit_bytes[m], 0);
    message_print(MESSAGE_INFO, "memory limit: %llu KiB %s", (unsigned long long)limit_bytes[m] / KIB,
                  m == LIMIT_HELD ? "held" : "mapped");
  }
  if (!limit_is_set) message_print(MESSAGE_INFO, "memory limit: auto has found none");
}

/* Threads that were about to take memory are not here. */
void limit_fork_child(void) {
  if (!limit_is_set) return;
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++) __atomic_store_n(&limit_state.claimed[m], 0, __ATOMIC_RELAXED);
}
