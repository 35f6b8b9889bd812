/* deepbind.c MODULE - one process must have one malloc, RTLD_DEEPBIND or not.
   Prints whether the module's strings come from the program's malloc. */
#include <config.h>

#include <dlfcn.h>
#include <stdio.h>

#include "program.h"

static void find(void *library, const char *name, void *function) {
  void *found = dlsym(library, name);
  REQUIRE(found != NULL);
  memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  char *(*copy)(const char *);
  void (*release)(char *);
  void *(*malloc_address)(void);
  int (*owns)(const void *) = NULL;
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == NULL) {
    say(dlerror());
    return 3;
  }
  find(library, "module_copy", &copy);
  find(library, "module_free", &release);
  find(library, "module_malloc_address", &malloc_address);
  void *ours = dlsym(RTLD_DEFAULT, "hak_owns");
  memcpy(&owns, &ours, sizeof owns);
  for (unsigned i = 0; i < 500; i++) {
    char *theirs = copy("given by the module");
    char *mine = strdup("given by the program");
    REQUIRE(theirs != NULL && mine != NULL);
    if (i == 0) printf("module's block %s\n", owns == NULL ? "unknown" : owns(theirs) ? "ours" : "foreign");
    free(theirs);
    release(mine);
  }
  printf("one malloc: %s\n", malloc_address() == dlsym(RTLD_DEFAULT, "malloc") ? "yes" : "no");
  REQUIRE(dlclose(library) == 0);
  return 0;
}
