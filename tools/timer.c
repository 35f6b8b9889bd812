/* timer.c - calls "hakmemctl disable --if-expired" when a time is over. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "hakmemctl.h"
#include "timer.h"

/* The sleeper looks at the clock again after so long: poll's does not count while the machine is suspended.
   */
enum { MAX_SLEEP = 60 * TIMER_SECOND, MAX_DESCRIPTOR = 1024 };

int64_t timer_now(void)
{
  struct timespec now = {0, 0};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * TIMER_SECOND + now.tv_nsec / (1000000000 / TIMER_SECOND);
}

int64_t timer_deadline(int folder)
{
  char text[32] = "";
  int state = openat(folder, TIMER_DEADLINE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (state < 0)
    return 0;
  ssize_t length = read(state, text, sizeof text - 1);
  close(state);
  return length > 0 ? strtoll(text, NULL, 10) : 0;
}

bool timer_in_main_namespace(void)
{
  struct stat own, main;
  return stat("/proc/self/ns/mnt", &own) == 0 && stat("/proc/1/ns/mnt", &main) == 0 &&
         own.st_dev == main.st_dev && own.st_ino == main.st_ino;
}

/* What systemd starts sees the system's mounts. */
static bool systemd_runs(const struct preload_file *file)
{
  return *file->root_name == '\0' && access("/run/systemd/system", F_OK) == 0 && timer_in_main_namespace();
}

static bool start_systemd_timer(int64_t deadline)
{
  char own[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
  if (length <= 0)
    return false;
  own[length] = '\0';
  char *when = tool_format("--on-active=%" PRId64 "ms", deadline - timer_now());
  char *unit = tool_format("--unit=hakmemctl-trial-%" PRId64, deadline);   /* for who looks at list-timers */
  const char *const words[] = {"systemd-run", "--quiet", "--collect", unit, when, "--timer-property=AccuracySec=1s",
                               "--description=end of the trial of libhakmem", own, "disable", "--if-expired",
                               NULL};
  pid_t child = fork();
  if (child == 0) {
    tool_exec(words[0], words);
    tool_error("cannot run %s: %s", words[0], strerror(errno));
    _exit(TOOL_NOT_FOUND);
  }
  free(when);
  free(unit);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* Waits until the time is over (true) or somebody else has changed or removed the deadline. */
static bool wait_for(int64_t deadline)
{
  int changes = inotify_init1(IN_CLOEXEC);
  inotify_add_watch(changes, "run/libhakmem", IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF);
  while (true) {
    int folder = open("run/libhakmem", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int64_t wanted = folder >= 0 ? timer_deadline(folder) : 0;
    if (folder >= 0)
      close(folder);
    int64_t left = deadline - timer_now();
    if (wanted != deadline || left <= 0)
      return wanted == deadline;
    struct pollfd event = {.fd = changes, .events = POLLIN};
    char ignored[4096];
    if (poll(&event, 1, (int)(left < MAX_SLEEP ? left : MAX_SLEEP)) > 0 &&
        read(changes, ignored, sizeof ignored) <= 0)
      return true;
  }
}

/* Keeps nothing of its parent: no lock, no terminal, no pipe that somebody waits for. */
static void detach(const struct preload_file *file)
{
  setsid();
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = STDIN_FILENO; nothing >= 0 && i <= STDERR_FILENO; i++)
    dup2(nothing, i);
  if (fchdir(file->root) != 0)
    _exit(TOOL_FAILED);
  for (int i = STDERR_FILENO + 1; i < MAX_DESCRIPTOR; i++)
    close(i);
}

/* The program that ends the trial is this one, even if its file has been replaced. */
static _Noreturn void sleep_and_disable(const struct preload_file *file, int64_t deadline)
{
  static const char *const words[] = {"hakmemctl", "disable", "--if-expired", "--root=.", NULL};
  detach(file);
  if (wait_for(deadline))
    tool_exec("/proc/self/exe", words);
  _exit(TOOL_FAILED);
}

static bool start_sleeper(const struct preload_file *file, int64_t deadline)
{
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    pid_t sleeper = fork();
    if (sleeper == 0)
      sleep_and_disable(file, deadline);
    _exit(sleeper < 0 ? TOOL_FAILED : TOOL_OK);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool timer_start(const struct preload_file *file, int64_t deadline)
{
  if (systemd_runs(file)) {
    if (start_systemd_timer(deadline))
      return true;
    tool_warning("systemd-run failed; a process of hakmemctl waits for the end instead");
  }
  if (start_sleeper(file, deadline))
    return true;
  tool_error("cannot start the process that would take the trial back: %s", strerror(errno));
  return false;
}
