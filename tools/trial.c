/* trial.c - programs are run with a changed /etc/ld.so.preload that nobody else sees.

   The child makes a mount namespace of its own and puts a small file system over etc, in which every name is
   a link to what was there and ld.so.preload is a file that may be changed. All of it ends with the
   namespace. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "trial.h"
#include "trial_programs.h"
#include "trial_room.h"
#include "trial_run.h"

static const char *const whose[] = {"hakmemctl-trial", "whose", NULL};

/* The words of the command, for messages. */
static char *command_text(const struct trial_program *program)
{
  if (program->path == NULL)
    return tool_format("allocations under a strict seccomp filter");
  bool script = program->arguments[0] != NULL && strcmp(program->arguments[0], "-c") == 0;
  return tool_format("%s%s%s", program->path, program->arguments[0] != NULL ? " " : "",
                     script ? "-c ..." : program->arguments[0] != NULL ? program->arguments[0] : "");
}

static void run_program(const struct trial_room *room, const struct trial_program *program,
                        struct trial_outcome *outcome)
{
  const char *words[TRIAL_ARGUMENTS + 2] = {program->path != NULL ? program->path : "hakmemctl-trial"};
  for (int i = 0; i < TRIAL_ARGUMENTS && program->arguments[i] != NULL; i++)
    words[i + 1] = program->arguments[i];
  trial_run_program(program->path != NULL ? -1 : room->helper, words, program->setuid, outcome);
}

/* Without the change it must be there, be what it is taken for, and work; else it tells nothing. */
static bool usable(const struct trial_room *room, const struct trial_program *program,
                   struct trial_outcome *before)
{
  if (program->path == NULL && room->helper < 0)
    return false;
  struct stat status;
  if (program->path != NULL && stat(program->path, &status) != 0)
    return false;
  if (program->setuid && !(status.st_mode & S_ISUID))
    return false;
  trial_room_set(room, NULL);
  run_program(room, program, before);
  if (before->status == 0)
    return true;
  trial_outcome_free(before);
  return false;
}

/* Says how the second run differs from the first; true if it does not. */
static bool compare(const char *kind, const char *command, const struct trial_outcome *before,
                    const struct trial_outcome *after)
{
  char *how = trial_outcome_difference(before, after);
  if (how == NULL)
    printf("tried: %s (%s): as before\n", kind, command);
  else
    tool_error("the trial failed: %s (%s) %s", kind, command, how);
  free(how);
  return how == NULL;
}

static bool same_kind(const struct trial_program *one, const struct trial_program *other)
{
  return other->kind != NULL && strcmp(one->kind, other->kind) == 0;
}

/* Tries the first of a group that can be; *next becomes the start of the next group. */
static bool try_group(const struct trial_room *room, const struct text *wanted,
                      const struct trial_program **next)
{
  const struct trial_program *first = *next, *program = first;
  bool tried = false, good = true;
  for (; same_kind(first, program); program++) {
    struct trial_outcome before, after;
    if (tried || !usable(room, program, &before))
      continue;
    trial_room_set(room, wanted);
    run_program(room, program, &after);
    char *command = command_text(program);
    good = compare(first->kind, command, &before, &after);
    tried = true;
    free(command);
    trial_outcome_free(&before);
    trial_outcome_free(&after);
  }
  if (!tried)
    printf("not tried: %s: none is here that works without the library\n", first->kind);
  *next = program;
  return good;
}

/* malloc must be the library's in a program that ld.so starts. */
static enum trial_result check_loaded(const struct trial_room *room, const struct text *wanted,
                                      const char *library)
{
  struct trial_outcome outcome;
  trial_room_set(room, wanted);
  trial_run_program(room->helper, whose, false, &outcome);
  enum trial_result result = TRIAL_GOOD;
  outcome.output[strcspn(outcome.output, "\n")] = '\0';
  if (outcome.status != 0) {
    char *how = trial_outcome_status(outcome.status);
    tool_error("the trial failed: a program that only asks where malloc is %s%s%s", how,
               *outcome.errors ? ": " : "", outcome.errors);
    free(how);
    result = TRIAL_BAD;
  } else if (strcmp(outcome.output, library) != 0) {
    char *real = realpath(outcome.output, NULL);
    result = real != NULL && strcmp(real, library) == 0 ? TRIAL_GOOD : TRIAL_NOT_LOADED;
    free(real);
  }
  trial_outcome_free(&outcome);
  return result;
}

/* In the child, which ends with the result as its status. */
static enum trial_result try_all(const struct preload_file *file, const struct text *wanted,
                                 const char *library)
{
  struct trial_room room;
  if (!trial_room_enter(&room, file))
    return TRIAL_BAD;
  enum trial_result result = check_loaded(&room, wanted, library);
  for (const struct trial_program *next = trial_programs; result == TRIAL_GOOD && next->kind != NULL;)
    if (!try_group(&room, wanted, &next))
      result = TRIAL_BAD;
  return result;
}

enum trial_result trial_run(const struct preload_file *file, const struct text *wanted, const char *library)
{
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    enum trial_result result = try_all(file, wanted, library);
    fflush(stdout);
    _exit((int)result);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    tool_error("cannot start the trial: %s", strerror(errno));
    return TRIAL_BAD;
  }
  if (WIFEXITED(status))
    return (enum trial_result)WEXITSTATUS(status);
  tool_error("the trial was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return TRIAL_BAD;
}
