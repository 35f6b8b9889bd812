/* spawn.c - children that share the memory, and so the thread's state: vfork, posix_spawn, clone(CLONE_VM). */
#include <config.h>

#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

#include "program.h"

extern char **environ;

static struct workload load = { .state = 11 };
static unsigned char *from_child[100];

static int allocate_in_clone(void *argument) {
  for (unsigned i = 0; i < 100; i++) {
    from_child[i] = get(100 + i * 50);
    REQUIRE(from_child[i] != NULL);
    mark(from_child[i], 100, (unsigned char)i);
  }
  free(argument);
  return 0;
}

static void wait_for(pid_t pid, int flags) {
  int status;
  REQUIRE(waitpid(pid, &status, flags) == pid && status == 0);
}

static void by_clone(unsigned char *stack, size_t size) {
  unsigned char *block = get(64);
  int pid = clone(allocate_in_clone, stack + size, CLONE_VM | CLONE_VFORK | SIGCHLD, block);
  REQUIRE(pid > 0);
  wait_for(pid, 0);
  for (unsigned i = 0; i < 100; i++) {
    REQUIRE(is_marked(from_child[i], 100, (unsigned char)i));
    free(from_child[i]);
  }
}

static void by_spawn(void) {
  char *arguments[] = { (char *)(uintptr_t) "true", NULL };
  pid_t pid;
  REQUIRE(posix_spawnp(&pid, "true", NULL, NULL, arguments, environ) == 0);
  wait_for(pid, 0);
}

static void by_vfork(void) {
  pid_t pid = vfork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    execlp("true", "true", (char *)NULL);
    _exit(9);
  }
  wait_for(pid, 0);
}

int main(void) {
  enum { STACK = 256 << 10 };
  unsigned char *stack = get(STACK);
  REQUIRE(stack != NULL);
  for (unsigned i = 0; i < 60; i++) {
    workload_run(&load, 100);
    by_clone(stack, STACK);
    by_spawn();
    by_vfork();
  }
  workload_end(&load);
  free(stack);
  return 0;
}
