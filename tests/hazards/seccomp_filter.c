/* seccomp_filter.c MODE - allocates under a seccomp filter.

   early:  the filter is set after one malloc; every call outside it kills.
   late:   the same, set after some growth and with free memory in every cache.
   threads: the same, set while a second thread allocates (no thread is made afterwards).
   refuse CALL ERRNO: the call, by name, fails with the errno; malloc may fail, nothing else may. */
#include <config.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "program.h"

#ifdef SECCOMP_RET_KILL_PROCESS
#define KILL SECCOMP_RET_KILL_PROCESS
#else
#define KILL SECCOMP_RET_KILL
#endif

static const int allowed[] = {
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex,
  SYS_exit, SYS_exit_group, SYS_write, SYS_read,
#ifdef SYS_mmap2
  SYS_mmap2,
#endif
};
enum { ALLOWED_COUNT = sizeof allowed / sizeof *allowed };

static void install(const struct sock_filter *program, size_t count) {
  struct sock_fprog filter = { .len = (unsigned short)count, .filter = (struct sock_filter *)(uintptr_t)program };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) skip_program("no_new_privs cannot be set");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
    skip_program("the kernel takes no seccomp filter");
}

static struct sock_filter statement(unsigned code, unsigned value) {
  return (struct sock_filter){ (unsigned short)code, 0, 0, value };
}

static void kill_on_anything_else(void) {
  struct sock_filter program[2 * ALLOWED_COUNT + 2];
  size_t count = 0;
  program[count++] = statement(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < ALLOWED_COUNT; i++) {
    program[count++] = (struct sock_filter){ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)allowed[i] };
    program[count++] = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  program[count++] = statement(BPF_RET | BPF_K, KILL);
  install(program, count);
}

static void refuse(int call, int error) {
  const struct sock_filter program[] = {
    { BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr) },
    { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)call },
    { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA) },
    { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
  };
  install(program, sizeof program / sizeof *program);
}

static struct workload load;

static void finish(const char *text) {
  if (write(1, text, strlen(text)) < 0) _exit(4);
  _exit(0);
}

/* Under a refusal: NULL with ENOMEM is an answer, a crash or another errno is not. */
static void use_what_there_is(void) {
  enum { COUNT = 4000 };
  static unsigned char *block[COUNT];
  static size_t size[COUNT];
  uint32_t state = 3;
  for (unsigned round = 0; round < 4; round++) {
    for (unsigned i = 0; i < COUNT; i++) {
      size[i] = random_size(&state);
      errno = 0;
      block[i] = get(size[i]);
      REQUIRE(block[i] != NULL || errno == ENOMEM);
      if (block[i] != NULL) mark(block[i], size[i], (unsigned char)i);
    }
    for (unsigned i = 0; i < COUNT; i++) {
      if (block[i] == NULL) continue;
      REQUIRE(is_marked(block[i], size[i], (unsigned char)i));
      if (i % 3 == 0) {
        errno = 0;
        unsigned char *moved = opaque(realloc(block[i], size[i] * 2 + 1));
        REQUIRE(moved != NULL || errno == ENOMEM);
        if (moved != NULL) block[i] = moved;
        REQUIRE(size[i] == 0 || block[i][0] == (unsigned char)i);
      }
      errno = 5;
      free(block[i]);
      REQUIRE(errno == 5);
    }
  }
}

static volatile bool go;
static volatile bool ready;

static void *second_thread(void *unused) {
  static struct workload mine = { .state = 99 };
  workload_run(&mine, 100);
  ready = true;
  while (!go) {}
  workload_run(&mine, 4000);
  workload_end(&mine);
  go = false;
  syscall(SYS_exit, 0);
  return unused;
}

static int call_number(const char *name) {
  if (strcmp(name, "munmap") == 0) return SYS_munmap;
  if (strcmp(name, "mremap") == 0) return SYS_mremap;
  if (strcmp(name, "mprotect") == 0) return SYS_mprotect;
  if (strcmp(name, "madvise") == 0) return SYS_madvise;
  if (strcmp(name, "futex") == 0) return SYS_futex;
  if (strcmp(name, "brk") == 0) return SYS_brk;
#ifdef SYS_mmap2
  if (strcmp(name, "mmap") == 0) return SYS_mmap2;
#else
  if (strcmp(name, "mmap") == 0) return SYS_mmap;
#endif
  fail_program("unknown call");
}

int main(int argc, char **argv) {
  REQUIRE(argc >= 2);
  load.state = 7;
  REQUIRE(get(1) != NULL);
  if (strcmp(argv[1], "early") == 0) {
    kill_on_anything_else();
  } else if (strcmp(argv[1], "late") == 0) {
    workload_run(&load, 3000);
    workload_end(&load);
    kill_on_anything_else();
  } else if (strcmp(argv[1], "threads") == 0) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, second_thread, NULL) == 0);
    while (!ready) {}
    kill_on_anything_else();
    go = true;
    workload_run(&load, 4000);
    while (go) {}
  } else {
    REQUIRE(strcmp(argv[1], "refuse") == 0 && argc == 4);
    refuse(call_number(argv[2]), strcmp(argv[3], "ENOSYS") == 0 ? ENOSYS : EPERM);
    use_what_there_is();
    finish("survived\n");
  }
  workload_run(&load, 6000);
  workload_end(&load);
  finish("survived\n");
}
