/* common.h - what the benchmarks share: random numbers, stamps in blocks, arguments, clock.
   The programs keep their own arrays in mappings, so that the allocator sees the workload only. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses: BENCH_WRONG for a corrupt block or a call that failed, BENCH_USAGE for bad arguments. */
enum { BENCH_WRONG = 1, BENCH_USAGE = 2 };

/* A request that is live: tag is what the block is stamped with. block is NULL when the slot is empty. */
struct bench_slot {
  void *block;
  size_t size;
  uint64_t tag;
};

/* xorshift64*: the state is never 0. */
struct bench_random {
  uint64_t state;
};

static inline uint64_t bench_random_next(struct bench_random *random)
{
  uint64_t x = random->state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  random->state = x;
  return x * UINT64_C(2685821657736338717);
}

/* 0 to below - 1, without a division; below is 1 to 2^32. */
static inline size_t bench_random_below(struct bench_random *random, uint64_t below)
{
  return (size_t)(((bench_random_next(random) >> 32) * below) >> 32);
}

/* low to high, both included. */
static inline size_t bench_random_between(struct bench_random *random, size_t low, size_t high)
{
  return low + bench_random_below(random, (uint64_t)(high - low) + 1);
}

/* One seed gives each stream (a thread, say) numbers of its own. */
void bench_random_start(struct bench_random *random, uint64_t seed, uint64_t stream);

/* Stamps the start, the end and each 4 KiB between them; bench_check() ends the program with
   BENCH_WRONG when the stamp is not there any more. */
void bench_stamp(const struct bench_slot *slot);
void bench_check(const struct bench_slot *slot);
/* The same for what a realloc() from slot->size to the smaller size `kept` leaves. */
void bench_check_prefix(const struct bench_slot *slot, size_t kept);

/* Zeroed pages that are resident already; never freed before the program ends. */
void *bench_map(size_t size);
/* Seconds of a monotonic clock. */
double bench_now(void);
void bench_sleep(double seconds);
/* Anonymous resident memory of this process in bytes, read without allocating, in a few microseconds. */
size_t bench_resident_bytes(void);

/* A detached or joinable thread with a stack of 256 KiB: 0 or an errno. */
int bench_thread_start(pthread_t *thread, bool detached, void *(*run)(void *), void *argument);

/* Says what went wrong on stderr and ends the program with BENCH_WRONG. */
_Noreturn void bench_fail(const char *what);
/* Says which argument is wrong and why (argument may be NULL), shows the usage, ends with BENCH_USAGE. */
_Noreturn void bench_usage(const char *usage, const char *argument, const char *text, const char *problem);
/* Parse a whole number, or seconds, or end the program through bench_usage(). */
uint64_t bench_number(const char *usage, const char *name, const char *text, uint64_t least, uint64_t most);
double bench_seconds(const char *usage, const char *name, const char *text);

#endif
