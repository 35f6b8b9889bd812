/* environment.c - the environment of a program that is to run on libhakmem. */
#include <config.h>
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "elf_file.h"
#include "environment.h"
#include "hakmemctl.h"

/* TOOL_LIBRARY_FOLDER is configure's $(pkglibdir). */
const char environment_installed[] = TOOL_LIBRARY_FOLDER "/libhakmem-preload.so";

static bool starts_with(const char *text, const char *start)
{
  return strncmp(text, start, strlen(start)) == 0;
}

/* What follows the folder that ld.so's $LIB means, NULL if the path is elsewhere: lib/TRIPLET where the
   system is laid out by triplets, lib64 (lib32, libx32) where it is not. A plain /usr/lib tells nothing. */
static const char *behind_lib(const char *path)
{
  static const char *const folders[] = {"/usr/lib64/", "/usr/lib32/", "/usr/libx32/"};
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
    if (starts_with(path, folders[i]))
      return path + strlen(folders[i]);
  if (!starts_with(path, "/usr/lib/"))
    return NULL;
  const char *triplet = path + strlen("/usr/lib/");
  const char *end = strchr(triplet, '/');
  const char *system = strstr(triplet, "-linux-");
  return end != NULL && system != NULL && system < end ? end + 1 : NULL;
}

const char *environment_library(void)
{
  static char *line;
  const char *rest = behind_lib(environment_installed);
  if (rest == NULL)
    return environment_installed;
  if (line == NULL)
    line = tool_format("/usr/$LIB/%s", rest);
  return line;
}

static const char *library_problem(const char *path)
{
  struct elf_facts facts;
  const char *problem = elf_read(path, &facts);
  if (problem == NULL && facts.type != ET_DYN)
    problem = "is not a shared library";
  if (problem == NULL && strpbrk(path, " :") != NULL)
    problem = "has a blank or a colon in its path, which ld.so takes for the end of a name";
  return problem;
}

char *environment_resolve(const char *library)
{
  /* Names with other words in them that ld.so expands can be judged by ld.so only. */
  bool installed = strcmp(library, environment_library()) == 0;
  if (strchr(library, '$') != NULL && !installed)
    return tool_format("%s", library);
  char *path = realpath(installed ? environment_installed : library, NULL);
  const char *shown = path != NULL ? path : installed ? environment_installed : library;
  const char *problem = library_problem(shown);
  if (problem != NULL)
    tool_error("the library %s %s", shown, problem);
  char *result = problem != NULL ? NULL : tool_format("%s", installed ? library : path);
  free(path);
  return result;
}

char *environment_find_program(const char *name)
{
  if (strchr(name, '/') != NULL)
    return tool_format("%s", name);
  const char *folders = getenv("PATH");
  if (folders == NULL)
    folders = "/bin:/usr/bin";
  while (true) {
    size_t length = strcspn(folders, ":");
    char *path = length == 0 ? tool_format("./%s", name) : tool_format("%.*s/%s", (int)length, folders, name);
    if (access(path, X_OK) == 0)
      return path;
    free(path);
    if (folders[length] == '\0')
      return NULL;
    folders += length + 1;
  }
}

void environment_warn_unaffected(const char *program)
{
  char *path = environment_find_program(program);
  struct stat status;
  struct elf_facts facts;
  if (path != NULL && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
    if (((status.st_mode & S_ISUID) && status.st_uid != geteuid()) ||
        ((status.st_mode & S_ISGID) && status.st_gid != getegid()))
      tool_warning("%s is setuid or setgid: it does not read LD_PRELOAD", program);
    else if (elf_read(path, &facts) == NULL && !facts.has_loader)
      tool_warning("%s is statically linked: it loads no library", program);
  }
  free(path);
}

void environment_preload(const char *library)
{
  const char *others = getenv("LD_PRELOAD");
  bool alone = others == NULL || *others == '\0';
  char *value = tool_format("%s%s%s", library, alone ? "" : ":", alone ? "" : others);
  if (setenv("LD_PRELOAD", value, 1) != 0)
    exit(tool_error("cannot set LD_PRELOAD: %s", strerror(errno)));
  free(value);
}

bool environment_set_option(const char *text)
{
  const char *equals = strchr(text, '=');
  if (equals == NULL || equals == text)
    return false;
  for (const char *next = text; next < equals; next++)
    if (!isupper((unsigned char)*next) && !isdigit((unsigned char)*next) && *next != '_')
      return false;
  const char *prefix = starts_with(text, "HAKMEM_") ? "" : "HAKMEM_";
  char *name = tool_format("%s%.*s", prefix, (int)(equals - text), text);
  if (setenv(name, equals + 1, 1) != 0)
    exit(tool_error("cannot set %s: %s", name, strerror(errno)));
  free(name);
  return true;
}
