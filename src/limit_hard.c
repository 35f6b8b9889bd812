/* limit_hard.c - requests that a hard limit may refuse. */
#include <config.h>
#include "limit_inside.h"

#include "counters.h"
#include "mapping_cache.h"
#include "metadata.h"
#include "os.h"

enum {
  THOROUGH_MS = 10,               /* between looks at all of the own heap, for requests that fail */
  VAIN_MS = 10, VAIN_MAX_MS = 320,   /* between whole passes for them: doubled each time that one was in vain */
  VAIN_FORGET = 8                 /* gaps without a vain pass, after which they begin anew */
};

/* Whatever went back, it would not fit: mappings in use stay. */
bool limit_is_hopeless(const struct limit_request *own) {
  uint64_t stays = counter_get(COUNT_HUGE_LIVE_BYTES) + metadata_bytes();
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++)
    if (limit_bytes[m] != 0 && stays + size_of(own, m) > limit_bytes[m]) return true;
  return false;
}

/* What is kept free is enough to make room. */
static bool spares_suffice(const struct limit_request *own) {
  uint64_t spare = mapping_cache_bytes() + counter_get(COUNT_DIRTY_BYTES);
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++)
    if (limit_bytes[m] != 0 && less(limit_total(own, m), spare) > limit_bytes[m]) return false;
  return true;
}

static uint64_t largest_of(const struct limit_request *own) { return higher(own->held, own->mapped); }

/* True: a whole pass for a request of that size was in vain a moment ago. */
static bool is_known_vain(uint64_t size, uint32_t now_ms) {
  uint32_t gap_ms = __atomic_load_n(&limit_state.vain_gap_ms, __ATOMIC_RELAXED);
  return gap_ms != 0 && now_ms - __atomic_load_n(&limit_state.vain_ms, __ATOMIC_RELAXED) < gap_ms &&
         size >= __atomic_load_n(&limit_state.vain_size, __ATOMIC_RELAXED);
}

static void note_vain(uint64_t size, uint32_t now_ms) {
  uint32_t gap_ms = __atomic_load_n(&limit_state.vain_gap_ms, __ATOMIC_RELAXED);
  bool again = gap_ms != 0 && now_ms - __atomic_load_n(&limit_state.vain_ms, __ATOMIC_RELAXED) < VAIN_FORGET * gap_ms;
  gap_ms = !again ? VAIN_MS : gap_ms < VAIN_MAX_MS ? 2 * gap_ms : gap_ms;
  __atomic_store_n(&limit_state.vain_size, size, __ATOMIC_RELAXED);
  __atomic_store_n(&limit_state.vain_ms, now_ms, __ATOMIC_RELAXED);
  __atomic_store_n(&limit_state.vain_gap_ms, gap_ms, __ATOMIC_RELAXED);
}

/* A request is over the limit. First the thread's own heap, then what is kept free, if that will do, and only then what everybody
   has: requests that fail may be many, one after the other, and other threads are not to pay for them. */
static void make_last_pass(const struct limit_request *own) {
  uint32_t now_ms = (uint32_t)os_now_ms();
  bool thorough = now_ms - __atomic_load_n(&limit_state.thorough_ms, __ATOMIC_RELAXED) >= THOROUGH_MS;
  if (thorough) __atomic_store_n(&limit_state.thorough_ms, now_ms, __ATOMIC_RELAXED);
  limit_relieve(LIMIT_PACK, thorough ? LIMIT_OWN_HEAP : LIMIT_OWN_RECENT);
  if (!limit_is_over(own)) return;
  for (enum limit_stage stage = LIMIT_CACHES; stage <= LIMIT_EAGER && spares_suffice(own); stage++) {
    limit_relieve(stage, LIMIT_EVERYBODY);
    if (!limit_is_over(own)) return;
  }
  if (is_known_vain(largest_of(own), now_ms)) return;
  limit_make_pass(own);
  if (limit_is_over(own)) note_vain(largest_of(own), now_ms);
  else __atomic_store_n(&limit_state.vain_gap_ms, 0, __ATOMIC_RELAXED);
}

/* A request that may be refused is no reason to refuse those of others meanwhile: its passes take milliseconds. */
static void withdraw(struct limit_request *own) {
  if (own->withdrawn) return;
  own->withdrawn = true;
  for (enum limit_measure m = LIMIT_HELD; m < LIMIT_MEASURES; m++)
    __atomic_fetch_sub(&limit_state.claimed[m], size_of(own, m), __ATOMIC_RELAXED);
}

static bool refuse(struct limit_request *own) {
  withdraw(own);
  limit_tell(own);
  limit_stage_with(NULL);   /* what nobody will hold is no stage for others */
  return false;
}

/* Two requests for which there is room for one: each claims before it looks, and of two that claim the second sees both, since claims
   are added to the same word. */
bool limit_ask_hard(struct limit_request *own) {
  if (limit_is_hopeless(own)) return refuse(own);
  if (limit_stage_with(own) == LIMIT_PACK) {
    withdraw(own);
    make_last_pass(own);
    if (limit_is_over(own)) return refuse(own);
  } else if (limit_is_due(own)) {
    limit_make_pass(own);
  }
  limit_claim(own);
  return !limit_is_over(own) || refuse(own);
}
