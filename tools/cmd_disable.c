/* cmd_disable.c - "hakmemctl disable": the way back, whatever state the library is in. */
#include <config.h>
#include <stdlib.h>
#include "hakmemctl.h"
#include "preload_file.h"
#include "timed.h"

/* The file without the library; without the file, if nothing is left. */
static bool take_out(struct preload_file *file)
{
  struct text rest = list_remove(&file->text);
  bool good = rest.length != 0 ? preload_file_write(file, &rest) : preload_file_remove(file);
  free(rest.bytes);
  return good;
}

static bool names_library(const struct preload_file *file)
{
  struct list_words words = list_words(&file->text);
  free(words.first);
  return words.ours != 0;
}

/* A trial for a time lies over the file, which may name the library itself. */
static int disable(struct preload_file *file, bool only_expired)
{
  double left;
  if (!preload_file_lock(file) || !preload_file_read(file))
    return TOOL_FAILED;
  bool timed = timed_active(file, &left);
  bool named = names_library(file);
  if (only_expired && left > 0)
    return TOOL_OK;
  if (!timed_end(file))
    return TOOL_FAILED;
  if (only_expired && !timed)
    return TOOL_OK;
  if (!only_expired && names_library(file) && !take_out(file))
    return TOOL_FAILED;
  if (timed || named)
    printf("%s/etc/ld.so.preload no longer names libhakmem: programs that start from now on do without\n",
           file->root_name);
  else
    printf("%s/etc/ld.so.preload does not name libhakmem: nothing to do\n", file->root_name);
  return TOOL_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
  static const struct option names[] = {
    {"if-expired", no_argument, NULL, 'e'}, {"root", required_argument, NULL, 'r'}, {0}
  };
  const char *root = "/";
  bool only_expired = false;
  int found;
  while ((found = tool_option(self, argc, argv, "r:", names)) != -1) {
    if (found == '?')
      return TOOL_USAGE;
    if (found == 'e')
      only_expired = true;
    else
      root = optarg;
  }
  if (tool_no_arguments(self, argc, argv) != TOOL_OK)
    return TOOL_USAGE;
  struct preload_file file;
  int status = preload_file_open(&file, root) ? disable(&file, only_expired) : TOOL_FAILED;
  preload_file_close(&file);
  return status;
}

const struct command command_disable = {
  .name = "disable",
  .arguments = "[--root DIR] [--if-expired]",
  .help = "take that back",
  .details =
    "  -r, --root=DIR           the system in that folder instead of this one\n"
    "      --if-expired         only if it was enabled for a time that is over\n",
  .run = run
};
