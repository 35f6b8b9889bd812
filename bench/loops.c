/* loops.c - see loops.h. Compiled with -fno-plt, so that a call is one instruction. There is no test
   for a failed malloc(): the store would fault. */
#include <config.h>
#include <stdlib.h>
#include "loops.h"

static char *blocks[LOOP_PAIRS];
static char nothing[1];
static char *volatile not_a_block = nothing; /* the compiler does not know where it points */

/* The compiler must take each block for used by somebody else. */
static inline void store(char *block)
{
  *(volatile char *)block = 1;
  __asm__ volatile("" : : "r"(block) : "memory");
}

void loop_pairs(size_t size)
{
  for (int i = 0; i < LOOP_PAIRS; i++) {
    char *block = malloc(size);
    store(block);
    free(block);
  }
}

void loop_no_pairs(size_t size)
{
  char *block = not_a_block;
  (void)size;
  for (int i = 0; i < LOOP_PAIRS; i++)
    store(block);
}

void loop_batch(size_t size)
{
  for (int i = 0; i < LOOP_PAIRS; i++) {
    char *block = malloc(size);
    store(block);
    blocks[i] = block;
  }
  for (int i = 0; i < LOOP_PAIRS; i++)
    free(blocks[i]);
}

void loop_no_batch(size_t size)
{
  char *block = not_a_block;
  (void)size;
  for (int i = 0; i < LOOP_PAIRS; i++) {
    store(block);
    blocks[i] = block;
  }
  for (int i = 0; i < LOOP_PAIRS; i++)
    __asm__ volatile("" : : "r"(blocks[i]) : "memory");
}
