/* misuse.h - the frame of the programs that misuse a pointer on purpose.

   Each program defines misuse_pointer(); the frame makes the bad call with what it returns
   and then looks whether the heap is still whole. See misuse.c for the arguments. */
#ifndef HAKMEM_TESTS_MISUSE_H
#define HAKMEM_TESTS_MISUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The functions under test: the malloc family under the interposer, or the library's own.
   Through pointers, so that the compiler neither sees the misuse nor makes use of it. */
struct family {
  void *(*malloc)(size_t size);
  void (*free)(void *p);
  void *(*realloc)(void *p, size_t size);
  size_t (*usable_size)(void *p);
};
extern volatile struct family misuse;

/* Makes the pointer to misuse. What it allocates besides is its own matter; errors end it by fail(). */
void *misuse_pointer(void);

/* A page, and memory without a C library in between. */
size_t page_size(void);
char *map_pages(size_t pages);

/* size bytes from the family, filled with a pattern; never NULL. */
char *block_of(size_t size);
/* The C library's own malloc, past the interposer. */
void *libc_malloc(size_t size);
void run_in_thread(void (*function)(void));
_Noreturn void fail(const char *why);

#endif
