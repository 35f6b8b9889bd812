/* signal_handler.c - a handler that allocates, interrupting code outside the allocator, which is
   all that is promised: the program blocks the signal while it is inside. */
#include <config.h>

#include <signal.h>
#include <sys/time.h>

#include "program.h"

static volatile sig_atomic_t handled;
static struct workload in_handler = { .state = 31 };

static void handler(int number) {
  (void)number;
  workload_run(&in_handler, 25);
  handled++;
}

int main(void) {
  struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
  REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval every = { { 0, 500 }, { 0, 500 } };
  REQUIRE(setitimer(ITIMER_REAL, &every, NULL) == 0);
  sigset_t alarm_set;
  sigemptyset(&alarm_set);
  sigaddset(&alarm_set, SIGALRM);
  struct workload load = { .state = 32 };
  volatile unsigned long sum = 0;
  while (handled < 1500) {
    for (unsigned i = 0; i < 20000; i++) sum += i * sum;
    REQUIRE(sigprocmask(SIG_BLOCK, &alarm_set, NULL) == 0);
    workload_run(&load, 25);
    REQUIRE(sigprocmask(SIG_UNBLOCK, &alarm_set, NULL) == 0);
  }
  REQUIRE(sigprocmask(SIG_BLOCK, &alarm_set, NULL) == 0);
  workload_end(&in_handler);
  workload_end(&load);
  return 0;
}
