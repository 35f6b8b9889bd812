/* limit_inside.h - what limit.c and limit_hard.c share, and nobody else. Layer 5. */
#ifndef HAKMEM_LIMIT_INSIDE_H
#define HAKMEM_LIMIT_INSIDE_H

#include "limit.h"

/* Atomic, relaxed where nothing else is said: who reads an old value makes a pass too many or too few. Touched only with a
   limit. */
struct limit_state {
  uint64_t claimed[LIMIT_MEASURES];   /* by requests, and in no counter yet */
  uint64_t next[LIMIT_MEASURES];      /* reached: a pass is due */
  uint64_t passes, refused;           /* counts for the report */
  uint64_t vain_size;                 /* the smallest request that the last whole passes were made for in vain */
  uint32_t vain_gap_ms;               /* so long no other one is made for requests of that size; 0: the last one was not in vain */
  uint32_t vain_ms;                   /* when that was; low bits of the clock */
  uint32_t thorough_ms;               /* when a failing request last looked at all of its own heap */
  uint32_t fruitless;                 /* passes that found little, one after the other */
  uint32_t told;                      /* the line about needing more has been printed */
};
extern HAK_HIDDEN struct limit_state limit_state;

HAK_INLINE uint64_t higher(uint64_t a, uint64_t b) { return a > b ? a : b; }
HAK_INLINE uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

HAK_INLINE size_t size_of(const struct limit_request *own, enum limit_measure measure) {
  return measure == LIMIT_HELD ? own->held : own->mapped;
}

/* limit.c. With what has been claimed, and own if it is withdrawn; own: NULL for nothing. */
uint64_t limit_total(const struct limit_request *own, enum limit_measure measure);
enum limit_stage limit_stage_with(const struct limit_request *own);
bool limit_is_over(const struct limit_request *own);
/* What is held has reached what was set. */
bool limit_is_due(const struct limit_request *own);
/* Stage by stage, while what is held is still that near the limit. */
void limit_make_pass(const struct limit_request *own);
/* The line about a limit that is too low, once. */
void limit_tell(const struct limit_request *own);
void limit_claim(struct limit_request *own);
/* limit_hard.c. */
bool limit_is_hopeless(const struct limit_request *own);
bool limit_ask_hard(struct limit_request *own);

#endif
