/* operator_new.c [LIBRARY] - a C program that runs out of memory in C++'s operator new, with the C++
   library LIBRARY loaded for itself only, as a plug-in's would be. */
#include <config.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

int main(int count, char **arguments) {
  if (count > 1 && dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) == NULL) {
    puts(dlerror());
    return 77;
  }
  void *(*operator_new)(size_t) =
    (void *(*)(size_t))dlsym(RTLD_DEFAULT, sizeof(size_t) == 8 ? "_Znwm" : "_Znwj");
  if (operator_new == NULL) return 77;
  printf("%d\n", operator_new(100) != NULL);
  fflush(stdout);
  operator_new(SIZE_MAX / 2 + 1000);
  return 0;
}
