/* runpath_caller.c - a shared object with a RUNPATH of $ORIGIN/inner, which opens another by its bare name. */
#include <config.h>

#include <dlfcn.h>

#include "program.h"

int open_inner(void);

int open_inner(void) {
  void *inner = dlopen("runpath_inner.so", RTLD_NOW);
  if (inner == NULL) {
    say(dlerror());
    say("\n");
    return 0;
  }
  int *value = dlsym(inner, "inner_value");
  int result = value != NULL ? *value : 0;
  dlclose(inner);
  return result;
}
