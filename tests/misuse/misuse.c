/* misuse.c - the frame: prepares, makes one bad call, checks what is left.

     PROGRAM malloc|hak free|realloc|usable_size single|busy|thread

   malloc calls the malloc family (for the interposer), hak the library's own functions. busy: two
   other threads allocate all the while. thread: the bad call comes from another thread.
   The pointer and the process's number go to stdout before the call, then what it returned.
   The status is 0 when the call returned and the heap is whole, 1 when it is not, 2 for other errors.
   Nothing is printed through stdio, which would allocate. */
#include <config.h>

#include "misuse.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hakmem.h>

static size_t hak_usable(void *p) { return hak_usable_size(p); }

volatile struct family misuse;

enum { UNCHANGED_ERRNO = 4711 };

static void print(const char *text) {
  if (write(1, text, strlen(text)) < 0) _exit(2);
}

_Noreturn void fail(const char *why) {
  print(why);
  print("\n");
  _exit(2);
}

size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

char *map_pages(size_t pages) {
  void *p = mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) fail("mmap");
  return p;
}

char *block_of(size_t size) {
  char *p = misuse.malloc(size);
  if (p == NULL) fail("no memory");
  memset(p, 0x5a, size);
  return p;
}

/* The C library's malloc whatever is preloaded; where there is no such name (not glibc) nothing is. */
extern void *__libc_malloc(size_t size) __attribute__((weak));
void *libc_malloc(size_t size) { return __libc_malloc != NULL ? __libc_malloc(size) : malloc(size); }

static void *call_function(void *function) {
  (*(void (**)(void))function)();
  return NULL;
}

void run_in_thread(void (*function)(void)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, call_function, &function) != 0) fail("pthread_create");
  pthread_join(thread, NULL);
}

/* ---- is the heap whole? ---- */

enum { KEPT = 24, SIZES = 10 };
static const size_t sizes[SIZES] = { 16, 64, 256, 1000, 5000, 20000, 100000, 700000, 1300000, 3000000 };
static char *before[SIZES][KEPT], *after[SIZES][KEPT];

static void fill(char *p, size_t size, int mark) {
  for (size_t i = 0; i < size; i += size > 4096 ? 509 : 1) p[i] = (char)mark;
}
static bool is_filled(const char *p, size_t size, int mark) {
  for (size_t i = 0; i < size; i += size > 4096 ? 509 : 1)
    if (p[i] != (char)mark) return false;
  return true;
}

static int mark_of(size_t size_index, int number, bool late) {
  return 1 + (int)((size_index * KEPT + (size_t)number) * 2 + late) % 251;
}

static int count_of(size_t size) { return size > 500000 ? 3 : KEPT; }

static void allocate(char *blocks[SIZES][KEPT], bool late) {
  for (size_t s = 0; s < SIZES; s++)
    for (int i = 0; i < count_of(sizes[s]); i++) {
      blocks[s][i] = misuse.malloc(sizes[s]);
      if (blocks[s][i] == NULL) fail("no memory");
      fill(blocks[s][i], sizes[s], mark_of(s, i, late));
    }
}

static bool check_and_free(char *blocks[SIZES][KEPT], bool late) {
  bool whole = true;
  for (size_t s = 0; s < SIZES; s++)
    for (int i = 0; i < count_of(sizes[s]); i++) {
      whole = whole && is_filled(blocks[s][i], sizes[s], mark_of(s, i, late));
      whole = whole && misuse.usable_size(blocks[s][i]) >= sizes[s];
    }
  for (size_t s = 0; s < SIZES; s++)
    for (int i = 0; i < count_of(sizes[s]); i++) misuse.free(blocks[s][i]);
  return whole;
}

/* ---- other threads ---- */

static bool stop;   /* atomic */

static void *churn(void *unused) {
  unsigned seed = 1;
  void *block[64] = { NULL };
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    seed = seed * 1103515245 + 12345;
    unsigned k = seed >> 16 & 63;
    misuse.free(block[k]);
    block[k] = misuse.malloc((seed >> 20 & 1023) * 4);
  }
  for (int k = 0; k < 64; k++) misuse.free(block[k]);
  return unused;
}

/* ---- the bad call ---- */

static const char *the_call;
static void *the_pointer;

static void bad_call(void) {
  char line[96];
  snprintf(line, sizeof line, "0x%lx %d\n", (unsigned long)the_pointer, (int)getpid());
  print(line);
  errno = UNCHANGED_ERRNO;
  if (strcmp(the_call, "free") == 0) {
    misuse.free(the_pointer);
    print(errno == UNCHANGED_ERRNO ? "returned\n" : "errno was changed\n");
  } else if (strcmp(the_call, "realloc") == 0) {
    void *p = misuse.realloc(the_pointer, 100);
    print(p != NULL ? "a block\n" : errno == EINVAL ? "NULL EINVAL\n" : "NULL\n");
  } else {
    size_t size = misuse.usable_size(the_pointer);
    print(size != 0 ? "a size\n" : errno == UNCHANGED_ERRNO ? "0\n" : "errno was changed\n");
  }
}

static void choose_family(const char *name) {
  if (strcmp(name, "hak") == 0) {
    misuse.malloc = hak_malloc;
    misuse.free = hak_free;
    misuse.realloc = hak_realloc;
    misuse.usable_size = hak_usable;
  } else {
    misuse.malloc = malloc;
    misuse.free = free;
    misuse.realloc = realloc;
    misuse.usable_size = malloc_usable_size;
  }
}

int main(int argc, char **argv) {
  if (argc != 4) fail("usage: PROGRAM malloc|hak free|realloc|usable_size single|busy|thread");
  choose_family(argv[1]);
  the_call = argv[2];
  bool busy = strcmp(argv[3], "busy") == 0;
  pthread_t thread[2];
  for (int i = 0; busy && i < 2; i++)
    if (pthread_create(&thread[i], NULL, churn, NULL) != 0) fail("pthread_create");
  allocate(before, false);
  the_pointer = misuse_pointer();
  if (strcmp(argv[3], "thread") == 0) run_in_thread(bad_call);
  else bad_call();
  allocate(after, true);
  bool whole = check_and_free(before, false);
  whole = check_and_free(after, true) && whole;
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  for (int i = 0; busy && i < 2; i++) pthread_join(thread[i], NULL);
  print(whole ? "whole\n" : "blocks were overwritten\n");
  return whole ? 0 : 1;
}
