/* trial_run.c - one program is run, and what came out of it is kept. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "trial_run.h"

enum { TIME_LIMIT = 20 /* seconds */, NOBODY = 65534, SHOWN_OUTPUT = 300 };

static _Noreturn void give_up(const char *what)
{
  exit(tool_error("cannot run the trial: %s: %s", what, strerror(errno)));
}

/* An empty file in memory. */
static int scratch(const char *what)
{
  int file = memfd_create(what, MFD_CLOEXEC);
  if (file < 0)
    give_up("memfd_create");
  return file;
}

static char *contents(int file)
{
  off_t length = lseek(file, 0, SEEK_END);
  char *text = tool_allocate((size_t)(length > 0 ? length : 0) + 1);
  if (length < 0 || pread(file, text, (size_t)length, 0) != length)
    give_up("reading output");
  close(file);
  return text;
}

/* In the child. The alarm stays over the start of the program and ends it. */
static _Noreturn void start(int program, const char *const *words, bool as_nobody, int output, int errors)
{
  static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", home[] = "HOME=/", locale[] = "LC_ALL=C";
  static char *environment[] = {path, home, locale, NULL};
  static const struct rlimit no_core = {0, 0};
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0)
    dup2(nothing, STDIN_FILENO);
  else
    close(STDIN_FILENO);
  setpgid(0, 0);
  setrlimit(RLIMIT_CORE, &no_core);
  if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
    _exit(TOOL_CANNOT_RUN);
  if (as_nobody && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
                    setresuid(NOBODY, NOBODY, NOBODY) != 0))
    _exit(TOOL_CANNOT_RUN);
  signal(SIGALRM, SIG_DFL);
  alarm(TIME_LIMIT);
  if (program >= 0)
    syscall(SYS_execveat, program, "", words, environment, AT_EMPTY_PATH);
  else
    execve(words[0], (char *const *)(uintptr_t)words, environment);
  _exit(TOOL_CANNOT_RUN);
}

void trial_run_program(int program, const char *const *words, bool as_nobody, struct trial_outcome *outcome)
{
  int output = scratch("output"), errors = scratch("errors");
  pid_t child = fork();
  if (child == 0)
    start(program, words, as_nobody, output, errors);
  if (child < 0 || waitpid(child, &outcome->status, 0) != child)
    give_up("fork");
  /* What it left running. */
  kill(-child, SIGKILL);
  outcome->output = contents(output);
  outcome->errors = contents(errors);
}

void trial_outcome_free(struct trial_outcome *outcome)
{
  free(outcome->output);
  free(outcome->errors);
}

char *trial_outcome_status(int status)
{
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    return tool_format("did not end within %d seconds", TIME_LIMIT);
  if (WIFSIGNALED(status))
    return tool_format("was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return tool_format("ended with status %d", WEXITSTATUS(status));
}

/* The first line of output, without control characters, within bounds. */
static char *first_line(const char *text)
{
  size_t length = strcspn(text, "\n");
  char *line = tool_format("%.*s", (int)(length < SHOWN_OUTPUT ? length : SHOWN_OUTPUT), text);
  for (char *next = line; *next != '\0'; next++)
    if ((unsigned char)*next < ' ')
      *next = '?';
  return line;
}

static const char loader_line[] = "ERROR: ld.so: ";

/* The next line of *text that is the loader's (or is not); its length, 0 at the end. */
static size_t next_line(const char **text, bool of_loader)
{
  while (**text != '\0') {
    size_t length = strcspn(*text, "\n");
    length += (*text)[length] == '\n';
    if ((strncmp(*text, loader_line, sizeof loader_line - 1) == 0) == of_loader)
      return length;
    *text += length;
  }
  return 0;
}

/* The same messages, but the loader may have fewer: one more line in the list can mend how it reads the
   comments. */
static bool same_errors(const char *before, const char *after)
{
  size_t one, other;
  const char *line = after;
  for (; (one = next_line(&line, true)) != 0; line += one) {
    char *text = tool_format("%.*s", (int)one, line);
    bool known = strstr(before, text) != NULL;
    free(text);
    if (!known)
      return false;
  }
  for (;; before += one, after += other) {
    one = next_line(&before, false);
    other = next_line(&after, false);
    if (one != other || strncmp(before, after, one) != 0)
      return false;
    if (one == 0)
      return true;
  }
}

char *trial_outcome_difference(const struct trial_outcome *before, const struct trial_outcome *after)
{
  char *line = first_line(after->errors), *how = NULL;
  if (after->status != before->status) {
    char *status = trial_outcome_status(after->status);
    how = tool_format("%s%s%s", status, *line ? ": " : "", line);
    free(status);
  } else if (!same_errors(before->errors, after->errors)) {
    how = tool_format("has another standard error than without the library: %s", *line ? line : "nothing");
  } else if (strcmp(before->output, after->output) != 0) {
    free(line);
    line = first_line(after->output);
    how = tool_format("has another output than without the library: %s", *line ? line : "nothing");
  }
  free(line);
  return how;
}
