/* latency.h - how long single calls of malloc() and free() take, as a histogram over all threads. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

enum latency_call { LATENCY_MALLOC, LATENCY_FREE, LATENCY_CALLS };

/* Set before the first thread is started: whether calls are timed. */
extern bool latency_on;

/* The time stamp counter where there is one, else nanoseconds of a monotonic clock. */
static inline uint64_t latency_now(void);
/* A call that began at `from` has ended now. */
void latency_note(enum latency_call call, uint64_t from);
/* Prints median, 99th, 99.9th and 99.99th per cent and the longest, in nanoseconds, each with a space in front of it;
   `ticks` passed in `seconds`. All threads have ended. */
void latency_print(uint64_t ticks, double seconds);

#if defined __x86_64__ || defined __i386__
#include <x86intrin.h>
static inline uint64_t latency_now(void)
{
  unsigned processor;
  return __rdtscp(&processor); /* waits for the loads and instructions before it */
}
#else
#include <time.h>
static inline uint64_t latency_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
#endif

#endif
