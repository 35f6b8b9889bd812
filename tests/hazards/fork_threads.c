/* fork_threads.c FORKS - threads allocate while one forks and the children allocate.

   A lock that a child inherits taken hangs it, hence the alarm in each child. */
#include <config.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "program.h"

enum { THREADS = 2, SHARED = 64, LIMIT = 50000 /* copying page tables is not the test */ };
static bool stop;
/* Blocks that one thread makes and any other frees, the children too. */
static unsigned char *shared[SHARED];

static void exchange_one(uint32_t *state) {
  size_t size = 16 + next_random(state) % 3000;
  unsigned char *mine = get(size);
  REQUIRE(mine != NULL);
  mark(mine, 16, 77);
  unsigned char *other = __atomic_exchange_n(&shared[next_random(state) % SHARED], mine, __ATOMIC_ACQ_REL);
  REQUIRE(other == NULL || is_marked(other, 16, 77));
  free(other);
}

static void *allocate(void *argument) {
  uint32_t state = (uint32_t)(uintptr_t)argument;
  struct workload load = { .state = state * 31 + 1, .size_limit = LIMIT };
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    workload_run(&load, 50);
    for (unsigned i = 0; i < 50; i++) exchange_one(&state);
    if (next_random(&state) % 16 == 0) workload_end(&load);
  }
  workload_end(&load);
  return NULL;
}

static void *short_thread(void *argument) {
  struct workload load = { .state = 5 };
  workload_run(&load, 40);
  workload_end(&load);
  return argument;
}

static _Noreturn void child(unsigned number) {
  alarm(20);
  struct workload load = { .state = number, .size_limit = number % 8 == 0 ? 0 : LIMIT };
  uint32_t state = number * 17 + 3;
  workload_run(&load, 60);
  for (unsigned i = 0; i < 40; i++) exchange_one(&state);
  if (number % 16 == 0) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, short_thread, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
  }
  if (number % 64 == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      alarm(20);
      workload_run(&load, 60);
      _exit(0);
    }
    int status;
    REQUIRE(waitpid(grandchild, &status, 0) == grandchild && status == 0);
  }
  workload_end(&load);
  _exit(0);
}

int main(int argc, char **argv) {
  unsigned forks = argc > 1 ? (unsigned)atoi(argv[1]) : 2000;
  pthread_t thread[THREADS];
  struct workload load = { .state = 1, .size_limit = LIMIT };
  for (uintptr_t i = 0; i < THREADS; i++)
    REQUIRE(pthread_create(&thread[i], NULL, allocate, (void *)(i + 1)) == 0);
  for (unsigned i = 0; i < forks; i++) {
    workload_run(&load, 20);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) child(i);
    int status;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    REQUIRE(!(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM));
    REQUIRE(status == 0);
  }
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  for (unsigned i = 0; i < THREADS; i++) REQUIRE(pthread_join(thread[i], NULL) == 0);
  workload_end(&load);
  for (unsigned i = 0; i < SHARED; i++) free(shared[i]);
  return 0;
}
