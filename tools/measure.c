/* measure.c - one run of a program, and what it cost.

   The peak that the kernel counts for a child starts with what its parent had when it forked: hakmemctl has
   less than any program that is linked dynamically. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "environment.h"
#include "hakmemctl.h"
#include "measure.h"

static double now(void)
{
  struct timespec time = {0, 0};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time)
{
  return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* In the child; an error of exec goes to the parent. */
static _Noreturn void start(const struct measure_setup *setup, FILE *output, int report)
{
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool good = nothing >= 0 && dup2(output != NULL ? fileno(output) : nothing, STDOUT_FILENO) >= 0;
  if (setup->input < 0)
    good = good && dup2(nothing, STDIN_FILENO) >= 0;
  else
    good = good && lseek(STDIN_FILENO, setup->input, SEEK_SET) == setup->input;
  if (setup->library != NULL)
    environment_preload(setup->library);
  if (setup->force_libc)
    environment_set_option("FORCE_LIBC_ALLOC=1");
  if (good)
    execvp(setup->program[0], setup->program);
  int error = errno;
  if (write(report, &error, sizeof error) != (ssize_t)sizeof error)
    abort();
  _exit(TOOL_NOT_FOUND);
}

bool measure_run(const struct measure_setup *setup, FILE *output, struct measure *result)
{
  int report[2], error = 0;
  if (pipe2(report, O_CLOEXEC) != 0) {
    tool_error("cannot start a program: %s", strerror(errno));
    return false;
  }
  double begin = now();
  pid_t child = fork();
  if (child == 0)
    start(setup, output, report[1]);
  close(report[1]);
  struct rusage used;
  bool ended = child > 0 && wait4(child, &result->status, 0, &used) == child;
  double end = now();
  if (!ended)
    error = errno;
  else if (read(report[0], &error, sizeof error) <= 0)
    error = 0;
  close(report[0]);
  if (error != 0) {
    tool_error("cannot run %s: %s", setup->program[0], strerror(error));
    return false;
  }
  result->cost[MEASURE_WALL] = end - begin;
  result->cost[MEASURE_CPU] = seconds(used.ru_utime) + seconds(used.ru_stime);
  result->cost[MEASURE_PEAK] = (double)used.ru_maxrss;
  result->cost[MEASURE_FAULTS] = (double)(used.ru_minflt + used.ru_majflt);
  return true;
}
