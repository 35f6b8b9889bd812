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
struct output {
  int fd;                  /* -1: none; 0 before the start is nobody's: it has no identity */
  uint32_t lines;          /* atomic, relaxed */
  struct identity identity;
  bool hasty;              /* opened here, and its lines are dropped where they would have to be waited for */
};
static struct output outputs[TRACE_OUTPUTS];

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

static const char *pattern_of(enum trace_output which) { return which == TRACE_ACE ? option_ace_log : option_log_file; }

/* Appends, so that processes with one file do not overwrite each other. */
static int open_log_file(enum trace_output which) {
  char path[OPTION_PATH_MAX];
  int fd = -1;
  if (trace_expand(path, pattern_of(which)))
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
                      0666);
  else
    errno = ENAMETOOLONG;
  if (fd < 0) {
    message_print(MESSAGE_ERROR,
                  "HAKMEM_%s=%s: cannot be opened (errno %d); standard error is used instead",
                  which == TRACE_ACE ? "ACE_LOG" : "LOG_FILE", pattern_of(which), errno);
    return -1;
  }
  int high = duplicate_high(fd);
  if (high < 0) return fd;
  syscall(SYS_close, fd);
  return high;
}

/* The description is ours alone, unlike that of a duplicate of standard error. */
static bool make_hasty(int fd) {
  long flags = syscall(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && syscall(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void open_output(enum trace_output which) {
  struct output *output = &outputs[which];
  int fd = pattern_of(which)[0] != '\0' ? open_log_file(which) : -1;
  output->hasty = fd >= 0 && which == TRACE_ACE && make_hasty(fd);
  if (fd < 0) fd = duplicate_high(2);
  if (fd >= 0 && !identify(fd, &output->identity)) {
    syscall(SYS_close, fd);
    fd = -1;
  }
  __atomic_store_n(&output->fd, fd, __ATOMIC_RELAXED);
  __atomic_store_n(&output->lines, 0, __ATOMIC_RELAXED);
}

static bool is_wanted(enum trace_output which) {
  if (pattern_of(which)[0] != '\0') return which == TRACE_MAIN || option.ace != ACE_OFF;
  return which == TRACE_MAIN && (option.stats != STATS_OFF || option.free_route_trace || option.super_reg_reqtrace ||
                                 option.invalid_free_log || option.profile_leaks != 0);
}

void trace_init(void) {
  int saved_errno = errno;
  for (enum trace_output which = TRACE_MAIN; which < TRACE_OUTPUTS; which++) {
    __atomic_store_n(&outputs[which].fd, -1, __ATOMIC_RELAXED);
    if (is_wanted(which)) open_output(which);
  }
  errno = saved_errno;
}

void trace_fork_child(void) {
  int saved_errno = errno;
  for (enum trace_output which = TRACE_MAIN; which < TRACE_OUTPUTS; which++) {
    struct output *output = &outputs[which];
    int fd = __atomic_load_n(&output->fd, __ATOMIC_RELAXED);
    struct identity now;
    if (fd < 0 || strstr(pattern_of(which), "%p") == NULL) continue;
    /* What the program has opened under that number meanwhile stays open. */
    if (identify(fd, &now) && memcmp(&now, &output->identity, sizeof now) == 0) syscall(SYS_close, fd);
    open_output(which);
  }
  errno = saved_errno;
}

/* Writes all of it if the descriptor is still ours; errno is the caller's matter. */
static void write_checked(struct output *output, const char *text, size_t size) {
  int fd = __atomic_load_n(&output->fd, __ATOMIC_RELAXED);
  if (fd < 0) return;
  struct identity now;
  if (!identify(fd, &now) || memcmp(&now, &output->identity, sizeof now) != 0) {
    __atomic_store_n(&output->fd, -1, __ATOMIC_RELAXED);   /* the program has closed or reused it */
    return;
  }
  if (output->hasty) {
    (void)os_write_pipe(fd, text, size);
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

static void write_output(struct output *output, const char *text, size_t size) {
  int saved_errno = errno;
  write_checked(output, text, size);
  errno = saved_errno;
}

void trace_write(const char *text, size_t size) { write_output(&outputs[TRACE_MAIN], text, size); }

static void write_line(struct output *output, const char *format, va_list args) {
  char line[MESSAGE_MAX];
  if (__atomic_load_n(&output->fd, __ATOMIC_RELAXED) < 0) return;
  if (__atomic_load_n(&output->lines, __ATOMIC_RELAXED) > LINES_MAX) return;   /* or the counter would wrap */
  uint32_t before = __atomic_fetch_add(&output->lines, 1, __ATOMIC_RELAXED);
  if (before > LINES_MAX) return;
  size_t length;
  if (before == LINES_MAX)
    length = message_format(line, sizeof line, "hakmem: %d lines were written, the rest is dropped", LINES_MAX);
  else
    length = message_vformat(line, sizeof line, format, args);
  if (length > sizeof line - 1) length = sizeof line - 1;
  line[length++] = '\n';   /* over the terminator: one write a line, so that threads do not mix */
  write_output(output, line, length);
}

void trace_line(const char *format, ...) {
  va_list args;
  va_start(args, format);
  write_line(&outputs[TRACE_MAIN], format, args);
  va_end(args);
}

void trace_line_to(enum trace_output which, const char *format, ...) {
  va_list args;
  va_start(args, format);
  write_line(&outputs[which], format, args);
  va_end(args);
}

bool trace_is_open(enum trace_output which) { return __atomic_load_n(&outputs[which].fd, __ATOMIC_RELAXED) >= 0; }
