/* secure_helper.c - says whether the process is a secure one (AT_SECURE) and whose malloc it has. */
#include <config.h>

#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>

#include "program.h"

int main(void) {
  struct workload load = { .state = 71 };
  workload_run(&load, 500);
  workload_end(&load);
  int (*owns)(const void *) = (int (*)(const void *))dlsym(RTLD_DEFAULT, "hak_owns");
  void *block = get(50);
  printf("secure=%lu ours=%d\n", getauxval(AT_SECURE), owns != NULL && owns(block));
  free(block);
  return 0;
}
