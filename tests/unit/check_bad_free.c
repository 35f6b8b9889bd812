/* check_bad_free.c - the policy for pointers that are no live block: verdicts, texts, ends. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "align.h"
#include "bad_free.h"
#include "counters.h"
#include "huge.h"
#include "knobs.h"
#include "message.h"
#include "options.h"
#include "os.h"
#include "registry.h"
#include "trace.h"
#include "unit.h"

static void *const somewhere = (void *)0x12340;

static char text[4096];      /* what the child wrote on fd 2, "PID" for its number */

/* Runs a function in a child; its wait status. */
static int run(void (*function)(void)) {
  int pair[2], status;
  ck_assert_int_eq(pipe(pair), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(pair[1], 2);
    close(pair[0]);
    close(pair[1]);
    function();
    _exit(0);
  }
  close(pair[1]);
  char raw[2048];
  size_t length = 0;
  for (ssize_t got; (got = read(pair[0], raw + length, sizeof raw - 1 - length)) > 0;) length += (size_t)got;
  raw[length] = '\0';
  close(pair[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  char number[32], *from = raw, *found;
  text[0] = '\0';
  snprintf(number, sizeof number, "[%d]", (int)child);
  for (; (found = strstr(from, number)) != NULL; from = found + strlen(number)) {
    strncat(text, from, (size_t)(found - from));
    strcat(text, "[PID]");
  }
  strcat(text, from);
  return status;
}

static void start(enum invalid_free policy) {
  options_init(NULL, NULL, false, false);
  knobs_init();
  option.invalid_free = (long)policy;
  message_level = MESSAGE_ERROR;
  os_init();
  registry_init(1, false);
  trace_init();
}

/* ---- texts ---- */

static enum bad_call the_call;
static enum bad_reason the_reason;

static void report_ours(void) {
  bad_pointer_ours(the_call, somewhere, the_reason);
}

static void expect_end(enum bad_call call, enum bad_reason reason, const char *words) {
  char wanted[256];
  the_call = call;
  the_reason = reason;
  snprintf(wanted, sizeof wanted, "hakmem: %s[PID]: invalid pointer in %s\n", message_program(), words);
  int status = run(report_ours);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", status);
  ck_assert_str_eq(text, wanted);
}

START_TEST(the_line_names_call_pointer_and_reason) {
  skip_if_emulated();
  start(INVALID_ABORT);
  expect_end(CALL_FREE, BAD_DOUBLE_FREE, "hak_free(): 0x12340 (double free)");
  expect_end(CALL_REALLOC, BAD_INTERIOR, "hak_realloc(): 0x12340 (not the start of a block)");
  expect_end(CALL_USABLE_SIZE, BAD_NEVER_ALLOCATED,
             "hak_usable_size(): 0x12340 (no block is allocated there)");
  expect_end(CALL_FREE, BAD_FOREIGN, "hak_free(): 0x12340 (not from this allocator)");
}
END_TEST

START_TEST(fallback_aborts) {
  skip_if_emulated();
  start(INVALID_FALLBACK);
  expect_end(CALL_FREE, BAD_DOUBLE_FREE, "hak_free(): 0x12340 (double free)");
}
END_TEST

/* ---- skip ---- */

static void three_bad_ones(void) {
  for (int i = 0; i < 3; i++)
    if (bad_pointer_ours(CALL_FREE, somewhere, BAD_INTERIOR) != VERDICT_IGNORE) _exit(1);
  if (bad_pointer_unknown(CALL_REALLOC, somewhere) != VERDICT_IGNORE) _exit(2);
  if (counter_get(COUNT_INVALID_FREES) != 4) _exit(3);
}

START_TEST(skip_warns_once) {
  start(INVALID_SKIP);
  char wanted[256];
  snprintf(wanted, sizeof wanted,
           "hakmem: %s[PID]: invalid pointer in hak_free(): 0x12340 (not the start of a block), ignored; "
           "so are others, without a line\n",
           message_program());
  ck_assert_int_eq(run(three_bad_ones), 0);
  ck_assert_str_eq(text, wanted);
}
END_TEST

START_TEST(skip_is_silent_at_level_0) {
  start(INVALID_SKIP);
  message_level = MESSAGE_NONE;
  ck_assert_int_eq(run(three_bad_ones), 0);
  ck_assert_str_eq(text, "");
}
END_TEST

static void three_logged(void) {
  option.invalid_free_log = 1;
  trace_init();
  three_bad_ones();
}

START_TEST(log_has_a_line_for_each) {
  start(INVALID_SKIP);
  ck_assert_int_eq(run(three_logged), 0);
  int lines = 0;
  const char *line = "invalid pointer in hak_free(): 0x12340 (not the start of a block), ignored\n";
  for (const char *at = text; (at = strstr(at, line)) != NULL; at++) lines++;
  ck_assert_int_eq(lines, 3);
  ck_assert_ptr_nonnull(strstr(text, "in hak_realloc(): 0x12340 (not from this allocator), ignored\n"));
  ck_assert_ptr_null(strstr(text, "so are others"));
}
END_TEST

START_TEST(errno_is_kept) {
  start(INVALID_SKIP);
  int null = dup(2);
  close(2);                  /* the write of the warning fails too */
  errno = 4711;
  bad_pointer_ours(CALL_FREE, somewhere, BAD_INTERIOR);
  ck_assert_int_eq(errno, 4711);
  bad_pointer_unknown(CALL_FREE, somewhere);
  ck_assert_int_eq(errno, 4711);
  dup2(null, 2);
}
END_TEST

/* ---- which kind an unknown pointer is ---- */

static char *block;

static void unknown_inside(void) { bad_pointer_unknown(CALL_FREE, block + 4096); }
static void unknown_start(void) { bad_pointer_unknown(CALL_FREE, block); }

static void expect_unknown(void (*function)(void), const char *reason) {
  int status = run(function);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", status);
  ck_assert_msg(strstr(text, reason) != NULL, "%s", text);
}

START_TEST(huge_blocks_are_told_apart) {
  start(INVALID_ABORT);
  bool zeroed;
  block = huge_alloc(2 * MIB, 16, &zeroed);
  ck_assert_ptr_nonnull(block);
  expect_unknown(unknown_inside, "(not the start of a block)");
  ck_assert_int_eq(huge_free(registry_lookup(block).huge, block), HUGE_FREED);
  expect_unknown(unknown_inside, "(not the start of a block)");   /* kept */
  huge_trim();
  expect_unknown(unknown_start, "(double free)");                 /* unmapped */
  expect_unknown(unknown_inside, "(not from this allocator)");
}
END_TEST

/* malloc is the C library's here: the library does not forward what is not its own. */
START_TEST(blocks_of_malloc_are_foreign) {
  start(INVALID_FALLBACK);
  block = malloc(100);
  expect_unknown(unknown_start, "(not from this allocator)");
  ck_assert_uint_eq(counter_get(COUNT_FOREIGN_FREES), 0);
}
END_TEST

UNIT_MAIN("bad_free", the_line_names_call_pointer_and_reason, fallback_aborts, skip_warns_once,
          skip_is_silent_at_level_0, log_has_a_line_for_each, errno_is_kept, huge_blocks_are_told_apart,
          blocks_of_malloc_are_foreign)
