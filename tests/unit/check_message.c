/* Tests of message.c. */
#include <config.h>
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unit.h"

/* What a function prints on fd 2. */
static size_t captured(void (*print)(void), char *buffer, size_t size) {
  int ends[2], saved = dup(2);
  ck_assert_int_eq(pipe(ends), 0);
  dup2(ends[1], 2);
  print();
  dup2(saved, 2);
  close(saved);
  close(ends[1]);
  ssize_t length = read(ends[0], buffer, size - 1);
  close(ends[0]);
  ck_assert_int_ge(length, 0);
  buffer[length] = '\0';
  return (size_t)length;
}

/* Our text must be the C library's. */
#define SAME_AS_LIBC(...)                                                        \
  do {                                                                           \
    char ours[200], theirs[200];                                                 \
    size_t length = message_format(ours, sizeof ours, __VA_ARGS__);              \
    ck_assert_uint_eq(length, (size_t)snprintf(theirs, sizeof theirs, __VA_ARGS__)); \
    ck_assert_str_eq(ours, theirs);                                              \
  } while (0)

START_TEST(test_conversions) {
  SAME_AS_LIBC("plain %% text");
  SAME_AS_LIBC("%s|%c|%s", "one", 'x', "");
  SAME_AS_LIBC("%d %d %d", 0, INT_MIN, INT_MAX);
  SAME_AS_LIBC("%ld %ld %lld %lld", LONG_MIN, LONG_MAX, LLONG_MIN, LLONG_MAX);
  SAME_AS_LIBC("%u %lu %llu %zu", UINT_MAX, ULONG_MAX, ULLONG_MAX, SIZE_MAX);
  SAME_AS_LIBC("%x %lx %llx %zx", 0xdeadbeefU, 0xfUL, 0x123456789abcdefULL, (size_t)0);
  SAME_AS_LIBC("%08x %02d %05d", 0xabcU, 7, 42);
  SAME_AS_LIBC("%p", (void *)0x7fff1234);
  SAME_AS_LIBC("%d %llu %d %lld %s", 1, 2ULL, 3, -4LL, "mixed widths");
}
END_TEST

START_TEST(test_null_pointer_is_zero) {
  char text[32];
  message_format(text, sizeof text, "%p", NULL);
  ck_assert_str_eq(text, "0x0");
}
END_TEST

START_TEST(test_cut_but_counted) {
  char text[8] = "#######";
  ck_assert_uint_eq(message_format(text, 5, "%s", "123456789"), 9);
  ck_assert_str_eq(text, "1234");
  ck_assert_int_eq(text[5], '#');
  ck_assert_uint_eq(message_format(NULL, 0, "%d", 12345), 5);
  text[0] = 'y';
  message_format(text, 1, "%s", "abc");
  ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(test_lonely_percent_ends_the_text) {
  char text[16];
  const char *volatile format = "50%";   /* not seen by the compiler's check */
  va_list none;
  memset(&none, 0, sizeof none);
  ck_assert_uint_eq(message_vformat(text, sizeof text, format, none), 2);
  ck_assert_str_eq(text, "50");
}
END_TEST

START_TEST(test_program_is_a_base_name) {
  ck_assert_str_ne(message_program(), "");
  ck_assert_ptr_null(strchr(message_program(), '/'));
  ck_assert_ptr_nonnull(strstr(message_program(), "check_message"));
}
END_TEST

static void print_hello(void) { message_print(MESSAGE_ERROR, "hello %d", 5); }
static void print_information(void) { message_print(MESSAGE_INFO, "more"); }

START_TEST(test_one_line_with_program_and_process) {
  char line[MESSAGE_MAX + 1], wanted[200];
  captured(print_hello, line, sizeof line);
  snprintf(wanted, sizeof wanted, "hakmem: %s[%d]: hello 5\n", message_program(), (int)getpid());
  ck_assert_str_eq(line, wanted);
}
END_TEST

START_TEST(test_level_decides) {
  char line[MESSAGE_MAX + 1];
  message_level = MESSAGE_ERROR;
  ck_assert_uint_eq(captured(print_information, line, sizeof line), 0);
  message_level = MESSAGE_INFO;
  ck_assert_uint_gt(captured(print_information, line, sizeof line), 0);
  message_level = MESSAGE_NONE;
  ck_assert_uint_eq(captured(print_hello, line, sizeof line), 0);
}
END_TEST

START_TEST(test_muted_prints_nothing) {
  char line[MESSAGE_MAX + 1];
  message_level = MESSAGE_VERBOSE;
  message_muted = true;
  ck_assert_uint_eq(captured(print_hello, line, sizeof line), 0);
}
END_TEST

static void print_long(void) {
  char text[2 * MESSAGE_MAX];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  message_print(MESSAGE_ERROR, "%s", text);
}

START_TEST(test_long_line_is_cut_and_ends) {
  char line[4 * MESSAGE_MAX];
  ck_assert_uint_eq(captured(print_long, line, sizeof line), MESSAGE_MAX);
  ck_assert_ptr_eq(strchr(line, '\n'), line + MESSAGE_MAX - 1);
}
END_TEST

START_TEST(test_errno_is_kept) {
  int saved = dup(2);
  close(2);
  errno = ERANGE;
  message_print(MESSAGE_ERROR, "nobody reads this");
  int after = errno;
  dup2(saved, 2);
  ck_assert_int_eq(after, ERANGE);
}
END_TEST

/* Runs message_fatal in a child; what it printed is in line. */
static int fatal_status(bool muted, char *line, size_t size) {
  int ends[2], status;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    message_level = MESSAGE_NONE;
    message_muted = muted;
    dup2(ends[1], 2);
    message_fatal("the end of %s", "it");
  }
  close(ends[1]);
  ssize_t length = read(ends[0], line, size - 1);
  line[length > 0 ? length : 0] = '\0';
  close(ends[0]);
  waitpid(child, &status, 0);
  return status;
}

START_TEST(test_fatal_aborts_with_a_line) {
  char line[MESSAGE_MAX + 1];
  int status = fatal_status(false, line, sizeof line);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  ck_assert_ptr_nonnull(strstr(line, "]: the end of it\n"));
}
END_TEST

START_TEST(test_fatal_in_a_secure_process_is_silent) {
  skip_if_emulated();
  char line[MESSAGE_MAX + 1];
  int status = fatal_status(true, line, sizeof line);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  ck_assert_str_eq(line, "");
}
END_TEST

UNIT_MAIN("message", test_conversions, test_null_pointer_is_zero, test_cut_but_counted,
          test_lonely_percent_ends_the_text, test_program_is_a_base_name,
            test_one_line_with_program_and_process,
          test_level_decides, test_muted_prints_nothing, test_long_line_is_cut_and_ends, test_errno_is_kept,
          test_fatal_aborts_with_a_line, test_fatal_in_a_secure_process_is_silent)
