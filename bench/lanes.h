/* lanes.h - the modes of bench_lanes. Each is one function that runs its workload on malloc() and
   returns what it measured; lanes.c parses, times and prints. */
#ifndef BENCH_LANES_H
#define BENCH_LANES_H

#include "common.h"

/* What a mode may be told; lanes.c has the defaults of each mode and which of them it takes. */
struct lane_options {
  uint64_t threads;    /* that run at the same time */
  uint64_t operations; /* blocks allocated (or resized), over all threads */
  uint64_t slots;      /* blocks live at a time, for each thread */
  uint64_t min, max;   /* bytes of a block */
  uint64_t percent;    /* of the blocks that another thread frees */
  uint64_t megabytes;
  uint64_t latency;    /* 1: single calls are timed */
  uint64_t seed;
};

/* A mode that is not summed up by time per operation prints fields of its own (each with a space
   in front of it) and returns 0; the others return the number of operations that were done. */
typedef uint64_t lane_function(const struct lane_options *options);

lane_function lane_churn, lane_many_threads, lane_short_threads; /* lanes_churn.c */
lane_function lane_remote, lane_produce;                         /* lanes_remote.c */
lane_function lane_grow;                                         /* lanes_grow.c */
lane_function lane_giveback;                                     /* lanes_giveback.c */
lane_function lane_pairs, lane_batches;                          /* lanes_pairs.c */

/* Fills an empty slot with a stamped block of min to max bytes; checks and frees. */
void lane_fill(struct bench_slot *slot, struct bench_random *random, size_t min, size_t max);
void lane_clear(struct bench_slot *slot);

#endif
