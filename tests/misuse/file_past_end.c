/* file_past_end.c - a page of a file mapping past the file's end: reading it is SIGBUS. */
#include <config.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "misuse.h"

void *misuse_pointer(void) {
  FILE *file = tmpfile();
  if (file == NULL || ftruncate(fileno(file), 100) != 0) fail("tmpfile");
  char *p = mmap(NULL, 3 * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
  if (p == MAP_FAILED) fail("mmap");
  return p + page_size() + 64;
}
