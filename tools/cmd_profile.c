/* cmd_profile.c - "hakmemctl profile": one program on libhakmem, and who allocated what in it. */
#include <config.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "environment.h"
#include "hakmemctl.h"

/* What shows a profile: from Debian's google-perftools, and under the name that others install it by. */
static const char *const viewers[] = {"google-pprof", "pprof"};

struct profiled {
  const char *library, *file;
  bool live, show;
  char **program;
};

/* In the child. */
static void start(const struct profiled *profiled)
{
  char *preload = environment_resolve(profiled->library);
  char *option = tool_format("PROFILE_FILE=%s", profiled->file);
  if (preload == NULL)
    _exit(TOOL_FAILED);
  environment_preload(preload);
  environment_set_option("PROFILE=1");
  environment_set_option(option);
  execvp(profiled->program[0], profiled->program);
  int error = errno;
  tool_error("cannot run %s: %s", profiled->program[0], strerror(error));
  fflush(stderr);
  _exit(error == ENOENT ? TOOL_NOT_FOUND : TOOL_CANNOT_RUN);
}

/* The name of its profile, once %p is known. The caller frees it. */
static char *file_of(const char *file, pid_t process)
{
  const char *place = strstr(file, "%p");
  if (place == NULL)
    return tool_format("%s", file);
  return tool_format("%.*s%d%s", (int)(place - file), file, (int)process, place + 2);
}

/* The status of a command, 128 and more for a signal as shells have it. */
static int wait_for(pid_t child)
{
  int status;
  while (waitpid(child, &status, 0) != child)
    if (errno != EINTR)
      return TOOL_FAILED;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Prints who allocated most, by the first viewer that there is. False: there is none. */
static bool show(const struct profiled *profiled, const char *file)
{
  char *program = environment_find_program(profiled->program[0]);
  for (size_t i = 0; i < sizeof viewers / sizeof viewers[0]; i++) {
    pid_t child = fork();
    if (child == 0) {
      dup2(STDERR_FILENO, STDOUT_FILENO);   /* what the program prints may be somebody's input */
      const char *words[] = {viewers[i], "--text", profiled->live ? "--inuse_space" : "--alloc_space",
                             program, file, NULL};
      tool_exec(viewers[i], words);
      _exit(TOOL_NOT_FOUND);
    }
    if (child > 0 && wait_for(child) != TOOL_NOT_FOUND) {
      free(program);
      return true;
    }
  }
  free(program);
  return false;
}

/* Those are for flame graphs. */
static bool is_folded(const char *file)
{
  static const char suffix[] = ".folded";
  size_t length = strlen(file);
  return length >= sizeof suffix - 1 && strcmp(file + length - (sizeof suffix - 1), suffix) == 0;
}

static void say_where(const struct profiled *profiled, const char *file)
{
  fflush(stdout);
  if (access(file, R_OK) != 0) {
    tool_warning("no profile %s: the program ended before its exit handlers, or is not dynamic", file);
    return;
  }
  fprintf(stderr, "hakmemctl: profile in %s\n", file);
  if (profiled->show && !is_folded(file) && !show(profiled, file))
    fprintf(stderr, "hakmemctl: google-pprof shows it (Debian's package google-perftools)\n");
}

static int run_it(const struct profiled *profiled)
{
  fflush(stdout);
  pid_t child = fork();
  if (child < 0)
    return tool_error("cannot start a program: %s", strerror(errno));
  if (child == 0)
    start(profiled);
  /* An interrupt from the keyboard is the program's. */
  signal(SIGINT, SIG_IGN);
  signal(SIGQUIT, SIG_IGN);
  int status = wait_for(child);
  if (status == TOOL_NOT_FOUND || status == TOOL_CANNOT_RUN)
    return status;
  char *file = file_of(profiled->file, child);
  say_where(profiled, file);
  free(file);
  return status;
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"option", required_argument, NULL, 'o'}, {"library", required_argument, NULL, 'l'},
    {"rate", required_argument, NULL, 'r'}, {"file", required_argument, NULL, 'f'},
    {"live", no_argument, NULL, 'L'}, {"quiet", no_argument, NULL, 'q'}, {0}
  };
  struct profiled profiled = {.library = environment_library(), .file = "hakmem.%p.heap", .show = true};
  int found;
  while ((found = tool_option(self, argc, argv, "o:l:r:f:Lq", names)) != -1) {
    switch (found) {
    case '?':
      return TOOL_USAGE;
    case 'l':
      profiled.library = optarg;
      break;
    case 'f':
      profiled.file = optarg;
      break;
    case 'L':
      profiled.live = true;
      break;
    case 'q':
      profiled.show = false;
      break;
    case 'r': {
      char *option = tool_format("PROFILE_RATE=%s", optarg);
      environment_set_option(option);
      free(option);
      break;
    }
    default:
      if (!environment_set_option(optarg))
        return tool_usage_error(self, "'%s' is not NAME=VALUE", optarg);
    }
  }
  if (optind == argc)
    return tool_usage_error(self, "no program given");
  if (*profiled.file == '\0')
    return tool_usage_error(self, "the file has no name");
  profiled.program = argv + optind;
  environment_warn_unaffected(profiled.program[0]);
  return run_it(&profiled);
}

const struct command command_profile = {
  .name = "profile",
  .arguments = "[-r RATE] [-f FILE] [-L] [-q] [-o NAME=VALUE]... [-l LIBRARY] [--] PROGRAM [ARGUMENT...]",
  .help = "run a program, and show what allocates",
  .details =
    "  -r, --rate=RATE          one sample in so many bytes (512K)\n"
    "  -f, --file=FILE          where the profile goes (hakmem.%p.heap, %p is the process id)\n"
    "  -L, --live               show what is live at exit, not all that was allocated\n"
    "  -q, --quiet              write the profile, show nothing\n"
    "  -o, --option=NAME=VALUE  set an option of hakmem(7), with HAKMEM_ in front or without\n"
    "  -l, --library=LIBRARY    another interposer than the installed one\n",
  .run = run
};
