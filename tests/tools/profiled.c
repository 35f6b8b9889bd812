/* profiled.c - programs whose profiles are known, or that make it hard to take one. Arguments: MODE [FILE]. */
#include <config.h>
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { KEPT = 1000, FREED = 3000, SIZE = 4000 };

static void *kept[KEPT];

__attribute__((noinline)) static void keep_some(void)
{
  for (int i = 0; i < KEPT; i++)
    *(volatile char *)(kept[i] = malloc(SIZE)) = 1;
}

__attribute__((noinline)) static void let_go(void)
{
  for (int i = 0; i < FREED; i++) {
    volatile char *block = malloc(SIZE);
    *block = 1;
    free((void *)block);
  }
}

static int keep(const char *unused)
{
  (void)unused;
  keep_some();
  let_go();
  printf("kept");   /* not flushed here */
  return 0;
}

static int fail(const char *what)
{
  fprintf(stderr, "profiled: %s\n", what);
  return 1;
}

/* ---- signals */

/* The profile that a signal has written, under another name, before there is one of the end. */
static int by_signal(const char *file)
{
  char first[4096];
  keep_some();
  raise(SIGUSR2);
  snprintf(first, sizeof first, "%s.first", file);
  return rename(file, first) == 0 ? 0 : fail("no profile by a signal");
}

/* One in folded stacks is written with the next sample. */
static int by_signal_later(const char *file)
{
  char first[4096];
  keep_some();
  raise(SIGUSR2);
  if (access(file, F_OK) == 0)
    return fail("the handler has asked for names");
  let_go();
  snprintf(first, sizeof first, "%s.first", file);
  return rename(file, first) == 0 ? 0 : fail("no profile by a signal");
}

static void on_alarm(int number)
{
  (void)number;
  let_go();
}

/* Samples are taken on a stack of its own. */
static int altstack(const char *unused)
{
  (void)unused;
  static char stack[256 << 10];
  stack_t with = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK};
  if (sigaltstack(&with, NULL) != 0 || sigaction(SIGUSR1, &action, NULL) != 0)
    return fail("no stack for signals");
  for (int i = 0; i < 20; i++)
    raise(SIGUSR1);
  return 0;
}

static int done;   /* atomic */
static pthread_t main_thread;

static void *disturb(void *unused)
{
  for (int i = 0; i < 300 && !__atomic_load_n(&done, __ATOMIC_ACQUIRE); i++) {
    pthread_kill(main_thread, SIGUSR2);
    usleep(300);
  }
  return unused;
}

/* Profiles are asked for while samples are taken. */
static int interrupted(const char *unused)
{
  (void)unused;
  pthread_t thread;
  main_thread = pthread_self();
  if (pthread_create(&thread, NULL, disturb, NULL) != 0)
    return fail("no thread");
  for (int i = 0; i < 30; i++)
    let_go();
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  return 0;
}

/* Profiles are asked for while the program does nothing, and a handler that allocates interrupts their writing. */
static void *ask_and_disturb(void *unused)
{
  for (int i = 0; i < 2000; i++) {
    pthread_kill(main_thread, SIGUSR2);
    pthread_kill(main_thread, SIGUSR1);
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  return unused;
}

static void on_user_signal(int number)
{
  (void)number;
  free(malloc(SIZE));
}

static int handlers(const char *unused)
{
  (void)unused;
  pthread_t thread;
  struct sigaction action = {.sa_handler = on_user_signal};
  keep_some();
  main_thread = pthread_self();
  if (sigaction(SIGUSR1, &action, NULL) != 0 || pthread_create(&thread, NULL, ask_and_disturb, NULL) != 0)
    return fail("no handler, or no thread");
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
    ;
  pthread_join(thread, NULL);
  return 0;
}

/* ---- threads and processes */

static void *work(void *argument)
{
  void **slot = argument;
  free(*slot);   /* of a thread that is gone */
  for (int i = 0; i < 500; i++)
    free(malloc((size_t)(i * 37 % 5000 + 1)));
  *slot = malloc(SIZE);
  return NULL;
}

static int threads(const char *unused)
{
  (void)unused;
  for (int round = 0; round < 40; round++) {
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
      if (pthread_create(&thread[i], NULL, work, &kept[i]) != 0)
        return fail("no thread");
    for (int i = 0; i < 8; i++)
      pthread_join(thread[i], NULL);
  }
  return 0;
}

static void *write_profiles(void *unused)
{
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
    kill(getpid(), SIGUSR2);
  return unused;
}

/* Children, while a profile is being written. */
static int forks(const char *unused)
{
  (void)unused;
  pthread_t thread;
  keep_some();
  if (pthread_create(&thread, NULL, write_profiles, NULL) != 0)
    return fail("no thread");
  for (int i = 0; i < 60; i++) {
    pid_t child = fork();
    if (child == 0) {
      let_go();
      raise(SIGUSR2);
      _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
      return fail("a child did not end well");
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  return 0;
}

static int execs(const char *unused)
{
  (void)unused;
  pthread_t thread;
  keep_some();
  if (pthread_create(&thread, NULL, write_profiles, NULL) != 0)
    return fail("no thread");
  usleep(20000);
  signal(SIGUSR2, SIG_IGN);   /* one that is on its way would end the new program before it has begun */
  execl("/proc/self/exe", "profiled", "keep", (char *)NULL);
  return fail("no exec");
}

/* ---- callers */

/* Code without a name, tables, or frame: calls its argument. */
#if defined __x86_64__
static const unsigned char code[] = {0x55, 0xff, 0xd7, 0x5d, 0xc3};   /* push %rbp; call *%rdi; pop %rbp; ret */
#else
static const unsigned char code[1];
#endif

static int has_jit(const char *unused)
{
  (void)unused;
  puts(sizeof code > 1 ? "yes" : "no");
  return 0;
}

/* A stack without such code, that reaches further: frame pointers are followed on what is known to be stack only. */
__attribute__((noinline)) static void keep_deeper(void)
{
  volatile char room[1024];
  room[0] = 0;
  keep_some();
  room[1] = room[0];
}

static int jit(const char *unused)
{
  (void)unused;
  void *room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED)
    return fail("no mapping");
  memcpy(room, code, sizeof code);
  if (mprotect(room, 4096, PROT_READ | PROT_EXEC) != 0 || sizeof code == 1) {
    let_go();
    return 0;
  }
  void (*call)(void (*)(void));
  memcpy(&call, &room, sizeof call);
  keep_deeper();
  call(let_go);
  munmap(room, 4096);   /* and what it returned to is gone when the profile is written */
  return 0;
}

static int dlcloses(const char *module)
{
  for (int i = 0; i < 20; i++) {
    void *handle = dlopen(module, RTLD_NOW);
    void *found = handle != NULL ? dlsym(handle, "module_copy") : NULL;
    if (found == NULL)
      return fail(dlerror());
    char *(*copy)(const char *);
    memcpy(&copy, &found, sizeof copy);
    kept[i] = copy("asked for by code that is gone");
    dlclose(handle);
  }
  return 0;
}

__attribute__((noinline)) static unsigned deep(unsigned depth)
{
  if (depth == 0) {
    let_go();
    return 0;
  }
  return deep(depth - 1) + 1;
}

static int recursion(const char *unused)
{
  (void)unused;
  return deep(20000) == 20000 ? 0 : 1;
}

/* ---- coroutines */

#ifdef __GLIBC__
static ucontext_t caller, coroutine;
static uintptr_t leaf_place;

/* With its frame at that place, whatever stack that is on. */
static void at_place(void)
{
  char *room = alloca((uintptr_t)__builtin_frame_address(0) - leaf_place);
  *(volatile char *)room = 0;
  let_go();
  *(volatile char *)room = 1;
}

/* A stack below the variables of the first thread ends, and the next one has the same calls at the same places but
   less behind them: what is remembered of the first one is not to be read. */
static int coroutines(const char *unused)
{
  enum { STACK = 64 << 10, LESS = 8 << 10, DEEP = 32 << 10 };
  (void)unused;
  char *place = mmap(NULL, STACK, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED)
    return fail("no mapping");
  munmap(place, STACK);
  leaf_place = (uintptr_t)place + STACK - DEEP;
  for (int less = 0; less <= LESS; less += LESS) {
    char *stack = mmap(place - less, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
      return fail("no stack");
    getcontext(&coroutine);
    coroutine.uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK};
    coroutine.uc_link = &caller;
    makecontext(&coroutine, stack == place - less ? at_place : let_go, 0);
    swapcontext(&caller, &coroutine);
    munmap(stack, STACK);
  }
  return 0;
}
#else
/* The C library has none. */
static int coroutines(const char *unused) { return unused == NULL; }
#endif

/* ---- many callers */

/* Two calls of itself: as many different stacks as there are ways to the bottom. */
__attribute__((noinline)) static unsigned branch(unsigned depth)
{
  if (depth == 0) {
    void *block = malloc(100);
    *(volatile char *)block = 1;
    return block != NULL;
  }
  volatile unsigned leaves = branch(depth - 1);   /* two places that are returned to, no loop */
  leaves += branch(depth - 1);
  return leaves;
}

static int sites(const char *unused)
{
  (void)unused;
  return branch(15) == 1U << 15 ? 0 : 1;
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    int (*run)(const char *file);
  } modes[] = {
    {"keep", keep}, {"signal", by_signal}, {"signal-later", by_signal_later}, {"altstack", altstack}, {"interrupted", interrupted}, {"threads", threads},
    {"fork", forks}, {"exec", execs}, {"jit", jit}, {"has-jit", has_jit},
    {"dlclose", dlcloses}, {"recursion", recursion}, {"sites", sites},
    {"handlers", handlers}, {"coroutines", coroutines}
  };
  for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(argv[1], modes[i].name) == 0)
      return modes[i].run(argc > 2 ? argv[2] : NULL);
  return fail("no such mode");
}
