/* lanes_pairs.c - what one malloc() and one free() take when all is warm, net of the loop. */
#include <config.h>
#include <stdio.h>
#include "lanes.h"
#include "loops.h"

enum { REPEATS = 5 };

static const size_t sizes[] = { 16, 64, 256, 1024, 8192, 65536 };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static const double most_seconds = 0.2; /* of one repeat: some pairs take microseconds */

/* The least of some repeats, in ns of one pair. */
static double time_loop(loop_function *loop, size_t size, uint64_t operations)
{
  double best = 0;
  loop(size);
  for (int i = 0; i < REPEATS; i++) {
    uint64_t done = 0;
    double start = bench_now(), seconds = 0;
    for (; done < operations && seconds < most_seconds; done += LOOP_PAIRS) {
      loop(size);
      seconds = bench_now() - start;
    }
    double each = seconds * 1e9 / (double)done;
    if (i == 0 || each < best)
      best = each;
  }
  return best;
}

static uint64_t print_all(const struct lane_options *options, const char *letter, loop_function *loop,
                          loop_function *empty)
{
  double net = time_loop(empty, 0, options->operations);
  for (size_t i = 0; i < SIZES; i++)
    printf(" %s%zu=%.2f", letter, sizes[i], time_loop(loop, sizes[i], options->operations) - net);
  return 0;
}

uint64_t lane_pairs(const struct lane_options *options)
{
  return print_all(options, "p", loop_pairs, loop_no_pairs);
}

uint64_t lane_batches(const struct lane_options *options)
{
  return print_all(options, "b", loop_batch, loop_no_batch);
}
