/* program.h - what the test programs share: a check that needs no stdio, and a
   workload that goes through all tiers. The programs call malloc under its own
   name; the scripts run them with and without the interposer. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM_TEXT2(x) #x
#define PROGRAM_TEXT(x) PROGRAM_TEXT2(x)

/* write(2) only: works in filters and in signal handlers. */
static inline void say(const char *text) {
  if (write(2, text, strlen(text)) < 0) _exit(4);
}

#define REQUIRE(condition)                                                                      \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      say(__FILE__ ":" PROGRAM_TEXT(__LINE__) ": false: " #condition "\n");                     \
      _exit(3);                                                                                 \
    }                                                                                           \
  } while (0)

static inline _Noreturn void fail_program(const char *what) {
  say(what);
  say("\n");
  _exit(3);
}

enum { EXIT_SKIP = 77 };

static inline void skip_program(const char *reason) {
  say("SKIP: ");
  say(reason);
  say("\n");
  _exit(EXIT_SKIP);
}

/* Keeps the compiler from removing a pair of malloc and free. */
static inline void *opaque(void *p) {
  __asm__ volatile("" : "+r"(p) : : "memory");
  return p;
}

static inline void *get(size_t size) { return opaque(malloc(size)); }

static inline uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525U + 1013904223U;
  return *state >> 8;
}

/* A size of any tier; mostly small, up to 4 MiB. */
static inline size_t random_size(uint32_t *state) {
  uint32_t kind = next_random(state) % 64;
  if (kind < 44) return next_random(state) % 1025;
  if (kind < 56) return 1025 + next_random(state) % (31 * 1024);
  if (kind < 63) return (32 << 10) + next_random(state) % (992U << 10);
  return (1U << 20) + next_random(state) % (3U << 20);
}

static inline void mark(unsigned char *block, size_t size, unsigned char tag) {
  if (size == 0) return;
  block[0] = tag;
  block[size / 2] = tag;
  block[size - 1] = tag;
}
static inline bool is_marked(const unsigned char *block, size_t size, unsigned char tag) {
  return size == 0 || (block[0] == tag && block[size / 2] == tag && block[size - 1] == tag);
}

enum { WORKLOAD_SLOTS = 256 };
struct workload {
  unsigned char *block[WORKLOAD_SLOTS];
  size_t size[WORKLOAD_SLOTS];
  uint32_t state;
  size_t size_limit;   /* sizes are below it; 0: up to 4 MiB */
};

/* Random malloc, calloc, realloc and free over all tiers; contents are checked. Leaves blocks live. */
static inline void workload_run(struct workload *load, unsigned steps) {
  for (unsigned step = 0; step < steps; step++) {
    unsigned slot = next_random(&load->state) % WORKLOAD_SLOTS;
    unsigned char tag = (unsigned char)(slot * 7 + 1);
    unsigned char *block = load->block[slot];
    size_t old = load->size[slot];
    REQUIRE(block == NULL || is_marked(block, old, tag));
    size_t size = random_size(&load->state);
    if (load->size_limit != 0) size %= load->size_limit;
    switch (next_random(&load->state) % 4) {
      case 0:
        free(block);
        load->block[slot] = NULL;
        load->size[slot] = 0;
        continue;
      case 1:
        free(block);
        block = opaque(calloc(1, size));
        REQUIRE(block != NULL && is_marked(block, size, 0));
        break;
      case 2:
        if (size == 0) size = 1;
        block = opaque(realloc(block, size));
        REQUIRE(block != NULL && (old == 0 || block[0] == tag));
        break;
      default:
        free(block);
        block = get(size);
        REQUIRE(block != NULL);
    }
    mark(block, size, tag);
    load->block[slot] = block;
    load->size[slot] = size;
  }
}

static inline void workload_end(struct workload *load) {
  for (unsigned slot = 0; slot < WORKLOAD_SLOTS; slot++) {
    REQUIRE(load->block[slot] == NULL ||
            is_marked(load->block[slot], load->size[slot], (unsigned char)(slot * 7 + 1)));
    free(load->block[slot]);
    load->block[slot] = NULL;
    load->size[slot] = 0;
  }
}

/* A number, in kB, of a line of /proc/self/status or smaps_rollup; -1 if it is not there. Allocates nothing. */
long status_kib(const char *path, const char *name);

#endif
