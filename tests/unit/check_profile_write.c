/* check_profile_write.c - writing profiles where it could wait for ever, be cut off, or be done by the wrong process. */
#include <config.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include "core.h"
#include "allocator.h"
#include "os_file.h"
#include "profile.h"
#include "profile_run.h"
#include "profile_table.h"

enum { EXIT_STATUS = 23, SITES_FOR_A_FULL_PIPE = 3000 };

static char folder[] = "/tmp/hakmem-profile.XXXXXX";
static char path[200], lines[200];

/* Profiles go to files by process, a signal asks for one, and every request is a sample. */
static void set_up(void) {
  char file[300];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/file", folder);
  snprintf(lines, sizeof lines, "%s/lines", folder);
  snprintf(file, sizeof file, "%s/%%p.folded", folder);
  setenv("HAKMEM_PROFILE", "1", 1);
  setenv("HAKMEM_PROFILE_RATE", "1", 1);
  setenv("HAKMEM_PROFILE_FILE", file, 1);
  setenv("HAKMEM_PROFILE_SIGNAL", "usr2", 1);
  setenv("HAKMEM_PROFILE_LEAKS", "1", 1);
  allocator_start();
}

static void tear_down(void) {
  char command[300];
  profile_stop();
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  ck_assert_int_eq(system(command), 0);
}

static bool is_there(int process) {
  char name[300];
  snprintf(name, sizeof name, "%s/%d.folded", folder, process);
  return access(name, F_OK) == 0;
}

static void sample(void) { allocator_free(allocator_malloc(100)); }

/* Folded stacks are put off by the handler; the child has been asked for nothing. */
static void go_on_in_child(void) {
  sample();
  require(!is_there(getpid()));
  raise(SIGUSR2);
  sample();
  require(is_there(getpid()));
}
START_TEST(what_is_put_off_is_the_parents) {
  raise(SIGUSR2);
  ck_assert(!is_there(getpid()));
  ck_assert_int_eq(in_child(go_on_in_child), 0);
  sample();
  ck_assert(is_there(getpid()));
}
END_TEST

/* ---- exit() in a handler */

static void end(int number) {
  (void)number;
  exit(EXIT_STATUS);
}

static void end_if_at_the_table(int number) {
  if (profile_table_is_mine()) end(number);
}

static void handle(void (*handler)(int), unsigned every_us) {
  struct sigaction action = { .sa_handler = handler };
  const struct itimerval often = { { 0, (long)every_us }, { 0, (long)every_us } };
  require(sigaction(SIGALRM, &action, NULL) == 0);
  require(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

/* More than a pipe takes whose reader does not read; nothing of it is live. */
static void fill_table(void) {
  struct profile_stack stack = { .depth = 20 };
  for (uintptr_t i = 0; i < SITES_FOR_A_FULL_PIPE; i++) {
    for (unsigned j = 0; j < stack.depth; j++) stack.frame[j] = UINT32_MAX - i * 31 - j;
    profile_table_add(path, 64, &stack);
    profile_table_remove(path);
  }
}
static int make_pipe(void) {
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  int fd = open(path, O_RDWR);
  ck_assert_int_ge(fd, 0);
  return fd;
}

/* What a child prints, whose status must be that of the handler. */
static const char *end_of_child(void (*body)(void)) {
  static char text[4096];
  int saved = dup(2), fd = open(lines, O_RDWR | O_CREAT | O_APPEND, 0600);
  dup2(fd, 2);
  int status = in_child(body);
  dup2(saved, 2);
  ck_assert_int_eq(WEXITSTATUS(status), EXIT_STATUS);
  ck_assert(WIFEXITED(status));
  ssize_t length = pread(fd, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  return text;
}

static void end_while_writing(void) {
  handle(end, 200000);
  profile_dump(path);
}
START_TEST(exit_in_the_midst_of_a_profile) {
  skip_if(CORE_TSAN, "ThreadSanitizer puts signals off");
  fill_table();
  int reader = make_pipe();
  const char *text = end_of_child(end_while_writing);
  ck_assert_msg(strstr(text, "no profile is written: ") != NULL, "printed was: %s", text);
  close(reader);
}
END_TEST

static void end_at_the_table(void) {
  struct profile_stack stack = { .depth = PROFILE_FRAMES_MAX };
  handle(end_if_at_the_table, 100);
  for (;;) {
    profile_table_add(path, 64, &stack);
    profile_table_remove(path);
  }
}
START_TEST(exit_in_the_midst_of_a_sample) {
  skip_if(CORE_TSAN, "ThreadSanitizer puts signals off");
  const char *text = end_of_child(end_at_the_table);
  ck_assert_msg(strstr(text, "no profile is written: ") != NULL, "printed was: %s", text);
  ck_assert_msg(strstr(text, "no report of what is live: ") != NULL, "printed was: %s", text);
}
END_TEST

/* ---- others */

static void *write_to_pipe(void *unused) {
  profile_dump(path);
  return unused;
}

/* A thread that writes to a pipe that nobody reads is waited for, but not for ever. */
START_TEST(others_are_waited_for_with_a_bound) {
  char other[300];
  pthread_t thread;
  skip_if(getenv("HAK_TEST_QUICK") != NULL, "takes ten seconds");
  snprintf(other, sizeof other, "%s/other", folder);
  fill_table();
  int reader = make_pipe();
  ck_assert_int_eq(pthread_create(&thread, NULL, write_to_pipe, NULL), 0);
  usleep(200000);
  ck_assert_int_eq(profile_dump(other), EBUSY);
  pthread_detach(thread);   /* and ends with the process */
  (void)reader;
}
END_TEST

static bool came_back;   /* atomic */
static void *write_cancelled(void *fd) {
  pthread_cancel(pthread_self());   /* takes effect at the next point where it may */
  require(os_write_pipe((int)(intptr_t)fd, "x", 1) == -EPIPE);
  __atomic_store_n(&came_back, true, __ATOMIC_RELAXED);
  return NULL;
}

/* It is with locks held that profiles are written. */
START_TEST(a_write_is_no_point_of_cancellation) {
  int ends[2];
  sigset_t pending;
  ck_assert_int_eq(pipe(ends), 0);
  close(ends[0]);
  in_thread(write_cancelled, (void *)(intptr_t)ends[1]);
  ck_assert(came_back);
  ck_assert_int_eq(os_write_pipe(ends[1], "x", 1), -EPIPE);
  ck_assert_int_eq(sigpending(&pending), 0);
  ck_assert(!sigismember(&pending, SIGPIPE));
}
END_TEST

/* A daemon's data file has the number of standard error. */
START_TEST(lines_do_not_go_into_files_of_data) {
  struct stat status;
  int saved = dup(2);
  close(2);
  ck_assert_int_eq(open(lines, O_RDWR | O_CREAT, 0600), 2);
  int error = profile_dump("/nowhere/at/all");
  ck_assert_int_eq(fstat(2, &status), 0);
  dup2(saved, 2);
  ck_assert_int_eq(error, ENOENT);
  ck_assert_int_eq(status.st_size, 0);
}
END_TEST

UNIT_MAIN_WITH("profile_write", set_up, tear_down, what_is_put_off_is_the_parents, exit_in_the_midst_of_a_profile,
               exit_in_the_midst_of_a_sample, others_are_waited_for_with_a_bound, a_write_is_no_point_of_cancellation,
               lines_do_not_go_into_files_of_data)
