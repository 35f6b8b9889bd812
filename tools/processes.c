/* processes.c - see processes.h.

   What a process has mapped is in /proc/PID/maps: the library, and the file of figures if there is one.
   Nothing of a process is believed: it may belong to anybody. */
#include <config.h>
#include "processes.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include "hakmemctl.h"

enum { TRIES = 100 };   /* until a set of figures is read that nobody wrote to meanwhile */

/* What its mappings tell. */
struct mappings {
  const char *library;
  char *figures;          /* path of the file, as the process sees it; NULL: none */
  dev_t device;
  ino_t inode;
};

static void make_printable(char *text)
{
  for (; *text != '\0'; text++)
    if (!isprint((unsigned char)*text))
      *text = '?';
}

/* The last part of a path, without what /proc puts behind that of a file that is gone. */
static bool is_named(const char *path, const char *name, bool exactly)
{
  const char *slash = strrchr(path, '/');
  size_t length = strlen(name);
  if (slash == NULL || strncmp(slash + 1, name, length) != 0)
    return false;
  return !exactly || slash[1 + length] == '\0' || slash[1 + length] == ' ';
}

/* "address permissions offset major:minor inode   path" */
static void take_mapping(struct mappings *mappings, char *line)
{
  unsigned long inode;
  unsigned major, minor;
  int at = 0;
  line[strcspn(line, "\n")] = '\0';
  if (sscanf(line, "%*s %*s %*s %x:%x %lu %n", &major, &minor, &inode, &at) != 3 || at == 0 ||
      line[at] != '/')
    return;
  const char *path = line + at;
  if (is_named(path, "libhakmem-preload.so", true))
    mappings->library = "interposer";
  else if (is_named(path, "libhakmem.so.", false) && mappings->library == NULL)
    mappings->library = "library";
  else if (is_named(path, FIGURES_FILE_NAME, false) && mappings->figures == NULL) {
    mappings->figures = tool_format("%s", path);
    mappings->device = makedev(major, minor);
    mappings->inode = (ino_t)inode;
  }
}

static enum process_answer read_mappings(int id, struct mappings *mappings)
{
  char *path = tool_format("/proc/%d/maps", id);
  FILE *maps = fopen(path, "re");
  char *line = NULL;
  size_t size = 0;
  int error = errno;
  free(path);
  *mappings = (struct mappings){NULL, NULL, 0, 0};
  if (maps == NULL)
    return error == EACCES || error == EPERM ? PROCESS_FORBIDDEN : PROCESS_GONE;
  while (getline(&line, &size, maps) > 0)
    take_mapping(mappings, line);
  bool failed = ferror(maps) != 0;
  free(line);
  fclose(maps);
  if (mappings->library != NULL)
    return PROCESS_FOUND;
  free(mappings->figures);
  mappings->figures = NULL;
  return failed ? PROCESS_GONE : PROCESS_WITHOUT;
}

/* Name, resident memory, and the id in the process's own namespace, which is the last on its line. */
static bool read_status(struct process *process, uint32_t *own_id)
{
  char *path = tool_format("/proc/%d/status", process->id), line[256];
  FILE *status = fopen(path, "re");
  unsigned long kib = 0;
  free(path);
  if (status == NULL)
    return false;
  *own_id = (uint32_t)process->id;
  while (fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "Name:\t", 6) == 0)
      snprintf(process->name, sizeof process->name, "%.*s", (int)strcspn(line + 6, "\n"), line + 6);
    else if (sscanf(line, "VmRSS: %lu", &kib) == 1)
      process->resident = (uint64_t)kib * 1024;
    else if (strncmp(line, "NSpid:", 6) == 0)
      *own_id = (uint32_t)strtoul(strrchr(line, '\t') + 1, NULL, 10);
  }
  fclose(status);
  make_printable(process->name);
  return true;
}

/* ---- figures */

/* The file that the process has mapped, and no other that has come under its name; -1: it is not there. */
static int open_if_mapped(const char *path, const struct mappings *mappings)
{
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
  if (fd < 0)
    return -1;
  /* On some file systems the two tell different numbers for the device. */
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_ino != mappings->inode ||
      status.st_size < (off_t)sizeof(struct figures_file)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* The path is one from the root of the process if that has a mount namespace of its own, else from ours; that makes a
   difference when the process has changed its root since (chroot). */
static int open_figures(int id, const struct mappings *mappings)
{
  char *path = tool_format("/proc/%d/root%s", id, mappings->figures);
  int fd = open_if_mapped(path, mappings);
  free(path);
  return fd >= 0 ? fd : open_if_mapped(mappings->figures, mappings);
}

static bool read_at(int fd, void *buffer, size_t size, size_t offset)
{
  return pread(fd, buffer, size, (off_t)offset) == (ssize_t)size;
}

/* The slot whose owner it is; -1: none. */
static int find_slot(int fd, uint32_t own_id)
{
  static struct figures_file header;   /* up to the slots */
  if (!read_at(fd, &header, offsetof(struct figures_file, slot), 0) || header.magic != FIGURES_MAGIC ||
      header.version != FIGURES_VERSION || header.slots != FIGURES_SLOTS)
    return -1;
  for (int i = 0; i < FIGURES_SLOTS; i++)
    if (header.owner[i] == own_id)
      return i;
  return -1;
}

/* Again until the sequence was even, and the same before and after. */
static bool read_slot(int fd, int index, struct figures_slot *slot)
{
  size_t offset = offsetof(struct figures_file, slot) + (size_t)index * sizeof *slot;
  for (unsigned tries = 0; tries < TRIES; tries++) {
    uint32_t before, after;
    bool whole = read_at(fd, &before, sizeof before, offset) && read_at(fd, slot, sizeof *slot, offset) &&
                 read_at(fd, &after, sizeof after, offset);
    if (!whole)
      return false;
    if (before % 2 == 0 && before == after && slot->sequence == before)
      return true;
    const struct timespec moment = {0, 100000};
    nanosleep(&moment, NULL);
  }
  return false;
}

static uint64_t since(uint64_t then_ms)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
  return now_ms > then_ms ? now_ms - then_ms : 0;
}

static void read_figures(struct process *process, const struct mappings *mappings, uint32_t own_id)
{
  int fd = open_figures(process->id, mappings);
  if (fd < 0)
    return;
  struct figures_slot *figures = &process->figures;
  int index = find_slot(fd, own_id);
  process->published = index >= 0 && read_slot(fd, index, figures) && figures->process == own_id;
  close(fd);
  figures->program[FIGURES_PROGRAM_MAX - 1] = '\0';
  figures->release[FIGURES_RELEASE_MAX - 1] = '\0';
  make_printable(figures->program);
  make_printable(figures->release);
  process->age_ms = since(figures->updated_ms);
  process->running_ms = since(figures->started_ms);
}

/* ---- processes */

enum process_answer process_look(int id, struct process *process)
{
  struct mappings mappings;
  uint32_t own_id;
  *process = (struct process){.id = id};
  enum process_answer answer = read_mappings(id, &mappings);
  if (answer != PROCESS_FOUND)
    return answer;
  process->library = mappings.library;
  if (!read_status(process, &own_id))
    answer = PROCESS_GONE;
  else if (mappings.figures != NULL)
    read_figures(process, &mappings, own_id);
  free(mappings.figures);
  return answer;
}

static int by_id(const void *a, const void *b)
{
  int first = ((const struct process *)a)->id, second = ((const struct process *)b)->id;
  return (first > second) - (first < second);
}

struct process *processes_find(unsigned *count, unsigned *forbidden)
{
  struct process *processes = tool_allocate(1), process;
  DIR *folder = opendir("/proc");
  *count = *forbidden = 0;
  if (folder == NULL) {
    free(processes);
    return NULL;
  }
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0]))
      continue;
    enum process_answer answer = process_look(atoi(entry->d_name), &process);
    *forbidden += answer == PROCESS_FORBIDDEN;
    if (answer != PROCESS_FOUND)
      continue;
    processes = tool_room(processes, *count, sizeof *processes);
    processes[(*count)++] = process;
  }
  closedir(folder);
  qsort(processes, *count, sizeof *processes, by_id);
  return processes;
}
