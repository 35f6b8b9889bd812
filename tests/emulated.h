/* emulated.h - is this program run by an emulator of another machine (QEMU)? Then the kernel sees the emulator:
   what memory is resident, which limits hold, what a bad advice is answered and what is printed at an abort is
   the emulator's. */
#ifndef HAKMEM_TESTS_EMULATED_H
#define HAKMEM_TESTS_EMULATED_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An emulator gives its program's name for the program's own link, not for that of a child. */
static inline bool is_emulated(void) {
  char path[64], mine[512], childs[512];
  pid_t child = fork();
  if (child < 0) return false;
  if (child == 0)
    for (;;) pause();
  snprintf(path, sizeof path, "/proc/%d/exe", (int)child);
  ssize_t length = readlink(path, childs, sizeof childs), own = readlink("/proc/self/exe", mine, sizeof mine);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return length > 0 && own > 0 && (length != own || memcmp(mine, childs, (size_t)own) != 0);
}

#endif
