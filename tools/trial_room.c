/* trial_room.c - a mount namespace in which /etc/ld.so.preload can be changed. */
#include <config.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "trial_room.h"

static const char preload_name[] = "ld.so.preload";
/* Where the room's etc has the real one. */
static const char original[] = ".hakmemctl-etc";

/* Beside hakmemctl itself, as in a folder where it was built, or where it is installed (TOOL_HELPER_FOLDER).
   Open, since the folder may not be there in the room. */
static int open_helper(void)
{
  char own[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
  own[length > 0 ? length : 0] = '\0';
  char *slash = strrchr(own, '/');
  int helper = -1;
  if (slash != NULL) {
    *slash = '\0';
    char *beside = tool_format("%s/hakmemctl-trial", own);
    helper = open(beside, O_RDONLY | O_CLOEXEC);
    free(beside);
  }
  if (helper < 0)
    helper = open(TOOL_HELPER_FOLDER "/hakmemctl-trial", O_RDONLY | O_CLOEXEC);
  if (helper < 0)
    tool_error("cannot open " TOOL_HELPER_FOLDER "/hakmemctl-trial, which the trial needs: %s",
               strerror(errno));
  return helper;
}

static bool room_failed(const char *what)
{
  tool_error("cannot set up the trial: %s: %s%s", what, strerror(errno),
             errno == EPERM ? " (it needs root, or CAP_SYS_ADMIN in a container)" : "");
  return false;
}

static bool link_names(DIR *names, int etc)
{
  for (struct dirent *entry; (entry = readdir(names)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, preload_name) == 0)
      continue;
    char *target = tool_format("%s/%s", original, name);
    int made = symlinkat(target, etc, name);
    free(target);
    if (made != 0)
      return false;
  }
  return true;
}

/* A second etc over the first, which stays reachable in it. The current folder is the system's root. */
static bool cover_etc(struct trial_room *room)
{
  int old = open("etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (old < 0)
    return room_failed("etc");
  if (mount("hakmemctl", "etc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
    return room_failed("mount");
  room->etc = open("etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (room->etc < 0 || mkdirat(room->etc, original, 0755) != 0)
    return room_failed("etc");
  char *target = tool_format("../etc/%s", original);
  /* Not with what is mounted below it: that is the new etc, too. */
  bool bound = fchdir(old) == 0 && mount(".", target, NULL, MS_BIND, NULL) == 0;
  free(target);
  if (!bound)
    return room_failed("bind mount");
  DIR *names = fdopendir(old);
  if (names == NULL)
    return room_failed("etc");
  bool good = link_names(names, room->etc) || room_failed("symlink");
  closedir(names);
  return good;
}

bool trial_room_enter(struct trial_room *room, const struct preload_file *file)
{
  *room = (struct trial_room){.file = file, .etc = -1, .helper = open_helper()};
  if (room->helper < 0)
    return false;
  /* The current folder is taken along to the new namespace; descriptors stay in the old one. */
  if (fchdir(file->root) != 0 || unshare(CLONE_NEWNS) != 0)
    return room_failed("new mount namespace");
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return room_failed(errno == EINVAL ? "private mounts (in a chroot its folder must be a mount: mount --bind FOLDER FOLDER)"
                                       : "private mounts");
  int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || !cover_etc(room))
    return false;
  if (fchdir(root) != 0 || chroot(".") != 0 || chdir("/") != 0)
    return room_failed("chroot");
  close(root);
  return true;
}

void trial_room_set(const struct trial_room *room, const struct text *text)
{
  if (unlinkat(room->etc, preload_name, 0) != 0 && errno != ENOENT)
    exit((room_failed(preload_name), TOOL_FAILED));
  if (text == NULL && !room->file->exists)
    return;
  if (text == NULL)
    text = &room->file->text;
  int file = openat(room->etc, preload_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  ssize_t written = file >= 0 ? write(file, text->bytes, text->length) : -1;
  if (written != (ssize_t)text->length || fchmod(file, 0644) != 0)
    exit((room_failed(preload_name), TOOL_FAILED));
  close(file);
}
