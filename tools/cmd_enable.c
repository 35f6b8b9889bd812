/* cmd_enable.c - "hakmemctl enable": every program of a system on libhakmem, after a trial. */
#include <config.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "environment.h"
#include "hakmemctl.h"
#include "library_file.h"
#include "preload_file.h"
#include "timed.h"
#include "trial.h"

struct request {
  const char *root, *library;
  unsigned seconds;  /* 0: for good */
};

/* The lines that name the library, best first; NULL ends them. ld.so expands $LIB. */
static void lines_for(const char *library, const char *lines[3])
{
  int count = 0;
  if (strcmp(library, environment_installed) == 0 && strcmp(environment_library(), library) != 0)
    lines[count++] = environment_library();
  lines[count++] = library;
  lines[count] = NULL;
}

/* Refuses what need not be tried, with the reason. */
static bool may_be_tried(const struct preload_file *file, const struct request *request)
{
  char *problem = library_file_problem(file->root, request->library);
  if (problem != NULL)
    tool_error("the library %s%s %s", file->root_name, request->library, problem);
  bool good = problem == NULL;
  free(problem);
  if (good && (request->seconds == 0 || !file->exists))
    good = preload_file_writable(file);
  return good;
}

/* The text that passed the trial; .bytes is NULL if none did. */
static struct text try_lines(const struct preload_file *file, const struct request *request)
{
  const char *lines[3];
  lines_for(request->library, lines);
  for (int i = 0; lines[i] != NULL; i++) {
    struct text wanted = list_add(&file->text, lines[i]);
    enum trial_result result = trial_run(file, &wanted, request->library);
    if (result == TRIAL_GOOD)
      return wanted;
    free(wanted.bytes);
    if (result == TRIAL_BAD)
      return (struct text){NULL, 0};
  }
  tool_error("the trial failed: ld.so does not load %s, or malloc of another library comes first",
             request->library);
  return (struct text){NULL, 0};
}

static void print_enabled(const struct preload_file *file, const struct request *request)
{
  char left[64];
  printf("%s/etc/ld.so.preload names %s: programs that start from now on run on libhakmem%s%s\n",
         file->root_name, request->library, request->seconds != 0 ? " for " : "",
         request->seconds != 0 ? timed_text(request->seconds, left, sizeof left) : "");
  const char *option = *file->root_name != '\0' ? " --root " : "";
  printf("\"hakmemctl disable%s%s\" takes it back\n", option, file->root_name);
}

/* Under the lock: what was tried is written unless something else has been written since. */
static int write_tried(struct preload_file *file, const struct request *request, const struct text *wanted)
{
  struct text before = file->text;
  file->text = (struct text){NULL, 0};
  bool good = preload_file_lock(file) && preload_file_read(file);
  if (good && !list_equal(&before, &file->text)) {
    tool_error("%s/etc/ld.so.preload was changed by somebody else during the trial: nothing was written, "
               "try again", file->root_name);
    good = false;
  }
  free(before.bytes);
  if (good && request->seconds != 0)
    good = timed_begin(file, wanted, request->seconds);
  else if (good)
    good = preload_file_write(file, wanted);
  if (good)
    print_enabled(file, request);
  return good ? TOOL_OK : TOOL_FAILED;
}

/* The file names the library already: nothing is tried or written, but a time may be made longer. */
static int enabled_already(struct preload_file *file, const struct request *request, const char *word)
{
  double left;
  bool timed = timed_active(file, &left);
  if (!timed && request->seconds == 0) {
    printf("%s/etc/ld.so.preload names %s already\n", file->root_name, word);
    return TOOL_OK;
  }
  if (timed != (request->seconds != 0))
    return tool_error("%s/etc/ld.so.preload names %s already, %s a time limit: \"hakmemctl disable\" comes "
                      "first", file->root_name, word, timed ? "with" : "without");
  if (!preload_file_lock(file) || !preload_file_read(file))
    return TOOL_FAILED;
  if (!timed_active(file, &left))
    return tool_error("the trial has just ended: nothing was changed");
  if (!timed_begin(file, NULL, request->seconds))
    return TOOL_FAILED;
  printf("the trial ends in %s from now\n", timed_text(request->seconds, (char[64]){0}, 64));
  return TOOL_OK;
}

static int enable(struct preload_file *file, const struct request *request)
{
  struct list_words words = list_words(&file->text);
  int status = TOOL_FAILED;
  if (words.ours != 0) {
    status = enabled_already(file, request, words.first);
  } else if (may_be_tried(file, request)) {
    struct text wanted = try_lines(file, request);
    if (wanted.bytes != NULL)
      status = write_tried(file, request, &wanted);
    free(wanted.bytes);
  }
  free(words.first);
  return status;
}

static bool named_as_ours(const char *library)
{
  struct text text = {(char *)(uintptr_t)library, strlen(library)};
  struct list_words words = list_words(&text);
  free(words.first);
  return words.ours == 1 && words.others == 0;
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"for", required_argument, NULL, 'f'}, {"library", required_argument, NULL, 'l'},
    {"root", required_argument, NULL, 'r'}, {0}
  };
  struct request request = {.root = "/", .library = environment_installed};
  int found;
  while ((found = tool_option(self, argc, argv, "f:l:r:", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    if (found == 'f' && (request.seconds = timed_parse(optarg)) == 0)
      return tool_usage_error(self, "'%s' is no time such as 90s, 30min, 2h or 1d, 30 days at most", optarg);
    if (found == 'l')
      request.library = optarg;
    else if (found == 'r')
      request.root = optarg;
  }
  if (tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  if (*request.library != '/' || !named_as_ours(request.library))
    return tool_usage_error(self, "'%s' is not an absolute path of a file " LIST_LIBRARY, request.library);
  struct preload_file file;
  int status = preload_file_open(&file, request.root) ? enable(&file, &request) : TOOL_FAILED;
  preload_file_close(&file);
  return status;
}

const struct command command_enable = {
  .name = "enable",
  .arguments = "[--for TIME] [--root DIR] [-l LIBRARY]",
  .help = "put every program of the system on libhakmem, after a trial that changes nothing",
  .details =
    "  -f, --for=TIME           end it by itself: 90s, 30min, 2h, 1d, 1h30min; a reboot ends it too\n"
    "  -r, --root=DIR           the system in that folder instead of this one\n"
    "  -l, --library=LIBRARY    another interposer than the installed one, as a path in that system\n",
  .run = run
};
