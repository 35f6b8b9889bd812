/* tool.c - messages, options and memory of hakmemctl's commands. */
#include <config.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hakmemctl.h"

static void print_message(const char *prefix, const char *name, const char *format, va_list arguments)
{
  fflush(stdout);
  fprintf(stderr, "hakmemctl%s%s: ", prefix, name);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

int tool_error(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  print_message("", "", format, arguments);
  va_end(arguments);
  return TOOL_FAILED;
}

void tool_warning(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  print_message(": warning", "", format, arguments);
  va_end(arguments);
}

int tool_usage_error(const struct command *command, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  print_message(" ", command->name, format, arguments);
  va_end(arguments);
  const char *blank = *command->arguments ? " " : "";
  fprintf(stderr, "Usage: hakmemctl %s%s%s\n", command->name, blank, command->arguments);
  return TOOL_USAGE;
}

/* getopt's own messages name the program only; these name the command and show its usage. */
static void bad_option(const struct command *command, int problem, char **argv, int index)
{
  const char *word = argv[index];
  bool is_long = word != NULL && strncmp(word, "--", 2) == 0;
  if (problem == ':' && is_long)
    tool_usage_error(command, "option '%s' needs a value", word);
  else if (problem == ':')
    tool_usage_error(command, "option '-%c' needs a value", optopt);
  else if (is_long && optopt != 0)
    tool_usage_error(command, "option '%.*s' takes no value", (int)strcspn(word, "="), word);
  else if (is_long)
    tool_usage_error(command, "unknown option '%s'", word);
  else
    tool_usage_error(command, "unknown option '-%c'", optopt);
}

int tool_option(const struct command *command, int argc, char **argv, const char *letters,
                const struct option *names)
{
  char *spec = tool_format("+:%s", letters);
  int index = optind;
  opterr = 0;
  optopt = 0;
  int found = getopt_long(argc, argv, spec, names, NULL);
  free(spec);
  if (found != '?' && found != ':')
    return found;
  bad_option(command, found, argv, index);
  return '?';
}

int tool_json_option(const struct command *command, int argc, char **argv, bool *json)
{
  static const struct option names[] = {{"json", no_argument, NULL, 'j'}, {0}};
  int found;
  while ((found = tool_option(command, argc, argv, "", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    *json = true;
  }
  return TOOL_OK;
}

int tool_no_arguments(const struct command *command, int argc, char **argv)
{
  if (optind == argc)
    return TOOL_OK;
  return tool_usage_error(command, "unexpected argument '%s'", argv[optind]);
}

int tool_end_of_output(void)
{
  bool failed = ferror(stdout) != 0;
  if (fclose(stdout) != 0 || failed)
    return tool_error("cannot write to standard output: %s", strerror(errno));
  return TOOL_OK;
}

static _Noreturn void no_memory(void)
{
  fputs("hakmemctl: out of memory\n", stderr);
  exit(TOOL_FAILED);
}

void *tool_allocate(size_t size)
{
  void *block = calloc(1, size != 0 ? size : 1);
  if (block == NULL)
    no_memory();
  return block;
}

void *tool_room(void *array, size_t count, size_t size)
{
  if ((count & (count - 1)) != 0)   /* it is full with 0, 1, 2, 4, ... */
    return array;
  array = reallocarray(array, count == 0 ? 1 : 2 * count, size);
  if (array == NULL)
    no_memory();
  return array;
}

char *tool_format(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *text;
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (length < 0)
    no_memory();
  return text;
}

void tool_exec(const char *file, const char *const *words)
{
  /* execvp does not write to the words; its type is older than const. */
  execvp(file, (char *const *)(uintptr_t)words);
}
