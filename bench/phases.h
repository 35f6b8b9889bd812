/* phases.h - the modes of bench_phases: programs whose behaviour changes as they run. Each mode is a table of
   phases and one function that goes through it; phases.c parses, measures and prints. */
#ifndef BENCH_PHASES_H
#define BENCH_PHASES_H

#include "common.h"

enum { KIB = 1024, MIB = 1024 * KIB };

struct phase_options {
  uint64_t seed;
  uint64_t percent; /* of the rounds; under 10 there is less memory too, and pauses are shorter */
};

/* Runs the workload, returns the number of blocks that were allocated. Calls phase_measure() once its own arrays
   are mapped. */
typedef uint64_t phase_function(const struct phase_options *options);

phase_function phase_bursts, phase_batches, phase_cache, phase_buffers; /* phases_alone.c */
phase_function phase_forks, phase_swap, phase_pool;                     /* phases_threads.c */

/* What the tables say, scaled: rounds are at least 1, megabytes become bytes, milliseconds seconds. */
uint64_t phase_rounds(const struct phase_options *options, uint64_t rounds);
size_t phase_bytes(const struct phase_options *options, uint64_t megabytes);
double phase_seconds(const struct phase_options *options, uint64_t milliseconds);

/* From here on time, CPU time and memory are measured; resident memory is that over what there is now. */
void phase_measure(void);
/* Reads the clock and resident memory, which counts for the time since the last sample. Any thread may call it,
   but no child. */
void phase_sample(void);

/* A thread, or a child, that makes requests. */
struct phase_actor {
  struct bench_random random;
  uint64_t operations; /* blocks that it allocated */
};

void phase_actor_start(struct phase_actor *actor, const struct phase_options *options, uint64_t stream);
/* 2^low to 2^(high + 1) - 1 bytes: every power of two is as likely as every other, so most are small. */
size_t phase_size(struct phase_actor *actor, unsigned low, unsigned high);
/* Fills an empty slot with a stamped block; checks and frees. */
void phase_fill(struct phase_actor *actor, struct bench_slot *slot, size_t size);
void phase_clear(struct bench_slot *slot);

/* Idle time, in slices, each with a sample: nothing but sleep, sleep with a few small requests, and reckoning without
   a request. What reckoning takes of the CPU is not counted; the main thread only. */
void phase_pause(double seconds);
void phase_idle(struct phase_actor *actor, double seconds);
void phase_compute(double seconds);

/* Many blocks of 16 B to 4 KiB, in the order of their allocation, with a sample after every thousand or so. */
struct phase_heap {
  struct bench_slot *slots;
  size_t most, count;
};

/* With places for what heaps of up to that many bytes need; empty. */
void phase_heap_map(struct phase_heap *heap, size_t bytes);
/* Until there are that many bytes in the empty heap. */
void phase_heap_build(struct phase_heap *heap, struct phase_actor *actor, size_t bytes);
/* Replaces random blocks. */
void phase_heap_churn(struct phase_heap *heap, struct phase_actor *actor, uint64_t count);
void phase_heap_clear(struct phase_heap *heap);

#endif
