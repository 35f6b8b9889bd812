/* cmd_status.c - "hakmemctl status": whether programs that start now run on libhakmem. */
#include <config.h>
#include <stdlib.h>
#include "environment.h"
#include "hakmemctl.h"
#include "library_file.h"
#include "preload_file.h"
#include "timed.h"

struct state {
  struct list_words words;
  bool timed;
  double left;
  const char *library;
  char *problem;  /* of the library, NULL if it is good */
};

static struct state read_state(const struct preload_file *file)
{
  struct state state = {.words = list_words(&file->text)};
  state.timed = timed_active(file, &state.left);
  /* A word with $LIB means the installed library; one without is the path itself. */
  bool path = state.words.ours != 0 && state.words.first[0] == '/';
  for (const char *next = state.words.first; path && *next != '\0'; next++)
    path = *next != '$';
  state.library = path ? state.words.first : environment_installed;
  state.problem = library_file_problem(file->root, state.library);
  return state;
}

static void print_text(const struct preload_file *file, const struct state *state)
{
  char left[64];
  printf("enabled:         %s\n", state->words.ours != 0 ? "yes" : "no");
  if (state->timed)
    printf("for another:     %s\n", timed_text(state->left, left, sizeof left));
  printf("file:            %s/etc/ld.so.preload%s\n", file->root_name, file->exists ? "" : " (not there)");
  if (state->words.ours != 0)
    printf("line:            %s\n", state->words.first);
  printf("other libraries: %u\n", state->words.others);
  printf("library:         %s%s %s\n", file->root_name, state->library,
         state->problem != NULL ? state->problem : "is good");
}

static void print_json(const struct preload_file *file, const struct state *state)
{
  char *path = tool_format("%s/etc/ld.so.preload", file->root_name);
  char *library = tool_format("%s%s", file->root_name, state->library);
  printf("{\"enabled\": %s, \"seconds_left\": ", state->words.ours != 0 ? "true" : "false");
  if (state->timed)
    printf("%.0f", state->left > 0 ? state->left : 0);
  else
    fputs("null", stdout);
  fputs(", \"file\": ", stdout);
  json_string(stdout, path);
  fputs(", \"line\": ", stdout);
  if (state->words.first != NULL)
    json_string(stdout, state->words.first);
  else
    fputs("null", stdout);
  printf(", \"other_libraries\": %u, \"library\": ", state->words.others);
  json_string(stdout, library);
  fputs(", \"problem\": ", stdout);
  if (state->problem != NULL)
    json_string(stdout, state->problem);
  else
    fputs("null", stdout);
  puts("}");
  free(path);
  free(library);
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"json", no_argument, NULL, 'j'}, {"root", required_argument, NULL, 'r'}, {0}
  };
  const char *root = "/";
  bool json = false;
  int found;
  while ((found = tool_option(self, argc, argv, "r:", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    if (found == 'j')
      json = true;
    else
      root = optarg;
  }
  if (tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  struct preload_file file;
  bool good = preload_file_open(&file, root);
  if (good) {
    struct state state = read_state(&file);
    (json ? print_json : print_text)(&file, &state);
    free(state.words.first);
    free(state.problem);
  }
  preload_file_close(&file);
  return good ? TOOL_OK : TOOL_FAILED;
}

const struct command command_status = {
  .name = "status",
  .arguments = "[--root DIR] [--json]",
  .help = "say whether that is so, and whether the library is in order",
  .details =
    "  -r, --root=DIR           the system in that folder instead of this one\n"
    "      --json               as one JSON object\n",
  .run = run
};
