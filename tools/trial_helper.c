/* trial_helper.c - hakmemctl-trial: what hakmemctl runs, dynamically linked, in a trial.

   hakmemctl-trial whose     prints the path of the object that malloc comes from
   hakmemctl-trial sandbox   allocates under a seccomp filter that kills on what no allocator needs */
#include <config.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HELPER_USAGE = 2, HELPER_SKIPPED = 77, SLOTS = 512, ROUNDS = 20000, FILL = 0x5a };

static int whose(void)
{
  Dl_info found;
  void *function = dlsym(RTLD_DEFAULT, "malloc");
  if (function == NULL || dladdr(function, &found) == 0)
    return EXIT_FAILURE;
  return puts(found.dli_fname) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Sorted by nothing: all that memory is asked for with, and the way out. */
static const unsigned short allowed[] = {
  SYS_brk, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex, SYS_exit_group, SYS_write,
#ifdef SYS_mmap2
  SYS_mmap2,
#endif
#ifdef SYS_mmap
  SYS_mmap,
#endif
#ifdef SYS_futex_time64
  SYS_futex_time64,
#endif
#ifdef SYS_clock_gettime64
  SYS_clock_gettime64,
#endif
  SYS_clock_gettime
};
enum { ALLOWED = sizeof allowed / sizeof allowed[0] };

static bool enter_sandbox(void)
{
  struct sock_filter program[2 * ALLOWED + 2];
  unsigned short length = 0;
  program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
  for (int i = 0; i < ALLOWED; i++) {
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  struct sock_fprog filter = {length, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Sizes of all kinds, from some bytes to some MiB, the small ones most often. */
static size_t next_size(unsigned *random)
{
  *random = *random * 1103515245u + 12345u;
  unsigned bits = *random >> 8;
  unsigned order = (*random >> 28) < 12 ? 9 : (*random >> 28) < 15 ? 14 : 21;
  return bits & ((1u << order) - 1);
}

/* Blocks come and go; each has at both ends what was written there. */
static bool exercise(void)
{
  static unsigned char *slots[SLOTS];
  static size_t sizes[SLOTS];
  unsigned random = 1;
  for (int i = 0; i < ROUNDS; i++) {
    int slot = i * 7 % SLOTS;
    size_t size = next_size(&random) + 1;
    if (slots[slot] != NULL && (slots[slot][0] != FILL || slots[slot][sizes[slot] - 1] != FILL))
      return false;
    if (i % 3 == 0) {
      free(slots[slot]);
      slots[slot] = NULL;
    }
    slots[slot] = realloc(slots[slot], size);
    if (slots[slot] == NULL)
      return false;
    sizes[slot] = size;
    slots[slot][0] = slots[slot][size - 1] = FILL;
  }
  for (int i = 0; i < SLOTS; i++)
    free(slots[i]);
  return true;
}

static _Noreturn void sandbox(void)
{
  /* The first call before the filter, as in a daemon that starts and then locks itself in. Volatile: the
     compiler may leave out what is only allocated and freed. */
  void *volatile first = malloc(1);
  free(first);
  if (!enter_sandbox())
    _exit(HELPER_SKIPPED);
  bool good = exercise();
  static const char done[] = "done\n";
  bool said = write(STDOUT_FILENO, done, sizeof done - 1) == sizeof done - 1;
  _exit(good && said ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "whose") == 0)
    return whose();
  if (argc == 2 && strcmp(argv[1], "sandbox") == 0)
    sandbox();
  fputs("usage: hakmemctl-trial whose | sandbox\n", stderr);
  return HELPER_USAGE;
}
