/* page_size.c - prints the size of a page, or with an argument that of a pointer. */
#include <config.h>

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
  (void)argv;
  printf("%ld\n", argc > 1 ? (long)sizeof(void *) : sysconf(_SC_PAGESIZE));
  return 0;
}
