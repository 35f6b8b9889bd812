/* check_preload_list.c - the words of /etc/ld.so.preload, found, put in and taken out. */
#include <config.h>
#include <string.h>
#include "preload_list.h"
#include "unit/unit.h"

#define OURS "/usr/$LIB/libhakmem/libhakmem-preload.so"

static struct text text_of(const char *string)
{
  return (struct text){strdup(string), strlen(string)};
}

static void expect_text(struct text got, const char *wanted)
{
  char *string = strndup(got.length != 0 ? got.bytes : "", got.length);
  ck_assert_str_eq(string, wanted);
  free(string);
  free(got.bytes);
}

static void expect_words(const char *string, unsigned ours, unsigned others, const char *first)
{
  struct text list = text_of(string);
  struct list_words words = list_words(&list);
  ck_assert_msg(words.ours == ours && words.others == others, "%s: %u of ours, %u others", string, words.ours,
                words.others);
  ck_assert_pstr_eq(words.first, first);
  free(words.first);
  free(list.bytes);
}

START_TEST(words_are_those_of_the_loader)
{
  expect_words("", 0, 0, NULL);
  expect_words("\n\n: \t:", 0, 0, NULL);
  expect_words(OURS, 1, 0, OURS);
  expect_words(OURS "\n", 1, 0, OURS);
  expect_words("/a.so:" OURS "\t/b.so " OURS, 2, 2, OURS);
  expect_words("libhakmem-preload.so", 1, 0, "libhakmem-preload.so");
  expect_words(OURS "\r\n", 1, 0, OURS "\r");
  expect_words("/a.so\r\n\r\n", 0, 1, NULL);
  /* A comment ends with its line only, and begins anywhere. */
  expect_words("# " OURS "\n/a.so#" OURS "\n", 0, 1, NULL);
  expect_words("# one\n" OURS "# two", 1, 0, OURS);
  /* Names that only look like ours. */
  expect_words("/lib/my-libhakmem-preload.so /libhakmem-preload.so.old /libhakmem-preload.so/x", 0, 3, NULL);
}
END_TEST

static void expect_removed(const char *string, const char *wanted)
{
  struct text list = text_of(string);
  expect_text(list_remove(&list), wanted);
  free(list.bytes);
}

START_TEST(only_our_words_are_taken_out)
{
  expect_removed(OURS "\n", "");
  expect_removed(OURS, "");
  expect_removed(OURS "\r\n", "");
  expect_removed("  " OURS " :\t\n/a.so\n", "/a.so\n");
  expect_removed("/a.so\n" OURS, "/a.so\n");
  expect_removed("/a.so " OURS " /b.so\n", "/a.so /b.so\n");
  expect_removed("/a.so:" OURS "\n", "/a.so\n");
  expect_removed("/a.so:" OURS "\r\n", "/a.so\n");
  expect_removed(OURS ":/b.so\n", "/b.so\n");
  expect_removed("/a.so " OURS ":" OURS "\n", "/a.so\n");
  expect_removed(OURS " # why\n", "# why\n");
  expect_removed("/a.so " OURS "# why\n", "/a.so# why\n");
  expect_removed(OURS "\n" OURS "\n" OURS, "");
  /* What has nothing of ours stays to the byte. */
  expect_removed("", "");
  expect_removed("\n\n", "\n\n");
  expect_removed("# " OURS "\r\n\r\n /a.so \t\n\n#", "# " OURS "\r\n\r\n /a.so \t\n\n#");
}
END_TEST

START_TEST(there_and_back)
{
  static const char *const lists[] = {
    "", "\n", "/a.so", "/a.so\n", "/a.so\r\n", "# comment", "/a.so:/b.so # c\n\n\n", " \t:"
  };
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    struct text list = text_of(lists[i]);
    struct text more = list_add(&list, OURS);
    struct text back = list_remove(&more);
    ck_assert(list_equal(&back, &list));
    ck_assert(!list_equal(&more, &list));
    free(list.bytes);
    free(more.bytes);
    free(back.bytes);
  }
}
END_TEST

static void expect_added(const char *string, const char *wanted)
{
  struct text list = text_of(string);
  expect_text(list_add(&list, OURS), wanted);
  free(list.bytes);
}

START_TEST(the_line_goes_behind_the_last_newline)
{
  expect_added("", OURS "\n");
  expect_added("/a.so\n", "/a.so\n" OURS "\n");
  expect_added("/a.so", OURS "\n/a.so");
  expect_added("# one\n/a.so # two", "# one\n" OURS "\n/a.so # two");
}
END_TEST

UNIT_MAIN("preload_list", words_are_those_of_the_loader, only_our_words_are_taken_out, there_and_back,
          the_line_goes_behind_the_last_newline)
