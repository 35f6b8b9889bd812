/* trace.c - where reports and traces go. */
#include <config.h>
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "message.h"
#include "options.h"
#include "os_file.h"

/* Descriptors from here on: programs count on the low ones, and close or reuse them. */
enum { HIGH_FD = 200, LINES_MAX = 1000000 };

struct identity {
  uint64_t device, inode;
};

/* Set by trace_init() and trace_fork_child(), while there is one thread; constant in between, but
   for the descriptor, which any thread may drop (atomic, relaxed: nothing is published by it). */
static int output = -1;
static struct identity output_identity;
static uint32_t lines;   /* atomic, relaxed */

static bool identify(int fd, struct identity *identity) {
  struct os_file_status status;
  if (!os_file_status(fd, &status)) return false;
  *identity = (struct identity){ status.device, status.inode };
  return true;
}

/* A duplicate of fd out of the way of the program; the low one when the limit on descriptors is lower. */
static int duplicate_high(int fd) {
  int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIGH_FD);
  return high >= 0 ? high : (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
}

bool trace_expand(char *path, const char *pattern) {
  size_t length = 0;
  for (; *pattern != '\0'; pattern++) {
    size_t room = OPTION_PATH_MAX - length;
    bool escape = pattern[0] == '%' && pattern[1] != '\0';
    if (escape) pattern++;
    if (escape && *pattern == 'p')
      length += message_format(path + length, room, "%d", (int)syscall(SYS_getpid));
    else
      length += message_format(path + length, room, "%c", *pattern);
    if (length >= OPTION_PATH_MAX) return false;
  }
  path[length] = '\0';
  return true;
}

/* Appends, so that processes with one file do not overwrite each other. */
static int open_log_file(void) {
  char path[OPTION_PATH_MAX];
  int fd = -1;
  if (trace_expand(path, option_log_file))
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
                      0666);
  else
    errno = ENAMETOOLONG;
  if (fd < 0) {
    message_print(MESSAGE_ERROR,
                  "HAKMEM_LOG_FILE=%s: cannot be opened (errno %d); standard error is used instead",
                  option_log_file, errno);
    return -1;
  }
  int high = duplicate_high(fd);
  if (high < 0) return fd;
  syscall(SYS_close, fd);
  return high;
}

static void open_output(void) {
  int fd = option_log_file[0] != '\0' ? open_log_file() : -1;
  if (fd < 0) fd = duplicate_high(2);
  if (fd >= 0 && !identify(fd, &output_identity)) {
    syscall(SYS_close, fd);
    fd = -1;
  }
  __atomic_store_n(&output, fd, __ATOMIC_RELAXED);
  __atomic_store_n(&lines, 0, __ATOMIC_RELAXED);
}

void trace_init(void) {
  int saved_errno = errno;
  __atomic_store_n(&output, -1, __ATOMIC_RELAXED);
  if (option.stats != STATS_OFF || option.free_route_trace || option.super_reg_reqtrace ||
      option.invalid_free_log || option.profile_leaks != 0 || option_log_file[0] != '\0')
    open_output();
  errno = saved_errno;
}

void trace_fork_child(void) {
  int saved_errno = errno;
  int fd = __atomic_load_n(&output, __ATOMIC_RELAXED);
  struct identity now;
  if (fd >= 0 && strstr(option_log_file, "%p") != NULL) {
    /* What the program has opened under that number meanwhile stays open. */
    if (identify(fd, &now) && memcmp(&now, &output_identity, sizeof now) == 0) syscall(SYS_close, fd);
    open_output();
  }
  errno = saved_errno;
}

/* Writes all of it if the descriptor is still ours; errno is the caller's matter. */
static void write_checked(const char *text, size_t size) {
  int fd = __atomic_load_n(&output, __ATOMIC_RELAXED);
  if (fd < 0) return;
  struct identity now;
  if (!identify(fd, &now) || memcmp(&now, &output_identity, sizeof now) != 0) {
    __atomic_store_n(&output, -1, __ATOMIC_RELAXED);   /* the program has closed or reused it */
    return;
  }
  while (size > 0) {
    long written = syscall(SYS_write, fd, text, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text += written;
    size -= (size_t)written;
  }
}

void trace_write(const char *text, size_t size) {
  int saved_errno = errno;
  write_checked(text, size);
  errno = saved_errno;
}

void trace_line(const char *format, ...) {
  char line[MESSAGE_MAX];
  if (__atomic_load_n(&output, __ATOMIC_RELAXED) < 0) return;
  if (__atomic_load_n(&lines, __ATOMIC_RELAXED) > LINES_MAX) return;   /* or the counter would wrap */
  uint32_t before = __atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED);
  if (before > LINES_MAX) return;
  size_t length;
  if (before == LINES_MAX) {
    length = message_format(line, sizeof line, "hakmem: %d lines were written, the rest is dropped",
                            LINES_MAX);
  } else {
    va_list args;
    va_start(args, format);
    length = message_vformat(line, sizeof line, format, args);
    va_end(args);
  }
  if (length > sizeof line - 1) length = sizeof line - 1;
  line[length++] = '\n';   /* over the terminator: one write a line, so that threads do not mix */
  trace_write(line, length);
}
