/* cmd_check.c - "hakmemctl check": what is wrong in the configuration file and in the environment. */
#include <config.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "settings.h"

static void print_mistake(const struct settings *settings, const struct settings_mistake *mistake)
{
  if (mistake->source == OPTION_ENVIRONMENT)
    printf("environment: %s\n", mistake->text);
  else if (mistake->line != 0)
    printf("%s:%u: %s\n", settings->path, mistake->line, mistake->text);
  else
    printf("%s: %s\n", settings->path, mistake->text);
}

/* Of the file that programs read: who may write it, and who may not read it, who is told nothing. */
static bool check_access(const char *path)
{
  struct stat status;
  bool good = true;
  if (stat(path, &status) != 0)
    return true;
  if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    printf("%s: may be written by others than root; setuid programs ignore it\n", path);
    good = false;
  }
  if (S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) == 0) {
    printf("%s: may not be read by all; programs of other users ignore it\n", path);
    good = false;
  }
  return good;
}

/* The folder that all programs are to publish their figures in; those that find none are told nothing. */
static bool check_stats_dir(void)
{
  struct stat status;
  if (option_stats_dir[0] == '\0' || (stat(option_stats_dir, &status) == 0 && S_ISDIR(status.st_mode)))
    return true;
  printf("STATS_DIR: there is no folder %s; no figures are published\n", option_stats_dir);
  return false;
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {{0}};
  if (tool_option(self, argc, argv, "", names) != -1)
    return TOOL_USAGE;
  const char *path = optind < argc ? argv[optind++] : settings_file;
  if (tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  struct settings settings;
  settings_read(&settings, path, NULL, environ, true);
  bool good = settings.count == 0;
  for (size_t i = 0; i < settings.count; i++)
    print_mistake(&settings, &settings.mistakes[i]);
  if (path == settings_file)
    good &= check_access(path);
  else if (!settings.exists) {
    printf("%s: there is no such file\n", path);
    good = false;
  }
  good &= check_stats_dir();
  settings_free(&settings);
  return good ? TOOL_OK : TOOL_FAILED;
}

const struct command command_check = {
  .name = "check",
  .arguments = "[FILE]",
  .help = "name what is wrong in hakmem.conf, or FILE, and in the environment",
  .details = "Every line of the file is looked at, whatever program it is for.\nNothing wrong: nothing said, status 0.\n",
  .run = run
};
