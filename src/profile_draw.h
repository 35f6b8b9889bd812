/* profile_draw.h - when the next sample is due. Layer 5.

   Every byte that is allocated is a sample with the same small probability, one in rate, whatever came before: the
   bytes up to the next one are exponential. Arithmetic on integers only: no libm, no floating point in malloc. */
#ifndef HAKMEM_PROFILE_DRAW_H
#define HAKMEM_PROFILE_DRAW_H

#include "compiler.h"

#define PROFILE_RATE_MAX ((int64_t)1 << 36)

/* Bytes up to the next sample, which is in the byte after them: exponential with mean rate (1 to PROFILE_RATE_MAX).
   *random: the state, not 0. */
uint64_t profile_draw(uint64_t *random, uint64_t rate);
/* Requests of size bytes before the one that has the sample: each is it with probability 1 - exp(-size / rate). */
HAK_INLINE int64_t profile_draw_requests(uint64_t *random, uint64_t rate, uint32_t size) {
  return (int64_t)(profile_draw(random, rate) / size);
}
/* What a sum over samples of that many bytes each, on average, stands for: the sum divided by the probability of a
   sample. */
uint64_t profile_scale(uint64_t sum, uint64_t count, uint64_t bytes, uint64_t rate);
/* A state from whatever differs between those who draw. */
uint64_t profile_seed(uint64_t from);

#endif
