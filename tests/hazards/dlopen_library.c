/* dlopen_library.c LIBRARY - loads and unloads libhakmem at run time, with threads that were there before. */
#include <config.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "program.h"

static void *(*hak_malloc)(size_t);
static void (*hak_free)(void *);
static volatile int loaded;

static void *use(void *argument) {
  while (!__atomic_load_n(&loaded, __ATOMIC_ACQUIRE)) {}
  for (unsigned i = 0; i < 20000; i++) {
    unsigned char *block = hak_malloc(1 + i % 3000);
    REQUIRE(block != NULL);
    mark(block, 1 + i % 3000, 1);
    hak_free(block);
  }
  return argument;
}

/* dlsym returns a data pointer. */
static void find(void *library, const char *name, void *function) {
  void *found = dlsym(library, name);
  REQUIRE(found != NULL);
  memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  pthread_t thread[3];
  for (unsigned i = 0; i < 3; i++) REQUIRE(pthread_create(&thread[i], NULL, use, NULL) == 0);
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    say(dlerror());
    return 3;
  }
  find(library, "hak_malloc", &hak_malloc);
  find(library, "hak_free", &hak_free);
  unsigned char *kept = hak_malloc(1000);
  REQUIRE(kept != NULL);
  mark(kept, 1000, 3);
  __atomic_store_n(&loaded, 1, __ATOMIC_RELEASE);
  for (unsigned i = 0; i < 3; i++) REQUIRE(pthread_join(thread[i], NULL) == 0);
  REQUIRE(is_marked(kept, 1000, 3));
  hak_free(kept);
  /* The handlers of fork and of the threads' ends must not point into nothing afterwards. */
  REQUIRE(dlclose(library) == 0);
  __atomic_store_n(&loaded, 0, __ATOMIC_RELEASE);
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != NULL);
  find(library, "hak_malloc", &hak_malloc);
  find(library, "hak_free", &hak_free);
  hak_free(hak_malloc(77));
  REQUIRE(dlclose(library) == 0);
  pid_t child = fork();
  if (child == 0) _exit(0);
  REQUIRE(child > 0);
  if (write(1, "loaded twice\n", 13) < 0) return 4;
  return 0;
}
