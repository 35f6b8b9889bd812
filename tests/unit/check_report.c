/* Tests of report.c: the figures in each format, and the report at exit. */
#include <config.h>
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hakmem.h"
#include "options.h"
#include "unit.h"

static struct {
  size_t length, pieces;
  char text[65536];
} report;

static void collect(void *context, const char *piece, size_t size) {
  (void)context;
  ck_assert_uint_lt(report.length + size, sizeof report.text);
  memcpy(report.text + report.length, piece, size);
  report.length += size;
  report.pieces++;
  report.text[report.length] = '\0';
}

static const char *write_report(enum report_format format) {
  report.length = report.pieces = 0;
  report.text[0] = '\0';
  report_write(format, collect, NULL);
  return report.text;
}

/* The number behind the text; fails if the text is not there. */
static unsigned long long number_behind(const char *text, const char *before) {
  const char *found = strstr(text, before);
  ck_assert_msg(found != NULL, "no %s in %s", before, text);
  return strtoull(found + strlen(before), NULL, 10);
}

/* Skips one JSON value and returns what is behind it, NULL if it is not one. Enough for what is written
   here. */
static const char *json_skip(const char *text);

static const char *json_skip_string(const char *text) {
  if (*text++ != '"') return NULL;
  while (*text != '"') {
    if (*text == '\0' || (unsigned char)*text < ' ' || (unsigned char)*text > '~') return NULL;
    text += *text == '\\' ? 2 : 1;
  }
  return text + 1;
}

static const char *json_skip_list(const char *text, char end, bool named) {
  text++;
  if (*text == end) return text + 1;
  for (;;) {
    if (named) {
      text = json_skip_string(text);
      if (text == NULL || *text++ != ':') return NULL;
    }
    text = json_skip(text);
    if (text == NULL) return NULL;
    if (*text == end) return text + 1;
    if (*text++ != ',') return NULL;
  }
}

static const char *json_skip(const char *text) {
  if (*text == '{') return json_skip_list(text, '}', true);
  if (*text == '[') return json_skip_list(text, ']', false);
  if (*text == '"') return json_skip_string(text);
  size_t digits = strspn(text, "0123456789");
  return digits != 0 ? text + digits : NULL;
}

START_TEST(test_json_is_one_valid_line) {
  hak_free(hak_malloc(100));
  const char *text = write_report(REPORT_JSON), *end = json_skip(text);
  ck_assert_msg(end != NULL, "not JSON: %s", text);
  ck_assert_str_eq(end, "\n");
}
END_TEST

START_TEST(test_json_figures) {
  void *volatile keep[7];
  for (int i = 0; i < 7; i++) keep[i] = hak_malloc(333);
  void *huge = hak_malloc(2 << 20);
  struct hak_stats stats;
  hak_stats_get(&stats, sizeof stats);
  const char *text = write_report(REPORT_JSON), *tiers = strstr(text, "\"tiers\":{\"tiny\":{");
  ck_assert_ptr_nonnull(tiers);
  ck_assert_uint_eq(number_behind(tiers, "\"requests\":"), stats.tier[HAK_TIER_TINY].requests);
  ck_assert_uint_eq(number_behind(tiers, "\"live_blocks\":"), stats.tier[HAK_TIER_TINY].live_blocks);
  ck_assert_uint_eq(number_behind(tiers, "\"held_bytes\":"), stats.tier[HAK_TIER_TINY].held_bytes);
  ck_assert_uint_eq(number_behind(strstr(tiers, "\"huge\":{"), "\"requests\":"), 1);
  ck_assert_uint_eq(number_behind(text, "\"huge_requests\":"), 1);
  ck_assert_uint_eq(number_behind(text, "\"metadata_bytes\":"), stats.metadata_bytes);
  ck_assert_int_eq((int)number_behind(text, "\"pid\":"), getpid());
  ck_assert_ptr_nonnull(strstr(text, "\"version\":\"" PACKAGE_VERSION "\""));
  ck_assert_ptr_nonnull(strstr(text, "\"MODE\":\"balanced\""));
  for (int i = 0; i < COUNT_END; i++) {
    char name[64];
    snprintf(name, sizeof name, "\"%s\":", counter_name((enum counter)i));
    number_behind(text, name);
  }
  for (int i = 0; i < 7; i++) hak_free(keep[i]);
  hak_free(huge);
}
END_TEST

START_TEST(test_classes_add_up) {
  for (size_t size = 1; size < 100000; size += 97) hak_free(hak_malloc(size));
  const char *text = write_report(REPORT_JSON);
  unsigned long long sum = 0, rows = 0, wanted = 0;
  static const char *const tiers[] = { "\"tiny\":{", "\"mid\":{", "\"l25\":{" };
  for (int i = 0; i < 3; i++) wanted += number_behind(strstr(text, tiers[i]), "\"requests\":");
  for (const char *row = strstr(text, "{\"class\":"); row != NULL; row = strstr(row + 1, "{\"class\":")) {
    ck_assert_uint_gt(number_behind(row, "\"requests\":"), 0);
    sum += number_behind(row, "\"requests\":");
    rows++;
  }
  ck_assert_uint_gt(rows, 3);
  ck_assert_uint_eq(sum, wanted);
}
END_TEST

START_TEST(test_text_has_tiers_and_counters) {
  void *huge = hak_malloc(2 << 20);
  const char *text = write_report(REPORT_TEXT);
  static const char *const words[] = { "\ntiny ", "\nmid ", "\nl25 ", "\nhuge ",
                                       "\nhuge_requests ", "\nmetadata_bytes " };
  for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
    ck_assert_msg(strstr(text, words[i]) != NULL, "no %s in %s", words[i], text);
  }
  ck_assert_uint_eq(number_behind(text, "\nhuge_requests "), 1);
  for (const char *c = text; *c != '\0'; c++) ck_assert(*c == '\n' || (*c >= ' ' && *c <= '~'));
  hak_free(huge);
}
END_TEST

/* Each <name ...> has its </name>, or ends in />. */
START_TEST(test_xml_is_well_formed) {
  hak_free(hak_malloc(100));
  const char *text = write_report(REPORT_XML);
  char open[8][16];
  int depth = 0;
  for (const char *tag = strchr(text, '<'); tag != NULL; tag = strchr(tag + 1, '<')) {
    char name[16] = "";
    ck_assert_int_eq(sscanf(tag, tag[1] == '/' ? "</%15[a-z]" : "<%15[a-z]", name), 1);
    const char *end = strchr(tag, '>');
    ck_assert_ptr_nonnull(end);
    if (tag[1] == '/') {
      ck_assert_int_gt(depth, 0);
      ck_assert_str_eq(name, open[--depth]);
    } else if (end[-1] != '/') {
      ck_assert_int_lt(depth, 8);
      strcpy(open[depth++], name);
    }
  }
  ck_assert_int_eq(depth, 0);
  ck_assert_uint_gt(number_behind(text, "<system type=\"current\" size=\""), 0);
}
END_TEST

START_TEST(test_pieces_are_few) {
  for (size_t size = 1; size < 1 << 20; size += 997) hak_free(hak_malloc(size));
  write_report(REPORT_JSON);
  ck_assert_uint_le(report.pieces, report.length / 512 + 2);
}
END_TEST

/* Runs this program again with those settings and statistics at exit; what its standard error was. */
static const char *exit_report(const char *stats, const char *how) {
  static char text[65536];
  int ends[2];
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    setenv("HAKMEM_STATS", stats, 1);
    dup2(ends[1], 2);
    execl("/proc/self/exe", "check_report", how, (char *)NULL);
    _exit(99);
  }
  close(ends[1]);
  size_t length = 0;
  ssize_t got;
  while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0) length += (size_t)got;
  text[length] = '\0';
  close(ends[0]);
  int status = -1;
  waitpid(child, &status, 0);
  ck_assert_int_eq(status, 0);
  return text;
}

START_TEST(test_report_at_exit) {
  const char *text = exit_report("json", "allocate");
  ck_assert_str_eq(json_skip(text) != NULL ? json_skip(text) : text, "\n");
  ck_assert_uint_ge(number_behind(strstr(text, "\"tiny\":{"), "\"requests\":"), 1);
  text = exit_report("1", "allocate");
  ck_assert_ptr_eq(strstr(text, "hakmem: statistics of "), text);
}
END_TEST

START_TEST(test_no_report_unless_asked_for) {
  ck_assert_str_eq(exit_report("0", "allocate"), "");
  ck_assert_str_eq(exit_report("json", "nothing"), "");
}
END_TEST

static int child_main(const char *how) {
  if (strcmp(how, "allocate") == 0) hak_free(hak_malloc(10));
  return 0;
}

int main(int count, char **arguments) {
  static const TTest *tests[8];
  if (count > 1) return child_main(arguments[1]);
  unsigned n = 0;
  tests[n++] = test_json_is_one_valid_line;
  tests[n++] = test_json_figures;
  tests[n++] = test_classes_add_up;
  tests[n++] = test_text_has_tiers_and_counters;
  tests[n++] = test_xml_is_well_formed;
  tests[n++] = test_pieces_are_few;
  tests[n++] = test_report_at_exit;
  tests[n++] = test_no_report_unless_asked_for;
  return unit_run("report", NULL, NULL, tests, n);
}
