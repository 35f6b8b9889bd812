/* dlclose_module.c PRELOAD MODULE - objects that come and go leave the heap alone. */
#include <config.h>

#include <dlfcn.h>

#include "program.h"

int main(int argc, char **argv) {
  REQUIRE(argc == 3);
  struct workload load = { .state = 81 };
  workload_run(&load, 300);
  /* The interposer stays, however often it is closed. */
  for (unsigned i = 0; i < 3; i++) {
    void *handle = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
    if (handle == NULL) break;
    dlclose(handle);
    dlclose(handle);
    workload_run(&load, 300);
  }
  for (unsigned i = 0; i < 50; i++) {
    void *module = dlopen(argv[2], RTLD_NOW);
    REQUIRE(module != NULL);
    char *(*copy)(const char *);
    void *found = dlsym(module, "module_copy");
    REQUIRE(found != NULL);
    memcpy(&copy, &found, sizeof found);
    char *text = copy("outlives the module");
    REQUIRE(dlclose(module) == 0);
    REQUIRE(strcmp(text, "outlives the module") == 0);
    free(text);
    workload_run(&load, 50);
  }
  workload_end(&load);
  return 0;
}
