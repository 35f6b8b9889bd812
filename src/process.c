/* process.c - start of the library, at the first call that needs it.

   No constructor: other objects' constructors allocate before ours could run. Nothing here calls a function
   that another preloaded object may have replaced by one that allocates: raw system calls, getauxval. */
#include <config.h>
#include <string.h>
#include <sys/auxv.h>
#include "ace.h"
#include "conf.h"
#include "constant.h"
#include "fork.h"
#include "huge.h"
#include "knobs.h"
#include "limit.h"
#include "message.h"
#include "options.h"
#include "os.h"
#include "process.h"
#include "profile_run.h"
#include "publish.h"
#include "registry.h"
#include "standard_error.h"
#include "thread.h"
#include "trace.h"

uint32_t process_state;
static uintptr_t starting_thread;  /* thread_id() of the one that starts */

extern char **environ;
/* Where the kernel put argc, argv and the environment; the C library's environ is empty until it has started. */
extern void *__libc_stack_end __attribute__((weak));

/* argc, then argv and its NULL, then the environment; NULL: not known. */
static long *find_stack(void) { return &__libc_stack_end == NULL ? NULL : __libc_stack_end; }

static char *const *find_environment(void) {
  if (environ != NULL) return environ;
  long *stack = find_stack();
  return stack == NULL ? NULL : (char *const *)(stack + 1 + stack[0] + 1);
}

/* A script: the kernel has put its interpreter, that one's argument and the path of the script in front of the
   arguments, once for each script that is another's interpreter. */
enum { SCRIPT_ARGUMENTS_MAX = 8 };

static struct conf_program find_program(void) {
  const char *path = (const char *)getauxval(AT_EXECFN);
  struct conf_program program = { path != NULL ? path : "", NULL };
  long *stack = find_stack();
  if (path == NULL || stack == NULL) return program;
  char *const *arguments = (char *const *)(stack + 1);
  for (long i = 1; i < stack[0] && i <= SCRIPT_ARGUMENTS_MAX; i++)
    if (strcmp(arguments[i], path) == 0) program.interpreter = arguments[0];
  return program;
}

static void read_options(bool secure) {
  const struct conf_program program = find_program();
  struct conf_file conf;
  if (secure) message_muted = true;
  conf_file_read(&conf, HAKMEM_CONF, secure);
  const struct options_file file = { HAKMEM_CONF, conf.text, conf.size, &program };
  options_init(find_environment(), conf.text != NULL ? &file : NULL, HAKMEM_INTERPOSER, secure);
  if (conf.problem != NULL)
    message_print(conf.restricted ? MESSAGE_INFO : MESSAGE_ERROR, "%s: %s", HAKMEM_CONF, conf.problem);
  conf_file_release(&conf);
}

static uintptr_t make_key(void) {
  const void *random = (const void *)getauxval(AT_RANDOM);   /* 16 bytes, at any alignment */
  uintptr_t word[2] = { (uintptr_t)&process_state, (uintptr_t)0x9e3779b9 };
  if (random != NULL) __builtin_memcpy(word, random, sizeof word);
  return (word[0] ^ word[1] << 7) | 1;   /* odd: the key word of a free block is never the plain address of one */
}

static enum process_state start_modules(void) {
  bool secure = getauxval(AT_SECURE) != 0;
  os_init();
  standard_error_init();
  read_options(secure);
  knobs_init();
  trace_init();
  size_class_init(option.wrap_tiny != 0, option.wrap_pool != 0, option.wrap_l25 != 0);
  if (option.force_libc_alloc) return PROCESS_LIBC;
  registry_init(make_key(), true);
  message_print(MESSAGE_INFO, "libhakmem %s: region of %zu MiB, pages of %zu bytes", PACKAGE_VERSION,
                (size_t)region_units * UNIT_SIZE / MIB, os_page_size);
  huge_reclaim = thread_reclaim;
  limit_relieve = thread_relieve;
  limit_init();
  ace_init();
  publish_start();
  return PROCESS_READY;
}

static enum process_state start(void) {
  enum process_state state = start_modules();
  constant_protect();
  return state;
}

enum process_state process_start(void) {
  enum process_state state = process_state_now();
  if (likely(state >= PROCESS_READY)) return state;
  uint32_t expected = PROCESS_NEW;
  if (__atomic_compare_exchange_n(&process_state, &expected, PROCESS_STARTING, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
    __atomic_store_n(&starting_thread, thread_id(), __ATOMIC_RELAXED);
    state = start();
    /* Before any other thread can take a lock. Where there are many handlers already it has to allocate, and cannot yet. */
    bool registered = fork_register();
    __atomic_store_n(&process_state, (uint32_t)state, __ATOMIC_RELEASE);
    if (!registered) fork_register();
    if (state == PROCESS_READY) profile_begin();
    return state;
  }
  if (__atomic_load_n(&starting_thread, __ATOMIC_RELAXED) == thread_id()) return process_state_now();
  while ((state = process_state_now()) < PROCESS_READY) os_yield();
  return state;
}
