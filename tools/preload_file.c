/* preload_file.c - /etc/ld.so.preload, read and replaced in one step. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "preload_file.h"

static const char name[] = "ld.so.preload";
/* A file as long as this is no list of libraries. */
enum { MAX_LENGTH = 1 << 20, LOCK_SECONDS = 10, LOCK_TRIES_PER_SECOND = 20, FILE_MODE = 0644 };

static bool failed(const struct preload_file *file, const char *what)
{
  tool_error("%s/etc/%s%s: %s", file->root_name, name, what, strerror(errno));
  return false;
}

static bool refused(const struct preload_file *file, const char *why)
{
  tool_error("%s/etc/%s %s", file->root_name, name, why);
  return false;
}

bool preload_file_open(struct preload_file *file, const char *root)
{
  *file = (struct preload_file){.root_name = strcmp(root, "/") == 0 ? "" : root, .root = -1, .etc = -1};
  file->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file->root < 0) {
    tool_error("%s: %s", root, strerror(errno));
    return false;
  }
  file->etc = openat(file->root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (file->etc < 0) {
    bool link = errno == ELOOP || errno == ENOTDIR;
    const char *why = link ? "is a symbolic link or no folder: refused" : strerror(errno);
    tool_error("%s/etc: %s", file->root_name, why);
    return false;
  }
  return preload_file_read(file);
}

/* Kernels before 5.8 do not tell; then renaming says so. */
static bool is_mount_point(int file)
{
  struct statx facts;
  return statx(file, "", AT_EMPTY_PATH, 0, &facts) == 0 &&
         (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static bool read_text(struct preload_file *file, int descriptor)
{
  file->text = (struct text){tool_allocate(MAX_LENGTH), 0};
  while (file->text.length < MAX_LENGTH) {
    ssize_t got = read(descriptor, file->text.bytes + file->text.length, MAX_LENGTH - file->text.length);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failed(file, "");
    if (got == 0)
      return true;
    file->text.length += (size_t)got;
  }
  return refused(file, "is longer than 1 MiB: that is no list of libraries");
}

bool preload_file_read(struct preload_file *file)
{
  free(file->text.bytes);
  file->text = (struct text){NULL, 0};
  file->exists = file->is_mount = false;
  struct stat status;
  if (fstatat(file->etc, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || failed(file, "");
  if (S_ISLNK(status.st_mode))
    return refused(file, "is a symbolic link: refused");
  if (!S_ISREG(status.st_mode))
    return refused(file, "is not a file: refused");
  int descriptor = openat(file->etc, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0)
    return failed(file, "");
  file->exists = true;
  file->is_mount = is_mount_point(descriptor);
  bool good = fstat(descriptor, &file->status) == 0 || failed(file, "");
  good = good && read_text(file, descriptor);
  close(descriptor);
  return good;
}

bool preload_file_lock(struct preload_file *file)
{
  static const struct timespec pause = {0, 1000000000 / LOCK_TRIES_PER_SECOND};
  for (int i = 0; i < LOCK_SECONDS * LOCK_TRIES_PER_SECOND; i++) {
    if (flock(file->etc, LOCK_EX | LOCK_NB) == 0)
      return true;
    if (errno != EWOULDBLOCK && errno != EINTR)
      return failed(file, ": cannot lock its folder");
    nanosleep(&pause, NULL);
  }
  tool_error("another hakmemctl has been writing to %s/etc for %d seconds: nothing was changed",
             file->root_name, LOCK_SECONDS);
  return false;
}

bool preload_file_writable(const struct preload_file *file)
{
  if (file->is_mount)
    return refused(file, "is a mount point and cannot be replaced: unmount it first");
  return faccessat(file->etc, ".", W_OK, AT_EACCESS) == 0 || failed(file, " cannot be replaced");
}

static bool write_all(int descriptor, const struct text *text)
{
  size_t done = 0;
  while (done < text->length) {
    ssize_t got = write(descriptor, text->bytes + done, text->length - done);
    if (got < 0 && errno != EINTR)
      return false;
    done += got > 0 ? (size_t)got : 0;
  }
  return true;
}

/* Labels of security modules and access lists. A file system without them has nothing to copy. */
static bool copy_attributes(int from, int to)
{
  char names[4096], value[4096];
  ssize_t length = flistxattr(from, names, sizeof names);
  if (length < 0)
    return errno == ENOTSUP || errno == ENOSYS;
  for (const char *next = names; next < names + length; next += strlen(next) + 1) {
    ssize_t size = fgetxattr(from, next, value, sizeof value);
    if (size < 0 || (fsetxattr(to, next, value, (size_t)size, 0) != 0 && errno != ENOTSUP))
      return false;
  }
  return true;
}

static bool take_after(int descriptor, int like)
{
  struct stat old, own;
  if (like < 0)
    return fchmod(descriptor, FILE_MODE) == 0;
  if (fstat(like, &old) != 0 || fstat(descriptor, &own) != 0)
    return false;
  bool same_owner = old.st_uid == own.st_uid && old.st_gid == own.st_gid;
  if (!same_owner && fchown(descriptor, old.st_uid, old.st_gid) != 0)
    return false;
  return fchmod(descriptor, old.st_mode & 07777) == 0 && copy_attributes(like, descriptor);
}

/* All of it, then on the disk, then under its name. */
static bool fill_and_rename(int folder, const char *temporary, const char *final, const struct text *text,
                            int like)
{
  /* A crash may have left one behind; whoever holds the lock owns the name. */
  unlinkat(folder, temporary, 0);
  int descriptor = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return false;
  bool good = write_all(descriptor, text) && take_after(descriptor, like) && fsync(descriptor) == 0;
  int error = errno;
  if (close(descriptor) != 0 && good) {
    good = false;
    error = errno;
  }
  if (good && renameat(folder, temporary, folder, final) == 0)
    return true;
  error = good ? errno : error;
  unlinkat(folder, temporary, 0);
  errno = error;
  return false;
}

/* Signals wait until the file is whole. */
static void hold_signals(sigset_t *old)
{
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, old);
}

bool preload_file_replace(int folder, const char *final, const char *path, const struct text *text, int like)
{
  char *temporary = tool_format(".%s.hakmemctl", final);
  sigset_t old;
  hold_signals(&old);
  bool good = fill_and_rename(folder, temporary, final, text, like);
  int error = errno;
  bool on_disk = !good || fsync(folder) == 0;
  sigprocmask(SIG_SETMASK, &old, NULL);
  free(temporary);
  if (!good)
    tool_error("%s: cannot be replaced: %s; the old one stays as it is", path, strerror(error));
  if (!on_disk)
    tool_warning("%s was replaced, but may be the old one after a power failure: %s", path, strerror(errno));
  return good;
}

bool preload_file_write(struct preload_file *file, const struct text *text)
{
  int like = file->exists ? openat(file->etc, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
  if (file->exists && like < 0)
    return failed(file, "");
  char *path = tool_format("%s/etc/%s", file->root_name, name);
  bool good = preload_file_replace(file->etc, name, path, text, like);
  free(path);
  if (like >= 0)
    close(like);
  return good;
}

bool preload_file_remove(struct preload_file *file)
{
  if (unlinkat(file->etc, name, 0) != 0)
    return failed(file, ": cannot be removed");
  if (fsync(file->etc) != 0)
    tool_warning("%s/etc/%s was removed, but may come back after a power failure: %s", file->root_name, name,
                 strerror(errno));
  return true;
}

void preload_file_close(struct preload_file *file)
{
  free(file->text.bytes);
  if (file->etc >= 0)
    close(file->etc);
  if (file->root >= 0)
    close(file->root);
}
