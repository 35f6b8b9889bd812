/* runpath.c CALLER - glibc takes the caller of dlopen from its return address. */
#include <config.h>

#include <dlfcn.h>

#include "program.h"

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  void *caller = dlopen(argv[1], RTLD_NOW);
  REQUIRE(caller != NULL);
  int (*open_inner)(void);
  void *found = dlsym(caller, "open_inner");
  REQUIRE(found != NULL);
  memcpy(&open_inner, &found, sizeof found);
  REQUIRE(open_inner() == 4711);
  REQUIRE(dlopen("no-such-object.so", RTLD_NOW) == NULL && dlerror() != NULL);
  REQUIRE(dlopen(NULL, RTLD_NOW) != NULL);
  return 0;
}
