/* hakmemctl.c - the table of commands, and what is said about them. */
#include <config.h>
#include <stdlib.h>
#include <string.h>
#include "hakmemctl.h"

static int run_help(const struct command *self, int argc, char **argv);

static const struct command command_help = {
  .name = "help", .arguments = "[COMMAND]", .help = "say what a command does", .details = "", .run = run_help
};

/* In the order in which they are shown. */
static const struct command *const commands[] = {
  &command_run,
  &command_compare,
  &command_profile,
  &command_enable,
  &command_disable,
  &command_status,
  &command_ps,
  &command_stat,
  &command_options,
  &command_check,
  &command_help
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* The program itself, where a usage error is not one of a command. */
static int main_usage_error(const char *problem, const char *word)
{
  fprintf(stderr, "hakmemctl: %s%s%s%s\n", problem, *word ? " '" : "", word, *word ? "'" : "");
  fputs("Usage: hakmemctl COMMAND [ARGUMENT...]; see \"hakmemctl --help\"\n", stderr);
  return TOOL_USAGE;
}

static void print_overview(void)
{
  puts("Usage: hakmemctl COMMAND [ARGUMENT...]\n\n"
       "Programs and whole systems on the libhakmem memory allocator.\n");
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    printf("  %-9s %s\n", commands[i]->name, commands[i]->help);
  puts("\n  --help     this text; \"hakmemctl help COMMAND\" says more\n"
       "  --version  the version\n\n"
       "Exit status: 0 done, 1 failed or refused, 2 mistake on the command line. See hakmemctl(8).");
}

static void print_help(const struct command *command)
{
  printf("Usage: hakmemctl %s%s%s\n", command->name, *command->arguments ? " " : "", command->arguments);
  printf("hakmemctl %s: %s.\n", command->name, command->help);
  if (*command->details)
    printf("\n%s", command->details);
}

static const struct command *find_command(const char *name)
{
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(name, commands[i]->name) == 0)
      return commands[i];
  return NULL;
}

static int run_help(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {{0}};
  if (tool_option(self, argc, argv, "", names) != -1)
    return TOOL_USAGE;
  if (optind == argc) {
    print_overview();
    return TOOL_OK;
  }
  const struct command *wanted = find_command(argv[optind++]);
  if (wanted == NULL)
    return main_usage_error("unknown command", argv[optind - 1]);
  if (tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  print_help(wanted);
  return TOOL_OK;
}

static bool is(const char *word, const char *letter, const char *name)
{
  return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

static int run_command(int argc, char **argv)
{
  const struct command *command = find_command(argv[0]);
  if (command == NULL)
    return main_usage_error(argv[0][0] == '-' ? "unknown option" : "unknown command", argv[0]);
  if (argc > 1 && is(argv[1], "-h", "--help")) {
    print_help(command);
    return TOOL_OK;
  }
  return command->run(command, argc, argv);
}

int main(int argc, char **argv)
{
  if (argc < 2)
    return main_usage_error("no command given", "");
  int status = TOOL_OK;
  if (is(argv[1], "-h", "--help"))
    print_overview();
  else if (is(argv[1], "-V", "--version"))
    puts("hakmemctl (libhakmem) " PACKAGE_VERSION);
  else
    status = run_command(argc - 1, argv + 1);
  int output = tool_end_of_output();
  return status != TOOL_OK ? status : output;
}
