/* late_exit.c - the heap works to the very end: atexit handlers, destructors of all priorities. */
#include <config.h>

#include <stdio.h>

#include "program.h"

static char *kept;
static unsigned handlers;

static void use_heap(void) {
  struct workload load = { .state = 21 };
  workload_run(&load, 300);
  workload_end(&load);
  char *text = realloc(kept, strlen(kept) + 10000);
  REQUIRE(text != NULL && strcmp(text, "kept from the start") == 0);
  kept = text;
  handlers++;
}

__attribute__((constructor(101))) static void first(void) {
  kept = strdup("kept from the start");
  REQUIRE(kept != NULL && atexit(use_heap) == 0);
}

__attribute__((destructor(101))) static void last(void) {
  use_heap();
  REQUIRE(handlers == 42);
  free(kept);
  say("handlers done\n");
}

int main(void) {
  for (unsigned i = 0; i < 40; i++) REQUIRE(atexit(use_heap) == 0);
  return 0;
}
