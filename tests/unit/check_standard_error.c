/* Tests of standard_error.c. */
#include <config.h>
#include "standard_error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "message.h"
#include "unit.h"

static char path[] = "/tmp/hakmem-stderr.XXXXXX";
static int saved;

static void set_up(void) {
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  saved = fcntl(2, F_DUPFD, 100);
  message_level = MESSAGE_ERROR;
}
static void tear_down(void) { unlink(path); }

/* A line with this in the place of descriptor 2; then it is as before. Takes the descriptor. */
static void print_on(int fd) {
  ck_assert_int_ge(fd, 0);
  if (fd != 2) {
    dup2(fd, 2);
    close(fd);
  }
  errno = 77;
  message_print(MESSAGE_ERROR, "a line");
  ck_assert_int_eq(errno, 77);
  dup2(saved, 2);
}

static size_t size_of_file(void) {
  struct stat status;
  ck_assert_int_eq(stat(path, &status), 0);
  return (size_t)status.st_size;
}

START_TEST(what_was_there_at_the_start_is_written_to) {
  int fd = open(path, O_RDWR);
  dup2(fd, 2);
  standard_error_init();
  print_on(fd);
  ck_assert_uint_gt(size_of_file(), 0);
  ck_assert_int_eq(truncate(path, 0), 0);
  print_on(open(path, O_RDWR));   /* the same file, opened again */
  ck_assert_uint_gt(size_of_file(), 0);
}
END_TEST

START_TEST(a_data_file_is_not_written_to) {
  standard_error_init();
  print_on(open(path, O_RDWR));
  print_on(open(path, O_WRONLY | O_TRUNC));
  ck_assert_uint_eq(size_of_file(), 0);
}
END_TEST

START_TEST(a_log_file_is) {
  standard_error_init();
  print_on(open(path, O_WRONLY | O_APPEND));
  ck_assert_uint_gt(size_of_file(), 0);
}
END_TEST

START_TEST(a_pipe_is_and_a_connection_is_not) {
  int ends[2], pair[2];
  char text[200];
  standard_error_init();
  ck_assert_int_eq(pipe(ends), 0);
  print_on(ends[1]);
  ck_assert_int_gt(read(ends[0], text, sizeof text), 0);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  print_on(pair[1]);
  ck_assert_int_eq(recv(pair[0], text, sizeof text, MSG_DONTWAIT), 0);   /* closed, and nothing came */
}
END_TEST

START_TEST(it_was_closed_at_the_start) {
  close(2);
  standard_error_init();
  ck_assert(!standard_error_is_there());
  print_on(open(path, O_RDWR));   /* gets the number */
  ck_assert_uint_eq(size_of_file(), 0);
}
END_TEST

START_TEST(without_a_start_every_line_is_written) {
  print_on(open(path, O_RDWR));
  ck_assert_uint_gt(size_of_file(), 0);
}
END_TEST

UNIT_MAIN_WITH("standard_error", set_up, tear_down, what_was_there_at_the_start_is_written_to, a_data_file_is_not_written_to,
               a_log_file_is, a_pipe_is_and_a_connection_is_not, it_was_closed_at_the_start, without_a_start_every_line_is_written)
