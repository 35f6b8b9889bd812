/* Tests of constant.c: what is read-only after the start, in this program and for its threads and children. */
#include <config.h>
#include "core.h"
#include "hakmem.h"
#include "huge.h"
#include "message.h"

static void start(void) {
  kernel_watch();
  require(hak_malloc(1) != NULL);
}

static bool is_among_them(const volatile void *variable) {
  size_t size;
  char *pages = constant_pages(&size);
  return pages != NULL && (uintptr_t)variable - (uintptr_t)pages < size;
}

START_TEST(the_pages_are_whole_and_hold_what_is_constant) {
  os_init();
  size_t size;
  char *pages = constant_pages(&size);
  skip_if(os_page_size > CONSTANT_ALIGNMENT, "the pages of this machine are larger than those that were built for");
  ck_assert_ptr_nonnull(pages);
  ck_assert(is_aligned(pages, os_page_size));
  ck_assert_uint_eq(size, align_up(size, os_page_size));
  ck_assert_uint_le(size, CONSTANT_ALIGNMENT);   /* one page: that is what it may cost each process */
  ck_assert(is_among_them(&option) && is_among_them(&option_log_file[OPTION_PATH_MAX - 1]));
  ck_assert(is_among_them(&cached_of_step[CACHED_STEPS - 1]) && is_among_them(class_of_granule));
  ck_assert(is_among_them(&region_base) && is_among_them(&region_key) && is_among_them(&huge_reclaim));
  /* and nothing that changes */
  ck_assert(!is_among_them(&region_limit) && !is_among_them(counter_values) && !is_among_them(&message_level));
  ck_assert(!is_among_them(&constant_end) && !is_among_them(&os_page_size));
}
END_TEST

START_TEST(larger_pages_than_the_section_s_are_noticed) {
  size_t size;
  os_init();
  os_page_size = 2 * (size_t)CONSTANT_ALIGNMENT;
  char *pages = constant_pages(&size);
  /* By chance the section may lie at a multiple of the larger page, but never end at one. */
  ck_assert_ptr_null(pages);
}
END_TEST

static volatile long *volatile target_long;
static volatile char *volatile target_char;
static void write_long(void) { *target_long = 1; }
static void write_char(void) { *target_char = 1; }

static void expect_fault(void (*body)(void)) {
  int status = in_child(body);
  ck_assert_msg(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT),
                "status %d", status);
}

START_TEST(a_write_faults_after_the_start) {
  os_init();
  skip_if(os_page_size > CONSTANT_ALIGNMENT, "the pages of this machine are larger than those that were built for");
  skip_if(CORE_ASAN || CORE_TSAN, "a sanitizer reports the fault by itself");
  target_long = &option.invalid_free;
  target_char = &option_log_file[0];
  ck_assert_int_eq(in_child(write_long), 0);
  ck_assert_int_eq(in_child(write_char), 0);
  start();
  ck_assert_uint_ge(kernel.mprotects, 1);
  expect_fault(write_long);
  expect_fault(write_char);
  target_char = (volatile char *)&cached_of_step[7];
  expect_fault(write_char);
  target_long = (volatile long *)&region_key;
  expect_fault(write_long);
  core_open_constants();
  ck_assert_int_eq(in_child(write_long), 0);
}
END_TEST

START_TEST(a_kernel_that_refuses_is_survived) {
  kernel.refuse_mprotect = true;
  start();
  kernel.refuse_mprotect = false;
  target_long = &option.invalid_free;
  ck_assert_int_eq(in_child(write_long), 0);
  void *p = hak_malloc(100), *huge = hak_malloc(3 * MIB);
  ck_assert(hak_owns(p) && hak_owns(huge));
  hak_free(p);
  hak_free(huge);
}
END_TEST

START_TEST(the_kill_switch_is_read_only_too) {
  os_init();
  skip_if(os_page_size > CONSTANT_ALIGNMENT, "the pages of this machine are larger than those that were built for");
  skip_if(CORE_ASAN || CORE_TSAN, "a sanitizer reports the fault by itself");
  setenv("HAKMEM_FORCE_LIBC_ALLOC", "1", 1);
  start();
  target_long = &option.force_libc_alloc;
  expect_fault(write_long);
}
END_TEST

UNIT_MAIN("constant", the_pages_are_whole_and_hold_what_is_constant, larger_pages_than_the_section_s_are_noticed,
          a_write_faults_after_the_start, a_kernel_that_refuses_is_survived, the_kill_switch_is_read_only_too)
