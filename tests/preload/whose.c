/* whose.c NAME... - prints the file that each function comes from. */
#include <config.h>

#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **names) {
  for (int i = 1; i < count; i++) {
    Dl_info info;
    void *function = dlsym(RTLD_DEFAULT, names[i]);
    if (function == NULL) {
      printf("%s nowhere\n", names[i]);
    } else if (dladdr(function, &info) == 0) {
      printf("%s unknown\n", names[i]);
    } else {
      printf("%s %s\n", names[i], info.dli_fname);
    }
  }
  return 0;
}
