/* measure.c - runs one command under one preloaded library and reports on descriptor 3 what it cost.

   A program of its own since the peak that the kernel counts for a child starts with what its parent
   had resident when it forked: under a Python interpreter that would be 10 MiB for everything. */
#include <config.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common.h"

enum { REPORT_FD = 3, CANNOT_RUN = 127 };

static const char usage[] =
  "usage: measure LIBRARY COMMAND [ARGUMENT ...] 3>REPORT\n"
  "  LIBRARY  to preload, or - for none\n";

static double seconds(struct timeval time)
{
  return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static _Noreturn void run(const char *library, char **command)
{
  if (strcmp(library, "-") == 0)
    unsetenv("LD_PRELOAD");
  else if (setenv("LD_PRELOAD", library, 1) != 0)
    _exit(CANNOT_RUN);
  close(REPORT_FD);
  execvp(command[0], command);
  fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
  _exit(CANNOT_RUN);
}

int main(int argc, char **argv)
{
  if (argc < 3)
    bench_usage(usage, NULL, NULL, NULL);
  double start = bench_now();
  pid_t child = fork();
  if (child == 0)
    run(argv[1], argv + 2);
  int status = 0;
  struct rusage used;
  if (child < 0 || wait4(child, &status, 0, &used) != child)
    bench_fail("cannot start or await the command");
  double wall = bench_now() - start;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  int written = dprintf(REPORT_FD, "wall=%.6f user=%.6f system=%.6f peak_kib=%ld status=%d\n", wall,
                        seconds(used.ru_utime), seconds(used.ru_stime), used.ru_maxrss, code);
  if (written < 0)
    bench_fail("cannot write the report to descriptor 3");
  return 0;
}
