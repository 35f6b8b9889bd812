/* cmd_run.c - "hakmemctl run": one program on libhakmem. */
#include <config.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "environment.h"
#include "hakmemctl.h"

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"option", required_argument, NULL, 'o'}, {"library", required_argument, NULL, 'l'}, {0}
  };
  const char *library = environment_library();
  int found;
  while ((found = tool_option(self, argc, argv, "o:l:", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    if (found == 'l')
      library = optarg;
    else if (!environment_set_option(optarg))
      return tool_usage_error(self, "'%s' is not NAME=VALUE", optarg);
  }
  if (optind == argc)
    return tool_usage_error(self, "no program given");
  char **program = argv + optind;
  char *preload = environment_resolve(library);
  if (preload == NULL)
    return TOOL_FAILED;
  environment_warn_unaffected(program[0]);
  environment_preload(preload);
  free(preload);
  fflush(stdout);
  execvp(program[0], program);
  int error = errno;
  tool_error("cannot run %s: %s", program[0], strerror(error));
  return error == ENOENT ? TOOL_NOT_FOUND : TOOL_CANNOT_RUN;
}

const struct command command_run = {
  .name = "run",
  .arguments = "[-o NAME=VALUE]... [-l LIBRARY] [--] PROGRAM [ARGUMENT...]",
  .help = "run a program on libhakmem",
  .details =
    "  -o, --option=NAME=VALUE  set an option of hakmem(7), with HAKMEM_ in front or without\n"
    "  -l, --library=LIBRARY    another interposer than the installed one\n",
  .run = run
};
