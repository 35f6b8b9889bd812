/* random_mixed.c - one thread, sizes mixed: each cycle picks one of SLOTS at random. An empty slot
   gets a block; of the full ones, three in four are freed and the others resized.
   15 requests in 16 are of 16 B to 1 KiB, the others up to 32 KiB. */
#include <config.h>
#include <stdio.h>
#include "common.h"
#include "which_malloc.h"

static const char usage[] =
  "usage: bench_random_mixed CYCLES SLOTS SEED\n"
  "  CYCLES  operations: malloc, realloc or free\n"
  "  SLOTS   most blocks live at a time\n"
  "  SEED    of the random numbers\n";

static struct bench_random numbers;

static size_t random_size(void)
{
  size_t most = bench_random_below(&numbers, 16) == 0 ? 32768 : 1024;
  return bench_random_between(&numbers, 16, most);
}

static void fill(struct bench_slot *slot)
{
  slot->size = random_size();
  slot->tag = numbers.state;
  slot->block = bench_malloc(slot->size);
  if (slot->block == NULL)
    bench_fail("no memory");
  bench_stamp(slot);
}

static void resize(struct bench_slot *slot)
{
  size_t size = random_size();
  bench_check(slot);
  void *moved = bench_realloc(slot->block, size);
  if (moved == NULL)
    bench_fail("no memory");
  slot->block = moved;
  bench_check_prefix(slot, size < slot->size ? size : slot->size);
  slot->size = size;
  slot->tag = numbers.state;
  bench_stamp(slot);
}

static void clear(struct bench_slot *slot)
{
  bench_check(slot);
  bench_free(slot->block);
  slot->block = NULL;
}

int main(int argc, char **argv)
{
  if (argc != 4)
    bench_usage(usage, NULL, NULL, NULL);
  uint64_t cycles = bench_number(usage, "CYCLES", argv[1], 1, UINT64_C(1000000000000));
  size_t slots = (size_t)bench_number(usage, "SLOTS", argv[2], 1, 10000000);
  bench_random_start(&numbers, bench_number(usage, "SEED", argv[3], 0, UINT64_MAX), 0);

  struct bench_slot *array = bench_map(slots * sizeof *array);
  uint64_t counts[3] = { 0, 0, 0 };
  double start = bench_now();
  for (uint64_t i = 0; i < cycles; i++) {
    uint64_t number = bench_random_next(&numbers);
    struct bench_slot *slot = &array[((number >> 32) * slots) >> 32];
    if (slot->block == NULL) {
      fill(slot);
      counts[0]++;
    } else if (number % 4 == 0) {
      resize(slot);
      counts[1]++;
    } else {
      clear(slot);
      counts[2]++;
    }
  }
  for (size_t i = 0; i < slots; i++)
    if (array[i].block != NULL)
      clear(&array[i]);
  double seconds = bench_now() - start;
  printf("bench_random_mixed seconds=%.6f operations=%llu operations_per_second=%.0f ns_per_operation=%.2f "
         "mallocs=%llu reallocs=%llu frees=%llu\n",
         seconds, (unsigned long long)cycles, (double)cycles / seconds, seconds * 1e9 / (double)cycles,
         (unsigned long long)counts[0], (unsigned long long)counts[1], (unsigned long long)counts[2]);
  return 0;
}
