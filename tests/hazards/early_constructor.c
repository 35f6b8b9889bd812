/* early_constructor.c - a shared object whose constructor runs before the interposer's could.

   It allocates a lot, then changes the environment, and lets the memory that the old environment
   lay in be reused: what the library read must have been copied. */
#include <config.h>

#include "program.h"

extern char **environ;

enum { EARLY = 1500 };
static unsigned char *early[EARLY];
static unsigned early_count;

__attribute__((constructor(101))) static void construct(void) {
  for (unsigned i = 0; i < EARLY; i++) {
    early[i] = get(1 + i * 13);
    REQUIRE(early[i] != NULL);
    mark(early[i], 1 + i * 13, (unsigned char)i);
    early_count++;
  }
  if (getenv("EARLY_CHANGES") == NULL) return;
  REQUIRE(setenv("HAKMEM_STATS", "0", 1) == 0);
  REQUIRE(setenv("HAKMEM_LOG_FILE", "/nonexistent/never-opened", 1) == 0);
  REQUIRE(setenv("HAKMEM_NO_SUCH_OPTION", "1", 1) == 0);
  /* The strings of the kernel's own block are overwritten where they lie. */
  for (char **place = environ; *place != NULL; place++)
    if (strncmp(*place, "PATH=", 5) != 0) memset(*place, 'x', strlen(*place));
  clearenv();
}

__attribute__((destructor(101))) static void destruct(void) {
  REQUIRE(early_count == EARLY);
  for (unsigned i = 0; i < EARLY; i++) {
    REQUIRE(is_marked(early[i], 1 + i * 13, (unsigned char)i));
    free(early[i]);
  }
}
