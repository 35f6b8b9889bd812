/* instruction_loops.c - runs one of the loops a given number of times, warm: count-instructions runs
   it under callgrind with two numbers and takes the difference. */
#include <config.h>
#include <string.h>
#include "common.h"
#include "loops.h"

enum { WARM_UP = 10 };

static const char usage[] =
  "usage: instruction_loops LOOP SIZE TIMES\n"
  "  LOOP   pairs, batch, no-pairs or no-batch\n"
  "  SIZE   of a block, in bytes\n"
  "  TIMES  the loop of 1000 pairs runs so many times\n";

static const struct {
  const char *name;
  loop_function *run;
} loops[] = {
  { "pairs", loop_pairs },
  { "batch", loop_batch },
  { "no-pairs", loop_no_pairs },
  { "no-batch", loop_no_batch },
};
enum { LOOPS = sizeof loops / sizeof loops[0] };

static loop_function *find_loop(const char *name)
{
  for (size_t i = 0; i < LOOPS; i++)
    if (strcmp(loops[i].name, name) == 0)
      return loops[i].run;
  bench_usage(usage, "LOOP", name, "is not one of them");
}

int main(int argc, char **argv)
{
  if (argc != 4)
    bench_usage(usage, NULL, NULL, NULL);
  loop_function *loop = find_loop(argv[1]);
  size_t size = (size_t)bench_number(usage, "SIZE", argv[2], 1, 1 << 30);
  uint64_t times = WARM_UP + bench_number(usage, "TIMES", argv[3], 0, 1000000000);
  for (uint64_t i = 0; i < times; i++)
    loop(size);
  return 0;
}
