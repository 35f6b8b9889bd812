/* profile_run.c - profiling as the options have it. */
#include <config.h>
#include "profile_run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "message.h"
#include "options.h"
#include "os.h"
#include "process.h"
#include "profile.h"
#include "profile_file.h"
#include "profile_write.h"
#include "trace.h"

static const int signal_numbers[] = { 0, SIGHUP, SIGUSR1, SIGUSR2, SIGPROF, SIGURG, SIGWINCH };   /* by enum profile_signal */
/* Atomic: the process whose handler had to leave it to a slow path. A child has it from its parent, and was not asked. */
static int dump_pending;

/* 0, EAGAIN unless it waits, or what a line has been printed about. */
static int dump(const char *path, enum profile_wait wait) {
  char expanded[OPTION_PATH_MAX];
  if (path == NULL) {
    if (option_profile_file[0] == '\0') return EINVAL;
    path = trace_expand(expanded, option_profile_file) ? expanded : NULL;
  }
  if (path == NULL || strlen(path) >= OPTION_PATH_MAX) {
    message_print(MESSAGE_ERROR, "no profile is written: the name of its file is too long");
    return ENAMETOOLONG;
  }
  int error = profile_write(path, wait);
  if (error == 0) message_print(MESSAGE_INFO, "profile written to %s", path);
  else if (error != EAGAIN || wait == PROFILE_WAITS)
    message_print(MESSAGE_ERROR, "%s: no profile is written: %s (errno %d)", path, profile_file_reason(error), error);
  return error;
}

int profile_dump(const char *path) {
  int saved = errno, error = dump(path, PROFILE_WAITS);
  errno = saved;
  return error;
}

static void dump_now_or_later(enum profile_wait wait) {
  int saved = errno;
  if (dump(NULL, wait) == EAGAIN) {
    if (wait == PROFILE_IN_HANDLER)
      message_print(MESSAGE_INFO, "a signal asks for a profile: it is written with the next sample");
    __atomic_store_n(&dump_pending, os_getpid(), __ATOMIC_RELAXED);
  }
  errno = saved;
}

static void on_signal(int number) {
  (void)number;
  dump_now_or_later(PROFILE_IN_HANDLER);
}

void profile_dump_pending(void) {
  if (likely(__atomic_load_n(&dump_pending, __ATOMIC_RELAXED) == 0)) return;
  if (__atomic_exchange_n(&dump_pending, 0, __ATOMIC_RELAXED) == os_getpid()) dump_now_or_later(PROFILE_TRIES);
}

void profile_begin(void) {
  if (option.profile == 0 && option.profile_leaks == 0) return;
  if (!profile_start((uint64_t)option.profile_rate, 0)) {
    message_print(MESSAGE_ERROR, "no profile: there is no memory for it");
    return;
  }
  struct sigaction action = { .sa_flags = SA_RESTART | SA_ONSTACK };
  action.sa_handler = on_signal;
  sigfillset(&action.sa_mask);   /* the handler of another one may allocate, and would find the table locked */
  if (option.profile_signal != PROFILE_SIGNAL_NONE) sigaction(signal_numbers[option.profile_signal], &action, NULL);
}

/* glibc takes an exit() within exit() for another status and goes on with what is left, buffered output included. */
#ifdef __GLIBC__
#define END_WITH(status) exit(status)
#else
#define END_WITH(status) _exit(status)
#endif

__attribute__((destructor)) static void profile_end(void) {
  if (process_state_now() != PROCESS_READY || !profile_is_on()) return;
  bool file = option.profile != 0 && option_profile_file[0] != '\0';
  if (file) profile_dump(NULL);
  if (option.profile_leaks == 0) return;
  if (profile_is_here()) {
    message_print(MESSAGE_ERROR, "no report of what is live: the process was ended by the handler of a signal that came in the "
                                 "midst of a sample");
    return;
  }
  profile_stop();
  if (profile_report_leaks((uint64_t)option.profile_leaks) && option.profile_leak_status != 0)
    END_WITH((int)option.profile_leak_status);
}
