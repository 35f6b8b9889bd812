/* script.c - see script.h. Every block is marked at both ends and in the middle, and checked. */
#include <config.h>

#include "script.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmem.h"

#define fault(...)                                   \
  do {                                               \
    fprintf(stderr, "script: " __VA_ARGS__);         \
    fprintf(stderr, " (line %d)\n", __LINE__);       \
    abort();                                         \
  } while (0)

enum { SLOTS = 4096 };
struct place {
  unsigned char *start;
  size_t size;
};
static struct place places[SLOTS];
static bool failures_allowed;
static unsigned long failures;   /* of the main thread; others add atomically */

static unsigned char tag_of(const struct place *place) { return (unsigned char)((place - places) * 5 + 3); }

static void mark(struct place *place) {
  if (place->size == 0) return;
  place->start[0] = place->start[place->size / 2] = place->start[place->size - 1] = tag_of(place);
}

static void check_prefix(const struct place *place, const unsigned char *start, size_t size) {
  if (size == 0 || place->size == 0) return;
  unsigned char tag = tag_of(place);
  if (start[0] != tag || (place->size / 2 < size && start[place->size / 2] != tag) ||
      (place->size <= size && start[place->size - 1] != tag))
    fault("contents of slot %ld changed", (long)(place - places));
}

static bool refused(const void *p, int error) {
  if (p != NULL) return false;
  if (!failures_allowed) fault("a request failed although no call did");
  if (error != ENOMEM) fault("a request failed with errno %d", error);
  __atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
  return true;
}

static void take(struct place *place, void *p, size_t size) {
  if (refused(p, errno)) return;
  if (hak_usable_size(p) < size) fault("usable size");
  if (!hak_owns(p)) fault("the registry does not know the block");
  place->start = p;
  place->size = size;
  mark(place);
}

static void put_plain(unsigned slot, size_t size) {
  errno = 0;
  take(&places[slot], hak_malloc(size), size);
}

static void put_zeroed(unsigned slot, size_t size) {
  errno = 0;
  unsigned char *p = hak_calloc(1, size);
  for (size_t at = 0; p != NULL && at < size; at += at < 4096 ? 1 : at < 65536 ? 512 : 65536)
    if (p[at] != 0) fault("calloc: %zu bytes, not zero at %zu", size, at);
  take(&places[slot], p, size);
}

static void put_aligned(unsigned slot, size_t alignment, size_t size) {
  void *p = NULL;
  errno = 0;
  errno = hak_posix_memalign(&p, alignment, size);
  if ((uintptr_t)p % alignment != 0) fault("alignment");
  take(&places[slot], p, size);
}

static void change(unsigned slot, size_t size) {
  struct place *place = &places[slot];
  if (place->start == NULL) return;
  check_prefix(place, place->start, place->size);
  errno = 0;
  unsigned char *moved = hak_realloc(place->start, size);
  if (refused(moved, errno)) {
    check_prefix(place, place->start, place->size);
    return;
  }
  check_prefix(place, moved, place->size < size ? place->size : size);
  place->start = moved;
  place->size = size;
  mark(place);
}

static void drop(unsigned slot) {
  struct place *place = &places[slot];
  if (place->start == NULL) return;
  check_prefix(place, place->start, place->size);
  errno = 71;
  hak_free(place->start);
  if (errno != 71) fault("free changed errno");
  place->start = NULL;
}

static void drop_all(void) {
  for (unsigned slot = 0; slot < SLOTS; slot++) drop(slot);
}

/* Every size once, the largest last; then all of them larger, smaller, gone. */
static void through_all_sizes(void) {
  unsigned slot = 0;
  for (size_t size = 1; size <= (size_t)8 << 20; size += size / 3 + 1) {
    put_plain(slot++, size);
    put_zeroed(slot++, size);
  }
  for (unsigned i = 0; i < slot; i++) change(i, places[i].size * 2 + 100);
  for (unsigned i = 0; i < slot; i += 2) change(i, places[i].size / 3 + 1);
  drop_all();
}

/* Enough of one size that SuperSlabs are opened, emptied in part and given back. */
static void fill_superslabs(size_t size, unsigned count) {
  for (unsigned i = 0; i < count; i++) put_plain(i, size);
  for (unsigned i = 0; i < count; i++)
    if (i % 16 != 0) drop(i);
  for (unsigned i = 0; i < count; i += 16) drop(i);
}

static void huge_ones(void) {
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < 12; i++) put_plain(i, (size_t)(2 + i) << 20);
    for (unsigned i = 0; i < 12; i++) change(i, (size_t)(5 + 2 * i) << 20);
    for (unsigned i = 0; i < 12; i += 3) change(i, (size_t)40 << 20);
    for (unsigned i = 1; i < 12; i += 3) change(i, 3000);
    for (unsigned i = 0; i < 12; i++) put_zeroed(20 + i, ((size_t)1 << 20) + 1 + i * 100000);
    drop_all();
  }
}

static void aligned_ones(void) {
  unsigned slot = 0;
  for (size_t alignment = 16; alignment <= (size_t)8 << 20; alignment *= 2) {
    put_aligned(slot++, alignment, 100);
    put_aligned(slot++, alignment, 70000);
    put_aligned(slot++, alignment, (size_t)2 << 20);
  }
  drop_all();
}

static void *in_thread(void *argument) {
  unsigned first = (unsigned)(uintptr_t)argument;
  for (unsigned i = first; i < first + 400; i++) put_plain(i, 16 + i * 7 % 3000);
  for (unsigned i = first; i < first + 400; i += 2) drop(i);
  return NULL;
}

/* Threads that leave blocks behind, freed by the main thread, their slabs adopted or given back. */
static void threads_come_and_go(void) {
  for (uintptr_t i = 0; i < 4; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_thread, (void *)(i * 400)) != 0) fault("no thread");
    pthread_join(thread, NULL);
  }
  drop_all();
}

unsigned long script_run(bool may_fail) {
  failures_allowed = may_fail;
  failures = 0;
  through_all_sizes();
  fill_superslabs(4000, 900);
  fill_superslabs(100000, 60);
  fill_superslabs(700000, 10);
  huge_ones();
  hak_trim(0);
  aligned_ones();
  threads_come_and_go();
  fill_superslabs(64, SLOTS);
  hak_trim(0);
  return failures;
}
