/* profile_draw.c - when the next sample is due. */
#include <config.h>
#include "profile_draw.h"

enum {
  FRACTION = 20,         /* bits behind the point of what is computed here */
  SQUARINGS = 16         /* bits of a logarithm found one by one; the rest is a straight line, right to 2^-19 */
};
#define LN_2 UINT64_C(726817)   /* ln 2, with FRACTION bits */

/* xorshift64*, whose upper bits are good. */
static uint64_t next_random(uint64_t *random) {
  uint64_t x = *random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *random = x;
  return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* -log2(x / 2^64), x not 0. */
static uint64_t minus_log2(uint64_t x) {
  unsigned zeros = (unsigned)__builtin_clzll(x);
  uint64_t mantissa = (x << zeros) >> 32;   /* 1 to 2, with 31 bits behind the point */
  uint64_t fraction = 0;
  for (unsigned i = 0; i < SQUARINGS; i++) {
    mantissa = mantissa * mantissa >> 31;
    unsigned carry = (unsigned)(mantissa >> 32);
    mantissa >>= carry;
    fraction = fraction << 1 | carry;
  }
  uint64_t rest = mantissa - (UINT64_C(1) << 31);   /* less than 2^-SQUARINGS, as a logarithm nearly as it stands */
  fraction = (fraction << (FRACTION - SQUARINGS)) + (rest >> (31 - FRACTION + SQUARINGS));
  return ((uint64_t)(zeros + 1) << FRACTION) - fraction;
}

/* At most 45 * rate, with 26 bits times 36: nothing overflows. */
uint64_t profile_draw(uint64_t *random, uint64_t rate) {
  uint64_t x = next_random(random);
  return (minus_log2(x != 0 ? x : 1) * LN_2 >> FRACTION) * rate >> FRACTION;
}

/* 1 - exp(-x). The series, for an x halved until it is small, and doubled again: 1 - exp(-2y) is q(2 - q). */
static double probability(double x) {
  unsigned halvings = 0;
  if (x > 50) return 1;
  for (; x > 1.0 / 64; halvings++) x /= 2;
  double q = x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4 * (1 - x / 5))));
  while (halvings-- > 0) q *= 2 - q;
  return q;
}

uint64_t profile_scale(uint64_t sum, uint64_t count, uint64_t bytes, uint64_t rate) {
  if (count == 0) return 0;
  return (uint64_t)((double)sum / probability((double)bytes / (double)count / (double)rate) + 0.5);
}

/* splitmix64. */
uint64_t profile_seed(uint64_t from) {
  uint64_t x = from + UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  return x != 0 ? x : 1;
}
