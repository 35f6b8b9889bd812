/* grow.c [BLOCK_SIZE...] - allocates until there is no more: NULL with ENOMEM; then frees, and all works again.
   Needs a limit (RLIMIT_AS or RLIMIT_DATA), else it stops at 1 GiB and says so. */
#include <config.h>

#include <stdio.h>

#include "program.h"

struct link {
  struct link *next;
  size_t size;
};

static volatile size_t too_large = (size_t)PTRDIFF_MAX - 4096;   /* volatile: gcc would warn */

static size_t grow_by(size_t size, bool by_calloc) {
  struct link *chain = NULL;
  size_t total = 0, count = 0;
  while (total < ((size_t)1 << 30)) {
    errno = 0;
    struct link *link = opaque(by_calloc ? calloc(1, size) : malloc(size));
    if (link == NULL) {
      REQUIRE(errno == ENOMEM);
      break;
    }
    link->next = chain;
    link->size = size;
    ((unsigned char *)link)[size - 1] = 1;
    chain = link;
    total += size;
    count++;
  }
  if (total >= (size_t)1 << 30) fail_program("no limit is set");
  if (chain != NULL) {
    /* The refusal leaves the old block as it was. */
    struct link *same = opaque(chain);
    errno = 0;
    REQUIRE(opaque(realloc(chain, too_large)) == NULL && errno == ENOMEM && same->size == size);
  }
  size_t freed = 0;
  while (chain != NULL) {
    struct link *next = chain->next;
    REQUIRE(chain->size == size);
    free(chain);
    chain = next;
    freed++;
  }
  REQUIRE(freed == count);
  return total;
}

int main(int argc, char **argv) {
  static const size_t sizes[] = { 64, 1000, 3000, 20000, 100000, 700000, 3 << 20 };
  bool smaller_found = argc > 1;
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      size_t total = grow_by(sizes[i], round == 1);
      /* What one size gave back the next one gets: at least half of the limit, if it is said. */
      if (smaller_found && sizes[i] < 1 << 20) REQUIRE(total >= (size_t)atol(argv[1]));
    }
  }
  struct workload load = { .state = 51 };
  if (argc > 2) {
    workload_run(&load, (unsigned)atoi(argv[2]));
    workload_end(&load);
  }
  if (write(1, "grown\n", 6) != 6) return 4;
  return 0;
}
