/* timed.c - a trial that takes itself back: what lies in run/libhakmem, and the mount. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "timed.h"
#include "timer.h"

/* In run/libhakmem besides TIMER_DEADLINE: the list that is mounted. */
static const char list_name[] = "ld.so.preload";
/* Is there when the file below the mount was made for it. */
static const char made_name[] = "made";
enum { MAX_DURATION = 30 * 24 * 3600 };

unsigned timed_parse(const char *text)
{
  static const struct { const char *name; unsigned seconds; } units[] = {
    {"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}
  };
  unsigned long total = 0;
  while (*text >= '0' && *text <= '9') {
    char *end;
    unsigned long count = strtoul(text, &end, 10);
    size_t length = strcspn(end, "0123456789");
    unsigned unit = 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
      if (strlen(units[i].name) == length && strncmp(units[i].name, end, length) == 0)
        unit = units[i].seconds;
    if (unit == 0 || count > MAX_DURATION / unit)
      return 0;
    total += count * unit;
    text = end + length;
  }
  return *text == '\0' && total <= MAX_DURATION ? (unsigned)total : 0;
}

const char *timed_text(double seconds, char *buffer, size_t size)
{
  unsigned long whole = seconds > 0 ? (unsigned long)(seconds + 0.5) : 0;
  if (whole >= 3600)
    snprintf(buffer, size, "%lu h %lu min", whole / 3600, whole % 3600 / 60);
  else if (whole >= 60)
    snprintf(buffer, size, "%lu min %lu s", whole / 60, whole % 60);
  else
    snprintf(buffer, size, "%lu s", whole);
  return buffer;
}

static bool failed(const struct preload_file *file, const char *what)
{
  tool_error("%s/%s: %s", file->root_name, what, strerror(errno));
  return false;
}

/* run/libhakmem, which only root can write to; -1 if it is not there or could not be made. */
static int open_folder(const struct preload_file *file, bool make)
{
  int run = openat(file->root, "run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (run < 0)
    return -1;
  if (make && mkdirat(run, "libhakmem", 0755) != 0 && errno != EEXIST) {
    close(run);
    return -1;
  }
  int folder = openat(run, "libhakmem", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  close(run);
  struct stat status;
  if (folder >= 0 && fstat(folder, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & 022))
    return folder;
  if (folder >= 0)
    close(folder);
  errno = EPERM;
  return -1;
}

/* The file of the mounted list is the one in run/libhakmem. */
static bool is_mounted(const struct preload_file *file, int folder)
{
  struct stat list;
  return file->exists && folder >= 0 && fstatat(folder, list_name, &list, AT_SYMLINK_NOFOLLOW) == 0 &&
         list.st_dev == file->status.st_dev && list.st_ino == file->status.st_ino;
}

static bool names_ours(const struct preload_file *file)
{
  struct list_words words = list_words(&file->text);
  free(words.first);
  return words.ours != 0;
}

bool timed_active(const struct preload_file *file, double *left)
{
  int folder = open_folder(file, false);
  bool active = is_mounted(file, folder);
  *left = folder >= 0 ? (double)(timer_deadline(folder) - timer_now()) / TIMER_SECOND : -1;
  if (folder >= 0)
    close(folder);
  /* Somebody has cleared run: the mount is there still. */
  return active || (file->is_mount && names_ours(file));
}

static bool write_state(const struct preload_file *file, int folder, const struct text *list,
                        int64_t deadline)
{
  char *line = tool_format("%" PRId64 "\n", deadline);
  struct text text = {line, strlen(line)};
  char *shown = tool_format("%s/run/libhakmem", file->root_name);
  bool good = preload_file_replace(folder, TIMER_DEADLINE, shown, &text, -1);
  /* A list that is mounted stays the file that it is. */
  if (good && list != NULL) {
    int like = file->exists ? openat(file->etc, list_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    good = preload_file_replace(folder, list_name, shown, list, like);
    if (like >= 0)
      close(like);
  }
  free(shown);
  free(line);
  return good;
}

/* The mount needs a file to lie on; an empty one does nothing, and timed_end removes it. */
static bool make_mount_point(struct preload_file *file, int folder)
{
  static const struct text nothing = {NULL, 0};
  if (file->exists)
    return true;
  int made = openat(folder, made_name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (made < 0)
    return failed(file, "run/libhakmem");
  close(made);
  return preload_file_write(file, &nothing) && preload_file_read(file);
}

static bool mount_list(const struct preload_file *file)
{
  static const char list[] = "run/libhakmem/ld.so.preload", place[] = "etc/ld.so.preload";
  if (fchdir(file->root) == 0 && mount(list, place, NULL, MS_BIND, NULL) == 0)
    return true;
  return failed(file, "etc/ld.so.preload: cannot mount the list for a time");
}

bool timed_begin(struct preload_file *file, const struct text *text, unsigned seconds)
{
  int folder = open_folder(file, true);
  if (folder < 0)
    return failed(file, "run/libhakmem");
  bool longer = is_mounted(file, folder);
  if (*file->root_name == '\0' && !timer_in_main_namespace())
    tool_warning("this mount namespace is not the system's: only programs in it will see the trial");
  int64_t deadline = timer_now() + (int64_t)seconds * TIMER_SECOND;
  /* The way back first: whatever ends this process from here on, what was begun is taken back. */
  bool good = write_state(file, folder, longer ? NULL : text, deadline) && timer_start(file, deadline);
  if (good && !longer)
    good = make_mount_point(file, folder) && mount_list(file) && preload_file_read(file);
  close(folder);
  if (!good && !longer)
    timed_end(file);
  return good;
}

bool timed_end(struct preload_file *file)
{
  double left;
  while (timed_active(file, &left)) {
    if (fchdir(file->root) != 0 || umount2("etc/ld.so.preload", MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
      return failed(file, "etc/ld.so.preload: cannot unmount the list");
    if (!preload_file_read(file))
      return false;
  }
  bool made = false;
  int folder = open_folder(file, false);
  if (folder >= 0) {
    unlinkat(folder, list_name, 0);
    unlinkat(folder, TIMER_DEADLINE, 0);
    made = unlinkat(folder, made_name, 0) == 0;
    close(folder);
  }
  return !made || !file->exists || file->text.length != 0 || preload_file_remove(file);
}
