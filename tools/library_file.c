/* library_file.c - whether a library may be put under every program of a system. */
#include <config.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "elf_file.h"
#include "hakmemctl.h"
#include "library_file.h"

/* Who can write to a part of the path can put any code into every program. shown is the part's path. */
static char *writer_problem(const struct stat *status, const char *shown)
{
  if (status->st_uid != 0 && status->st_uid != geteuid())
    return tool_format("belongs to a user who is not root (%s is of uid %ju)", shown,
                       (uintmax_t)status->st_uid);
  if (status->st_mode & S_IWOTH)
    return tool_format("can be replaced by anybody (%s is writable by others)", shown);
  if ((status->st_mode & S_IWGRP) && status->st_gid != 0)
    return tool_format("can be replaced by a group (%s is writable by gid %ju)", shown,
                       (uintmax_t)status->st_gid);
  return NULL;
}

static char *part_problem(int part, const char *shown, bool last)
{
  struct stat status;
  if (fstat(part, &status) != 0)
    return tool_format("cannot be checked: %s: %s", shown, strerror(errno));
  if (S_ISLNK(status.st_mode))
    return tool_format("is reached by a symbolic link (%s): give its real path", shown);
  if (last ? !S_ISREG(status.st_mode) : !S_ISDIR(status.st_mode))
    return tool_format("is not a file in a folder (%s)", shown);
  return writer_problem(&status, shown);
}

/* The file behind the path, or -1 and *problem. */
static int walk(int root, const char *path, char **problem)
{
  int part = dup(root);
  char *rest = tool_format("%s", path), *save = NULL, *shown = tool_format("%s", "/");
  *problem = part_problem(part, shown, false);
  char *name = strtok_r(rest, "/", &save);
  while (*problem == NULL && name != NULL) {
    char *next_name = strtok_r(NULL, "/", &save);
    int flags = next_name != NULL ? O_PATH : O_RDONLY | O_NONBLOCK | O_NOCTTY;
    if (strcmp(name, "..") == 0) {
      *problem = tool_format("has .. in its path");
      break;
    }
    char *longer = tool_format("%s%s%s", shown, shown[1] != '\0' ? "/" : "", name);
    free(shown);
    shown = longer;
    int next = openat(part, name, flags | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0 && errno == ENOENT)
      *problem = tool_format("is missing");
    else if (next < 0 && errno == ELOOP)
      *problem = tool_format("is a symbolic link: give its real path");
    else if (next < 0)
      *problem = tool_format("cannot be opened: %s: %s", shown, strerror(errno));
    else
      *problem = part_problem(next, shown, next_name == NULL);
    close(part);
    part = next;
    name = next_name;
  }
  free(rest);
  free(shown);
  if (*problem == NULL)
    return part;
  if (part >= 0)
    close(part);
  return -1;
}

/* What the system's own programs are: its shell, else hakmemctl itself. */
static bool read_system(int root, struct elf_facts *facts)
{
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
  int shell = (int)syscall(SYS_openat2, root, "bin/sh", &how, sizeof how);
  bool good = shell >= 0 && elf_read_file(shell, facts) == NULL;
  if (shell >= 0)
    close(shell);
  return good || elf_read("/proc/self/exe", facts) == NULL;
}

static char *machine_problem(int root, const struct elf_facts *library)
{
  struct elf_facts programs;
  if (library->type != ET_DYN)
    return tool_format("is not a shared library");
  if (!read_system(root, &programs) || elf_same_machine(library, &programs))
    return NULL;
  char one[64], other[64];
  return tool_format("is for %s, the programs here are for %s", elf_machine_name(library, one, sizeof one),
                     elf_machine_name(&programs, other, sizeof other));
}

char *library_file_problem(int root, const char *path)
{
  char *problem;
  if (*path != '/')
    return tool_format("is not given by an absolute path");
  if (strpbrk(path, " \t\n:#") != NULL)
    return tool_format("has a blank, a colon or a # in its path, which ends a name for ld.so");
  int file = walk(root, path, &problem);
  if (file < 0)
    return problem;
  struct elf_facts facts;
  const char *damage = elf_read_file(file, &facts);
  problem = damage != NULL ? tool_format("%s", damage) : machine_problem(root, &facts);
  close(file);
  return problem;
}
