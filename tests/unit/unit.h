/* unit.h - the frame of a test program on libcheck. */
#ifndef HAKMEM_TESTS_UNIT_H
#define HAKMEM_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>
#include "../emulated.h"

/* Runs one test case made of the given tests, each between set_up and tear_down (or NULL);
   what main returns. */
static inline int unit_run(const char *name, SFun set_up, SFun tear_down, const TTest *const *tests,
                           size_t count) {
  Suite *suite = suite_create(name);
  TCase *cases = tcase_create(name);
  tcase_set_timeout(cases, 60);
  tcase_add_checked_fixture(cases, set_up, tear_down);
  for (size_t i = 0; i < count; i++) tcase_add_test(cases, tests[i]);
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* In a test: ends it, with the reason on stdout, where it cannot run. */
#define skip_if(condition, reason)                                                            \
  do {                                                                                        \
    if (condition) {                                                                          \
      printf("SKIP %.*s: %s\n", (int)strlen(__func__) - 3, __func__, reason);   /* ..._fn */    \
      return;                                                                                 \
    }                                                                                         \
  } while (0)
#define skip_if_emulated() skip_if(is_emulated(), "an emulator answers in the kernel's place")

/* UNIT_MAIN("size_class", test_a, test_b): the whole main of a program, 60 seconds a test. */
#define UNIT_MAIN(name, ...) UNIT_MAIN_WITH(name, NULL, NULL, __VA_ARGS__)
#define UNIT_MAIN_WITH(name, set_up, tear_down, ...)                                        \
  int main(void) {                                                                          \
    const TTest *const tests[] = { __VA_ARGS__ };                                           \
    return unit_run(name, set_up, tear_down, tests, sizeof tests / sizeof tests[0]);        \
  }

#endif
