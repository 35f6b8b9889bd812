/* double_free_batched.c - freed by a thread that is still there and has not passed the block on. */
#include <config.h>

#include <pthread.h>
#include <unistd.h>

#include "misuse.h"

static char *block;
static bool freed;   /* atomic */

static void *free_and_stay(void *unused) {
  misuse.free(block);
  __atomic_store_n(&freed, true, __ATOMIC_RELEASE);
  for (;;) pause();
  return unused;
}

void *misuse_pointer(void) {
  pthread_t thread;
  block = block_of(64);
  if (pthread_create(&thread, NULL, free_and_stay, NULL) != 0) fail("pthread_create");
  while (!__atomic_load_n(&freed, __ATOMIC_ACQUIRE)) usleep(1000);
  return block;
}
