/* Tests of trace.c. */
#include <config.h>
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "message.h"
#include "options.h"
#include "unit.h"

static char folder[] = "/tmp/hakmem-trace.XXXXXX";
static char path[200];

/* A file of the test's own folder; each test runs in a process of its own. */
static void set_up(void) {
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/log", folder);
  options_init(NULL, NULL, false, false);
}

static void tear_down(void) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
}

static void log_to(const char *pattern) {
  snprintf(option_log_file, sizeof option_log_file, "%s", pattern);
  trace_init();
}

/* The contents of a file, "" if there is none. */
static const char *contents(const char *name) {
  static char text[4096];
  int fd = open(name, O_RDONLY);
  ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
  text[length > 0 ? length : 0] = '\0';
  if (fd >= 0) close(fd);
  return text;
}

/* Puts the file in place of stderr; returns the old one. */
static int redirect_stderr(void) {
  int saved = dup(2), fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  ck_assert_int_ge(fd, 0);
  dup2(fd, 2);
  close(fd);
  return saved;
}

static int open_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

START_TEST(test_nothing_is_opened_unasked) {
  int before = open_descriptors();
  trace_init();
  ck_assert_int_eq(open_descriptors(), before);
  int saved = redirect_stderr();
  trace_line("to nobody");
  dup2(saved, 2);
  ck_assert_str_eq(contents(path), "");
}
END_TEST

START_TEST(test_lines_go_to_the_log_file) {
  log_to(path);
  trace_line("one %d", 1);
  trace_line("two %s", "2");
  trace_write("raw", 3);
  ck_assert_str_eq(contents(path), "one 1\ntwo 2\nraw");
}
END_TEST

START_TEST(test_log_file_is_appended_to) {
  log_to(path);
  trace_line("first");
  log_to(path);
  trace_line("second");
  ck_assert_str_eq(contents(path), "first\nsecond\n");
}
END_TEST

START_TEST(test_percent_p_is_the_process) {
  char pattern[250], name[250];
  snprintf(pattern, sizeof pattern, "%s/a%%%%b.%%p.log", folder);
  snprintf(name, sizeof name, "%s/a%%b.%d.log", folder, (int)getpid());
  log_to(pattern);
  trace_line("here");
  ck_assert_str_eq(contents(name), "here\n");
}
END_TEST

START_TEST(test_descriptor_is_high_and_closed_on_exec) {
  log_to(path);
  int found = -1;
  for (int fd = 3; fd < 1024; fd++) {
    struct stat ours, file;
    if (fstat(fd, &ours) != 0 || stat(path, &file) != 0) continue;
    if (ours.st_ino == file.st_ino && ours.st_dev == file.st_dev) found = fd;
  }
  ck_assert_int_ge(found, 100);
  ck_assert_int_eq(fcntl(found, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(test_stderr_closed_by_the_program_still_gets_lines) {
  option.stats = STATS_TEXT;
  int saved = redirect_stderr();
  trace_init();
  close(2);
  trace_line("late");
  dup2(saved, 2);
  ck_assert_str_eq(contents(path), "late\n");
}
END_TEST

START_TEST(test_reused_descriptor_is_left_alone) {
  char other[250];
  snprintf(other, sizeof other, "%s/other", folder);
  log_to(path);
  int fd = open(other, O_WRONLY | O_CREAT, 0600);
  ck_assert_int_ge(fd, 0);
  for (int high = 3; high < 1024; high++)   /* whatever trace.c holds is replaced,
    as by a program that closes all */
    if (high != fd && fcntl(high, F_GETFD) >= 0) dup2(fd, high);
  trace_line("must not arrive");
  trace_write("nor this", 8);
  ck_assert_str_eq(contents(other), "");
  ck_assert_str_eq(contents(path), "");
}
END_TEST

START_TEST(test_no_stderr_is_no_error) {
  option.free_route_trace = 1;
  int saved = dup(2);
  close(2);
  errno = ERANGE;
  trace_init();
  trace_line("nowhere");
  ck_assert_int_eq(errno, ERANGE);
  dup2(saved, 2);
}
END_TEST

START_TEST(test_bad_path_falls_back_to_stderr_with_a_line) {
  int saved = redirect_stderr();
  log_to("/nonexistent/folder/log");
  trace_line("still written");
  dup2(saved, 2);
  const char *text = contents(path);
  ck_assert_ptr_nonnull(strstr(text, "HAKMEM_LOG_FILE=/nonexistent/folder/log"));
  ck_assert_ptr_nonnull(strstr(text, "\nstill written\n"));
}
END_TEST

START_TEST(test_child_of_fork_gets_a_file_of_its_own) {
  char pattern[250], name[250];
  snprintf(pattern, sizeof pattern, "%s/%%p", folder);
  log_to(pattern);
  trace_line("parent");
  pid_t child = fork();
  if (child == 0) {
    trace_fork_child();
    trace_line("child");
    _exit(0);
  }
  waitpid(child, NULL, 0);
  snprintf(name, sizeof name, "%s/%d", folder, (int)child);
  ck_assert_str_eq(contents(name), "child\n");
  snprintf(name, sizeof name, "%s/%d", folder, (int)getpid());
  ck_assert_str_eq(contents(name), "parent\n");
}
END_TEST

START_TEST(test_child_of_fork_shares_a_file_without_p) {
  log_to(path);
  pid_t child = fork();
  if (child == 0) {
    trace_fork_child();
    trace_line("child");
    _exit(0);
  }
  waitpid(child, NULL, 0);
  trace_line("parent");
  ck_assert_str_eq(contents(path), "child\nparent\n");
}
END_TEST

/* The controller writes with locks held. */
START_TEST(test_ace_waits_for_no_reader) {
  enum { LINES = 5000 };
  char line[10];
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  int reader = open(path, O_RDWR);
  ck_assert_int_ge(reader, 0);
  option.ace = ACE_ON;
  snprintf(option_ace_log, sizeof option_ace_log, "%s", path);
  trace_init();
  for (int i = 0; i < LINES; i++) trace_line_to(TRACE_ACE, "%08d and more, so that they do not fit in a pipe", i);
  ck_assert_int_eq(read(reader, line, 8), 8);
  ck_assert_int_eq(memcmp(line, "00000000", 8), 0);
}
END_TEST

START_TEST(test_ace_outlives_its_reader) {
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  int reader = open(path, O_RDONLY | O_NONBLOCK);
  option.ace = ACE_ON;
  snprintf(option_ace_log, sizeof option_ace_log, "%s", path);
  trace_init();
  close(reader);
  errno = ERANGE;
  trace_line_to(TRACE_ACE, "to nobody");
  ck_assert_int_eq(errno, ERANGE);
}
END_TEST

START_TEST(test_long_line_is_cut) {
  char text[2 * MESSAGE_MAX];
  memset(text, 'y', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  log_to(path);
  trace_line("%s", text);
  ck_assert_uint_eq(strlen(contents(path)), MESSAGE_MAX);
  ck_assert_int_eq(contents(path)[MESSAGE_MAX - 1], '\n');
}
END_TEST

START_TEST(test_lines_are_bounded) {
  struct stat file;
  log_to(path);
  for (int i = 0; i < 1000100; i++) trace_line("x");
  ck_assert_int_eq(stat(path, &file), 0);
  ck_assert_int_gt(file.st_size, 2 * 1000000);
  ck_assert_int_lt(file.st_size, 2 * 1000000 + 100);   /* and one line that says so */
  char last[101];
  int fd = open(path, O_RDONLY);
  ssize_t length = pread(fd, last, 100, file.st_size - 100);
  ck_assert_int_eq(length, 100);
  last[100] = '\0';
  ck_assert_ptr_nonnull(strstr(last, "the rest is dropped\n"));
}
END_TEST

UNIT_MAIN_WITH("trace", set_up, tear_down, test_nothing_is_opened_unasked, test_lines_go_to_the_log_file,
               test_log_file_is_appended_to, test_percent_p_is_the_process,
                 test_descriptor_is_high_and_closed_on_exec,
               test_stderr_closed_by_the_program_still_gets_lines, test_reused_descriptor_is_left_alone,
               test_no_stderr_is_no_error, test_bad_path_falls_back_to_stderr_with_a_line,
               test_child_of_fork_gets_a_file_of_its_own, test_child_of_fork_shares_a_file_without_p, test_ace_waits_for_no_reader,
               test_ace_outlives_its_reader, test_long_line_is_cut, test_lines_are_bounded)
