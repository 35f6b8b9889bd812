/* loops.h - the loops in which one malloc() and one free() are timed or counted. Each runs
   LOOP_PAIRS pairs of one size; the empty ones do the same without the calls. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stddef.h>

enum { LOOP_PAIRS = 1000 };

typedef void loop_function(size_t size);

loop_function loop_pairs;   /* malloc, store, free in turn */
loop_function loop_batch;   /* LOOP_PAIRS mallocs with a store each, then LOOP_PAIRS frees in order */
loop_function loop_no_pairs, loop_no_batch;

#endif
