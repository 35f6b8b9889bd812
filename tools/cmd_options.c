/* cmd_options.c - "hakmemctl options": every option: its value, where that comes from, what it does. */
#include <config.h>
#include <string.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "settings.h"

enum { COLUMNS = 78 };

/* Words of a text in lines that start with four blanks. */
static void print_folded(const char *text)
{
  size_t column = 0;
  while (*text != '\0') {
    size_t length = strcspn(text, " ");
    bool breaks = column != 0 && column + 1 + length > COLUMNS;
    printf("%s%.*s", column == 0 ? "    " : breaks ? "\n    " : " ", (int)length, text);
    column = column == 0 || breaks ? 4 + length : column + 1 + length;
    text += length;
    text += strspn(text, " ");
  }
  putchar('\n');
}

static const char *source_name(enum option_source source)
{
  switch (source) {
    case OPTION_PRESET: return "mode";
    case OPTION_FILE: return "file";
    case OPTION_ENVIRONMENT: return "environment";
    case OPTION_BUILT_IN: break;
  }
  return "default";
}

static void print_text(const struct settings *settings, size_t row, const char *value)
{
  struct option_row option_row = options_row(row);
  printf("HAKMEM_%s=%s", option_row.name, value);
  if (settings->from[row].source == OPTION_FILE)
    printf("  (%s:%u)\n", settings->path, settings->from[row].line);
  else
    printf("  (%s%s%s)\n", source_name(settings->from[row].source), *value == '\0' ? ": " : "",
           *value == '\0' ? option_row.default_text : "");
  print_folded(option_row.help);
}

static void print_member(const char *name, const char *text)
{
  printf(", \"%s\": ", name);
  json_string(stdout, text);
}

static void print_json(const struct settings *settings, size_t row, const char *value)
{
  struct option_row option_row = options_row(row);
  printf("%s\n  {\"name\": \"HAKMEM_%s\"", row == 0 ? "" : ",", option_row.name);
  print_member("value", value);
  print_member("source", source_name(settings->from[row].source));
  if (settings->from[row].source == OPTION_FILE)
    printf(", \"line\": %u", settings->from[row].line);
  print_member("default", option_row.default_text);
  print_member("accepted", option_row.accepted);
  print_member("help", option_row.help);
  putchar('}');
}

static void print_all(const struct settings *settings, const char *program, bool json)
{
  if (json) {
    fputs("{\"program\": ", stdout);
    if (program != NULL)
      json_string(stdout, program);
    else
      fputs("null", stdout);
    print_member("file", settings->path);
    printf(", \"file_exists\": %s, \"mistakes\": %zu, \"options\": [", settings->exists ? "true" : "false",
           settings->count);
  }
  for (size_t row = 0; row < options_count(); row++) {
    char value[2 * OPTION_PATH_MAX] = "";
    options_get_text(options_row(row).name, value, sizeof value);
    (json ? print_json : print_text)(settings, row, value);
  }
  if (json)
    puts("\n]}");
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"program", required_argument, NULL, 'p'}, {"file", required_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'}, {0}
  };
  const char *program = NULL, *path = settings_file;
  bool json = false;
  int found;
  while ((found = tool_option(self, argc, argv, "p:f:", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    if (found == 'p')
      program = optarg;
    else if (found == 'f')
      path = optarg;
    else
      json = true;
  }
  if (tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  struct settings settings;
  settings_read(&settings, path, program, environ, false);
  print_all(&settings, program, json);
  if (settings.count != 0)
    tool_warning("not all that is set is accepted; \"hakmemctl check\" says what is wrong");
  settings_free(&settings);
  return TOOL_OK;
}

const struct command command_options = {
  .name = "options",
  .arguments = "[--program NAME] [--file FILE] [--json]",
  .help = "show every option: its value now, where that comes from, what it does",
  .details =
    "  -p, --program=NAME       for the program of that name or path, which sections of the file may be for\n"
    "  -f, --file=FILE          FILE instead of hakmem.conf\n"
    "      --json               as one JSON object\n",
  .run = run
};
