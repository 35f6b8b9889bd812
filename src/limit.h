/* limit.h - how much the process may hold: HAKMEM_MEMORY_LIMIT_MB. Layer 5.

   Asked where memory is about to become held that was not: a span on pages that are not there, a mapping. What is reused asks
   nothing. As what is held nears the limit, it is given back in stages, by passes; a pass that has found little is not
   repeated until what is held has grown by a step. So a program that needs more than its limit pays for a pass in each
   thirty-second part of it, and no more.

   Two things are measured: what is held, that is, may be resident, against the option's number or the control group's; and what is
   mapped or writable, against RLIMIT_AS and RLIMIT_DATA. */
#ifndef HAKMEM_LIMIT_H
#define HAKMEM_LIMIT_H

#include "compiler.h"

enum limit_measure { LIMIT_HELD, LIMIT_MAPPED, LIMIT_MEASURES };
/* In each stage what the ones before do is done first, and more only while it does not suffice. */
enum limit_stage {
  LIMIT_CALM,
  LIMIT_CACHES,   /* from 7/8 on: BigCache and whale cache go back */
  LIMIT_EAGER,    /* from 15/16 on: free pages go back whatever their age, heaps keep next to no EMPTY slabs */
  LIMIT_PACK      /* beyond the limit: pages and slabs without blocks in use, of all heaps that can be reached */
};

/* Bytes for each measure, 0: no limit. Constant after the start. */
extern HAK_HIDDEN uint64_t limit_bytes[LIMIT_MEASURES];
extern HAK_HIDDEN bool limit_is_set;
/* From whom. */
enum limit_scope {
  LIMIT_OWN_RECENT,   /* the calling thread's heap, what it has not been asked for before; its free spans stay free spans */
  LIMIT_OWN_HEAP,     /* all of it */
  LIMIT_EVERYBODY
};
/* Gives back what belongs to a stage. Set once at start. No lock is held, but that of profiles perhaps. */
extern void (*limit_relieve)(enum limit_stage stage, enum limit_scope scope);

/* At start: as the options have it. */
void limit_init(void);

/* What is about to be held and is in no counter yet; zeros: nothing. withdrawn: others do not count it. */
struct limit_request { size_t held, mapped; bool withdrawn; };
void limit_begin(struct limit_request *request, size_t held, size_t mapped);
bool limit_ask(struct limit_request *own);
bool limit_ask_spare(struct limit_request *own);
bool limit_ask_reached(size_t held);
void limit_end(const struct limit_request *request);

/* So many bytes more are to be held, and mapped: from now on they count. */
HAK_INLINE void limit_reserve(struct limit_request *request, size_t held, size_t mapped) {
  if (unlikely(limit_is_set)) limit_begin(request, held, mapped);
}
/* False: the limit is a hard one, and what is held and reserved is over it after all that could go has gone. No lock is held. May give back
   memory of the calling thread's heap. */
HAK_INLINE bool limit_check(struct limit_request *own) { return likely(!limit_is_set) || limit_ask(own); }
/* Both. Either way limit_done is to follow. */
HAK_INLINE bool limit_admit(struct limit_request *request, size_t held, size_t mapped) {
  limit_reserve(request, held, mapped);
  return limit_check(request);
}
/* The same for what can be done without, and with a lock held: true if nothing is to be given back for it. */
HAK_INLINE bool limit_admit_spare(struct limit_request *request, size_t held) {
  if (likely(!limit_is_set)) return true;
  limit_begin(request, held, 0);
  return limit_ask_spare(request);
}
/* A hard limit would refuse so many bytes more. */
HAK_INLINE bool limit_is_reached(size_t held) { return unlikely(limit_is_set) && limit_ask_reached(held); }
/* It is in the counters, or will not be. */
HAK_INLINE void limit_done(const struct limit_request *request) {
  if (unlikely(limit_is_set)) limit_end(request);
}

/* The stage as it was seen last: relaxed. Always CALM without a limit. */
extern HAK_HIDDEN uint32_t limit_stage_seen;
HAK_INLINE enum limit_stage limit_stage(void) {
  return (enum limit_stage)__atomic_load_n(&limit_stage_seen, __ATOMIC_RELAXED);
}
/* Bytes that may be kept free at this stage: in the caches, beside the dirty pages; and the other way round. SIZE_MAX: any.
   No lock is held. */
size_t limit_cache_room_now(void);
size_t limit_dirty_room_now(void);
HAK_INLINE size_t limit_cache_room(void) { return likely(limit_stage() == LIMIT_CALM) ? SIZE_MAX : limit_cache_room_now(); }
HAK_INLINE size_t limit_dirty_room(void) { return likely(limit_stage() < LIMIT_EAGER) ? SIZE_MAX : limit_dirty_room_now(); }
/* Changes with each pass of the last stage: for heaps of other threads, which pack themselves. */
extern HAK_HIDDEN uint32_t limit_packs;

/* A request has been answered with NULL. */
void limit_count_refusal(void);

/* For the report; zeros without a limit. */
struct limit_figures {
  uint64_t held_bytes, mapped_bytes;   /* the limits, 0: none */
  uint64_t passes;                     /* over all that is kept, to give it back */
  uint64_t refused;                    /* requests that failed while the limit was a hard one */
};
struct limit_figures limit_figures(void);

/* The arithmetic, for tests too. */
enum limit_stage limit_stage_of(uint64_t total, uint64_t limit);
uint64_t limit_step(uint64_t limit);
/* What is held is to reach so much before the next pass; fruitless: so many passes have found little, one after the other. */
uint64_t limit_next(uint64_t total, uint64_t limit, unsigned fruitless);

void limit_fork_child(void);

#endif
