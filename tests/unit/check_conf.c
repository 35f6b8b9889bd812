/* Tests of conf.c, conf_file.c, and of what option_read.c makes of a file. */
#include <config.h>
#include "conf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "message.h"
#include "options.h"
#include "os.h"
#include "unit.h"

static const struct conf_program nginx = { "/usr/sbin/nginx", NULL };

/* ---- globs */

static bool names(const char *globs, const char *path, const char *interpreter) {
  const struct conf_program program = { path, interpreter };
  return conf_names_program(globs, strlen(globs), &program);
}

START_TEST(globs_are_matched) {
  static const struct { const char *glob, *path; bool matches; } cases[] = {
    { "nginx", "/usr/sbin/nginx", true }, { "nginx", "nginx", true }, { "nginx", "./nginx", true },
    { "ngin", "nginx", false }, { "nginxx", "nginx", false }, { "*", "nginx", true }, { "*", "", true },
    { "n*x", "nginx", true }, { "n*", "nginx", true }, { "*x", "nginx", true }, { "*g*n*", "nginx", true },
    { "**", "nginx", true }, { "*q*", "nginx", false }, { "n?inx", "nginx", true }, { "?????", "nginx", true },
    { "????", "nginx", false }, { "??????", "nginx", false }, { "*aab", "aaaab", true }, { "a*b*c", "aXbXbXc", true },
    { "a*b*c", "aXbXbX", false }, { "python3.[0-9]*", "python3.11", true }, { "python3.[0-9]", "python3.x", false },
    { "[!a]x", "bx", true }, { "[!a]x", "ax", false }, { "[^a]x", "bx", true }, { "[]x]y", "]y", true },
    { "[]x]y", "xy", true }, { "[a-]", "-", true }, { "[a-c]", "b", true }, { "[c-a]", "b", false },
    { "[", "[", true }, { "[a", "[a", true }, { "[a", "a", false }, { "\\*", "*", true }, { "\\*", "x", false },
    { "a\\", "a\\", true }, { "a\\ b", "a b", true },
    /* with a slash: the whole path, and * goes over slashes */
    { "/usr/sbin/nginx", "/usr/sbin/nginx", true }, { "/usr/sbin/nginx", "/bin/nginx", false },
    { "/usr/*", "/usr/sbin/nginx", true }, { "*/nginx", "/usr/sbin/nginx", true }, { "*/nginx", "nginx", false },
    { "sbin/nginx", "/usr/sbin/nginx", false }, { "usr", "/usr/nginx", false },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    ck_assert_msg(names(cases[i].glob, cases[i].path, NULL) == cases[i].matches, "%s %s", cases[i].glob, cases[i].path);
}
END_TEST

START_TEST(lists_of_globs) {
  ck_assert(names("apache2 nginx", "/usr/sbin/nginx", NULL));
  ck_assert(names("  apache2\t nginx  ", "/usr/sbin/nginx", NULL));
  ck_assert(!names("apache2 lighttpd", "/usr/sbin/nginx", NULL));
  ck_assert(!names("", "", NULL) && !names("   ", "nginx", NULL));
  ck_assert(names("two\\ words other", "/opt/two words", NULL));
  ck_assert(!names("two words", "/opt/two words", NULL));
}
END_TEST

START_TEST(a_script_has_two_names) {
  ck_assert(names("python3", "/usr/bin/gunicorn", "/usr/bin/python3"));
  ck_assert(names("gunicorn", "/usr/bin/gunicorn", "/usr/bin/python3"));
  ck_assert(names("/usr/bin/py*", "/usr/bin/gunicorn", "/usr/bin/python3"));
  ck_assert(!names("perl", "/usr/bin/gunicorn", "/usr/bin/python3"));
}
END_TEST

START_TEST(globs_that_go_back_a_lot_end) {
  static char glob[2000], text[3000];
  for (unsigned i = 0; i < sizeof glob - 2; i += 2) memcpy(glob + i, "*a", 2);
  memset(text, 'a', sizeof text - 1);
  text[sizeof text - 2] = 'b';
  ck_assert(!names(glob, text, NULL));
  memset(glob, '[', sizeof glob - 1);
  ck_assert(!names(glob, text, NULL));
}
END_TEST

/* ---- lines */

/* What a text says for a program, one line each: "number kind applies name=value". */
static const char *lines_of(const char *text, const struct conf_program *program) {
  static char all[4096];
  static const char *const kinds[] = { "setting", "exclude", "section", "error" };
  struct conf_reader reader;
  struct conf_line line;
  size_t length = 0;
  all[0] = '\0';
  conf_start(&reader, text, strlen(text), program);
  while (conf_next(&reader, &line))
    length += (size_t)snprintf(all + length, sizeof all - length, "%u %s %d %.*s=%.*s\n", line.number, kinds[line.kind],
                               line.applies, (int)line.name_length, line.name_length ? line.name : "",
                               (int)line.value_length, line.value);
  return all;
}

START_TEST(settings_blanks_and_comments) {
  ck_assert_str_eq(lines_of("# a\n;b\n\n  \t\nWHALE=0\n  HAKMEM_THP =\tnever \r\nX=\nA=b=c # d\n", &nginx),
                   "5 setting 1 WHALE=0\n6 setting 1 HAKMEM_THP=never\n7 setting 1 X=\n8 setting 1 A=b=c # d\n");
}
END_TEST

START_TEST(the_last_line_needs_no_end) {
  ck_assert_str_eq(lines_of("A=1\nB=2", &nginx), "1 setting 1 A=1\n2 setting 1 B=2\n");
  ck_assert_str_eq(lines_of("", &nginx), "");
  ck_assert_str_eq(lines_of("\r\n\r\n", &nginx), "");
}
END_TEST

START_TEST(a_byte_order_mark_is_skipped) {
  ck_assert_str_eq(lines_of("\xef\xbb\xbf" "A=1\r\n", &nginx), "1 setting 1 A=1\n");
}
END_TEST

START_TEST(sections_apply_to_their_programs) {
  ck_assert_str_eq(lines_of("A=1\n[program: nginx]\nB=2\n[ program : apache2 ]\nC=3\n[program:/usr/*]\nD=4\n", &nginx),
                   "1 setting 1 A=1\n2 section 1 =nginx\n3 setting 1 B=2\n4 section 0 =apache2\n5 setting 0 C=3\n"
                   "6 section 1 =/usr/*\n7 setting 1 D=4\n");
}
END_TEST

START_TEST(a_bad_section_applies_to_nobody) {
  static const char *const bad[] = { "[program: nginx", "[nginx]", "[programs: nginx]", "[]", "[", "[:nginx]",
                                     "[program:]", "[program:   ]", "[PROGRAM: nginx]" };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char text[100];
    snprintf(text, sizeof text, "%s\nB=2\n[program: nginx]\nC=3", bad[i]);
    const char *lines = lines_of(text, &nginx);
    ck_assert_msg(strncmp(lines, "1 error 1 =", 11) == 0, "%s: %s", bad[i], lines);
    ck_assert_msg(strstr(lines, "2 setting 0 B=2\n") != NULL, "%s: %s", bad[i], lines);
    ck_assert(strstr(lines, "4 setting 1 C=3\n") != NULL);
  }
}
END_TEST

START_TEST(excludes) {
  ck_assert_str_eq(lines_of("exclude = nginx firefox*\nexclude=python3\n", &nginx),
                   "1 exclude 1 exclude=nginx firefox*\n2 exclude 0 exclude=python3\n");
  ck_assert(strstr(lines_of("exclude =\n", &nginx), "1 error 1 ") != NULL);
  ck_assert(strstr(lines_of("[program: nginx]\nexclude = nginx\n", &nginx), "2 error 1 ") != NULL);
  ck_assert(strstr(lines_of("exclude nginx\n", &nginx), "1 error 1 ") != NULL);
}
END_TEST

START_TEST(lines_that_are_none) {
  ck_assert(strncmp(lines_of("hello\n", &nginx), "1 error 1 =neither", 18) == 0);
  ck_assert_str_eq(lines_of("=5\n", &nginx), "1 setting 1 =5\n");
}
END_TEST

/* ---- what the options make of it */

static unsigned complaints;
static char complaint[MESSAGE_MAX];
static int sources[64], source_lines[64];

static void note_used(void *context, size_t row, enum option_source source, unsigned line) {
  (void)context;
  sources[row] = (int)source;
  source_lines[row] = (int)line;
}
static void note_bad(void *context, enum option_source source, unsigned line, const char *text) {
  (void)context;
  complaints++;
  snprintf(complaint, sizeof complaint, "%d:%u:%s", (int)source, line, text);
}

static void read_both(const char *text, char *const *environment, bool all_lines) {
  const struct options_file file = { "/etc/file", text, strlen(text), &nginx };
  const struct options_watcher watcher = { NULL, note_used, note_bad, all_lines };
  complaints = 0;
  complaint[0] = '\0';
  memset(sources, 0, sizeof sources);
  options_read(environment, &file, true, &watcher);
}
static void read_text(const char *text) { read_both(text, NULL, false); }

static size_t row_of(const char *name) {
  size_t row = 0;
  while (strcmp(options_row(row).name, name) != 0) row++;
  return row;
}

START_TEST(the_file_sets_options) {
  read_text("WHALE_SLOTS=3\nHAKMEM_THP=never\nLOG_FILE = /tmp/a b.%p\n");
  ck_assert_uint_eq(complaints, 0);
  ck_assert_int_eq(option.whale_slots, 3);
  ck_assert_int_eq(option.thp, THP_NEVER);
  ck_assert_str_eq(option_log_file, "/tmp/a b.%p");
  ck_assert_int_eq(sources[row_of("THP")], OPTION_FILE);
  ck_assert_int_eq(source_lines[row_of("THP")], 2);
  ck_assert_int_eq(sources[row_of("WHALE")], OPTION_BUILT_IN);
}
END_TEST

START_TEST(the_later_line_wins) {
  read_text("WHALE_SLOTS=3\nWHALE_SLOTS=4\n[program: *]\nWHALE_SLOTS=5\n[program: apache2]\nWHALE_SLOTS=6\n");
  ck_assert_int_eq(option.whale_slots, 5);
  ck_assert_int_eq(source_lines[row_of("WHALE_SLOTS")], 4);
}
END_TEST

START_TEST(the_environment_wins_over_the_file) {
  char one[] = "HAKMEM_WHALE_SLOTS=9", bad[] = "HAKMEM_THP=perhaps", *environment[] = { one, bad, NULL };
  read_both("WHALE_SLOTS=3\nTHP=never\n", environment, false);
  ck_assert_int_eq(option.whale_slots, 9);
  ck_assert_int_eq(sources[row_of("WHALE_SLOTS")], OPTION_ENVIRONMENT);
  ck_assert_int_eq(option.thp, THP_NEVER);   /* what the file says stays */
  ck_assert_uint_eq(complaints, 1);
  ck_assert_str_eq(complaint, "3:0:HAKMEM_THP=perhaps: not accepted (accepted: auto, inherit, always, never); "
                              "never is used instead");
}
END_TEST

START_TEST(a_preset_changes_only_what_is_not_set) {
  char minimal[] = "HAKMEM_MODE=minimal", *environment[] = { minimal, NULL };
  read_text("WHALE=1\nMODE=minimal\n");
  ck_assert_int_eq(option.mode, MODE_MINIMAL);
  ck_assert_int_eq(option.whale, 1);
  ck_assert_int_eq(option.bigcache, 0);
  ck_assert_int_eq(sources[row_of("BIGCACHE")], OPTION_PRESET);
  read_both("PURGE_DELAY_MS=7\nMODE=fast\n", environment, false);
  ck_assert_int_eq(option.mode, MODE_MINIMAL);
  ck_assert_int_eq(option.purge_delay_ms, 7);
  ck_assert_int_eq(option.whale_slots, 8);     /* nothing of the file's mode */
  ck_assert_int_eq(option.superslab_max_cached, 0);
}
END_TEST

START_TEST(exclude_is_the_kill_switch) {
  char off[] = "HAKMEM_FORCE_LIBC_ALLOC=0", *environment[] = { off, NULL };
  read_text("exclude = nginx\n");
  ck_assert_int_eq(option.force_libc_alloc, 1);
  ck_assert_int_eq(source_lines[row_of("FORCE_LIBC_ALLOC")], 1);
  read_text("exclude = apache2\n");
  ck_assert_int_eq(option.force_libc_alloc, 0);
  read_text("exclude = *\n[program: nginx]\nFORCE_LIBC_ALLOC=0\n");
  ck_assert_int_eq(option.force_libc_alloc, 0);
  read_both("exclude = nginx\n", environment, false);
  ck_assert_int_eq(option.force_libc_alloc, 0);
}
END_TEST

START_TEST(bad_settings_are_named) {
  read_text("\nWHALE=maybe\n");
  ck_assert_str_eq(complaint, "2:2:HAKMEM_WHALE=maybe: not accepted (accepted: 0, 1); 1 is used instead");
  read_text("HAKMEM_WHALES=1\n");
  ck_assert_str_eq(complaint, "2:1:HAKMEM_WHALES=1: there is no such option (man hakmem names those accepted; "
                              "near is HAKMEM_WHALE); it is ignored");
  read_text("MODE=wrong\nDEBUG_LEVEL=9\nhello\n");
  ck_assert_uint_eq(complaints, 3);
  read_text("[program: apache2]\nWHALE=maybe\n");
  ck_assert_uint_eq(complaints, 0);
  read_both("[program: apache2]\nWHALE=maybe\nTHP=never\n", NULL, true);
  ck_assert_uint_eq(complaints, 1);
  ck_assert_int_eq(option.thp, THP_AUTO);
}
END_TEST

START_TEST(a_long_value_is_refused_not_cut) {
  char text[OPTION_PATH_MAX * 2] = "WHALE_SLOTS=";
  size_t length = strlen(text);
  memset(text + length, '0', OPTION_PATH_MAX);
  read_text(text);
  ck_assert_uint_eq(complaints, 1);
  ck_assert_int_eq(option.whale_slots, 8);
}
END_TEST

/* ---- the library's start: one line, none for a secure process */

static char printed[8192];
static void start(const char *text, bool secure) {
  const struct options_file file = { "/etc/file", text, strlen(text), &nginx };
  int saved = dup(2);
  FILE *output = tmpfile();
  ck_assert_ptr_nonnull(output);
  dup2(fileno(output), 2);
  options_init(NULL, &file, true, secure);
  dup2(saved, 2);
  close(saved);
  ssize_t length = pread(fileno(output), printed, sizeof printed - 1, 0);
  printed[length > 0 ? length : 0] = '\0';
  fclose(output);
}

START_TEST(one_line_for_the_whole_file) {
  start("A=1\nB=2\nC=3\nhello\nWHALE_SLOTS=2\n", false);
  ck_assert_int_eq(option.whale_slots, 2);
  const char *end = strchr(printed, '\n');
  ck_assert_msg(end != NULL && end[1] == '\0', "%s", printed);
  ck_assert(strstr(printed, ": /etc/file:1: HAKMEM_A=1: there is no such option") != NULL);
  ck_assert(strstr(printed, "(hakmemctl check names 3 more)\n") != NULL);
  start("DEBUG_LEVEL=0\nA=1\n", false);
  ck_assert_str_eq(printed, "");
  start("A=1\n", false);
  ck_assert(strstr(printed, "more") == NULL && strstr(printed, "/etc/file:1: ") != NULL);
}
END_TEST

START_TEST(a_secure_process_obeys_in_silence) {
  start("A=1\nWHALE_SLOTS=2\nSTATS=1\nLOG_FILE=/tmp/log\nSTATS_DIR=/run\nFREE_ROUTE_TRACE=1\nINVALID_FREE_LOG=1\n"
        "SUPER_REG_REQTRACE=1\n", true);
  ck_assert_str_eq(printed, "");
  ck_assert_int_eq(option.whale_slots, 2);
  ck_assert_int_eq(option.stats | option.free_route_trace | option.invalid_free_log | option.super_reg_reqtrace, 0);
  ck_assert_str_eq(option_log_file, "");
  ck_assert_str_eq(option_stats_dir, "");
}
END_TEST

/* ---- any bytes: random text, and good text with changes, at the end of a page that is followed by none */

static unsigned random_below(unsigned limit) {
  static uint64_t state = 4711;
  state = state * 6364136223846793005U + 1442695040888963407U;
  return (unsigned)(state >> 33) % limit;
}

static const char good[] =
  "# hakmem.conf\nexclude = firefox* chromium [a-z]ustc \\[x\n\nHAKMEM_MODE=fast\r\nWHALE_SLOTS = 4\n"
  "[program: nginx /usr/*]\nBATCH_MIN_SIZE=64K\nLOG_FILE=/tmp/%p\n[program: b?sh]\nTHP=never\nBIGCACHE_MAX_MB=1G\n";

START_TEST(any_text_is_survived) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 2 * page;
  char *pages = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(pages, MAP_FAILED);
  ck_assert_int_eq(mprotect(pages + room, page, PROT_NONE), 0);
  const struct options_watcher watcher = { NULL, note_used, note_bad, true };
  unsigned rounds = getenv("HAK_TEST_QUICK") != NULL ? 5000 : 40000;
  for (unsigned round = 0; round < rounds; round++) {
    size_t size = round % 2 ? random_below(400) : sizeof good - 1;
    char *text = pages + room - size;
    if (round % 2) for (size_t i = 0; i < size; i++) text[i] = random_below(3) ? "\n\r \t=[]:#;*?!-\\exclude program HAKMEM_1"[random_below(39)] : (char)random_below(256);
    else memcpy(text, good, size);
    for (unsigned changes = round % 2 ? 0 : random_below(8); changes > 0; changes--) {
      size_t at = random_below((unsigned)size);
      switch (random_below(3)) {
        case 0: text[at] = (char)random_below(256); break;
        case 1: text[at] = "\n[]=\\*:-"[random_below(8)]; break;
        default: memmove(text + at, text + size / 2, (size - at) / 2); break;
      }
    }
    const struct options_file file = { "/etc/file", text, size, &nginx };
    options_read(NULL, &file, true, &watcher);
    ck_assert(option.mode >= 0 && option.mode <= MODE_MINIMAL);
    ck_assert(option.whale_slots >= 0 && option.whale_slots <= 64);
    ck_assert(option.debug_level >= 0 && option.debug_level <= 3);
    ck_assert(option.bigcache_max >= 0 && option.batch_flush >= 0 && option.batch_min_size >= 0);
    ck_assert_ptr_nonnull(memchr(option_log_file, '\0', sizeof option_log_file));
    ck_assert(option_stats_dir[0] == '\0' || option_stats_dir[0] == '/');
  }
  munmap(pages, room + page);
}
END_TEST

/* ---- the file itself */

static char folder[] = "/tmp/hakmem-check_conf.XXXXXX";
static char path[100];
static void make_folder(void) {
  strcpy(folder + sizeof folder - 7, "XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/conf", folder);
  os_init();
}
static void remove_folder(void) {
  unlink(path);
  rmdir(path);
  rmdir(folder);
}
static void write_file(const char *text, size_t size, size_t times) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  while (times-- > 0) ck_assert_uint_eq(fwrite(text, 1, size, file), size);
  fclose(file);
}
static struct conf_file read_path(bool secure) {
  struct conf_file file;
  conf_file_read(&file, path, secure);
  ck_assert((file.text == NULL) == (file.problem != NULL || file.size == 0) || file.text != NULL);
  return file;
}
static void expect_problem(const char *problem) {
  struct conf_file file = read_path(false);
  ck_assert_ptr_null(file.text);
  ck_assert_ptr_nonnull(file.problem);
  ck_assert_msg(strstr(file.problem, problem) != NULL, "%s", file.problem);
}

START_TEST(no_file_is_no_problem) {
  make_folder();
  struct conf_file file = read_path(false);
  ck_assert(file.text == NULL && file.problem == NULL);
  strcat(path, "/below/nothing");
  file = read_path(false);
  ck_assert(file.text == NULL && file.problem == NULL);
  remove_folder();
}
END_TEST

START_TEST(a_file_is_read) {
  make_folder();
  write_file("THP=never\n", 10, 1);
  struct conf_file file = read_path(false);
  ck_assert_uint_eq(file.size, 10);
  ck_assert_int_eq(memcmp(file.text, "THP=never\n", 10), 0);
  conf_file_release(&file);
  ck_assert_ptr_null(file.text);
  write_file("", 0, 1);
  file = read_path(false);
  ck_assert(file.problem == NULL && file.size == 0);
  conf_file_release(&file);
  write_file("#234567\n", 8, CONF_SIZE_MAX / 8);
  file = read_path(false);
  ck_assert_uint_eq(file.size, CONF_SIZE_MAX);
  conf_file_release(&file);
  remove_folder();
}
END_TEST

START_TEST(what_is_no_text_file_is_refused) {
  make_folder();
  write_file("#234567\n", 8, CONF_SIZE_MAX / 8 + 1);
  expect_problem("more than 64 KiB");
  write_file("THP=never\n\0", 11, 1);
  expect_problem("not a text file");
  unlink(path);
  ck_assert_int_eq(mkdir(path, 0755), 0);
  expect_problem("not a regular file");
  rmdir(path);
  ck_assert_int_eq(mkfifo(path, 0644), 0);
  expect_problem("not a regular file");
  unlink(path);
  ck_assert_int_eq(symlink("/dev/zero", path), 0);
  expect_problem("not a regular file");
  unlink(path);
  ck_assert_int_eq(symlink(path, path), 0);
  expect_problem("cannot be opened");
  unlink(path);
  ck_assert_int_eq(symlink("/nowhere/at/all", path), 0);
  struct conf_file file = read_path(false);
  ck_assert(file.text == NULL && file.problem == NULL);
  remove_folder();
}
END_TEST

static void without_descriptors(void) {
  const struct rlimit none = { 0, 0 };
  struct conf_file file;
  if (setrlimit(RLIMIT_NOFILE, &none) != 0) _exit(2);
  conf_file_read(&file, path, false);
  _exit(file.text == NULL && file.problem != NULL && file.restricted ? 0 : 1);
}
START_TEST(what_is_this_process_s_matter_is_told_apart) {
  int status = -1;
  make_folder();
  write_file("THP=never\n", 10, 1);
  pid_t child = fork();
  if (child == 0) without_descriptors();
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  remove_folder();
}
END_TEST

START_TEST(a_secure_process_trusts_root_alone) {
  make_folder();
  write_file("THP=never\n", 10, 1);
  bool root = geteuid() == 0;
  static const mode_t modes[] = { 0644, 0600, 0664, 0646, 0666 };
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    ck_assert_int_eq(chmod(path, modes[i]), 0);
    struct conf_file file = read_path(true);
    ck_assert_msg((file.text != NULL) == (root && i < 2), "mode %o", modes[i]);
    conf_file_release(&file);
  }
  if (root) {
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(chown(path, 65534, 0), 0);
    struct conf_file file = read_path(true);
    ck_assert_ptr_null(file.text);
  }
  remove_folder();
}
END_TEST

UNIT_MAIN("conf", globs_are_matched, lists_of_globs, a_script_has_two_names, globs_that_go_back_a_lot_end,
          settings_blanks_and_comments, the_last_line_needs_no_end, a_byte_order_mark_is_skipped,
          sections_apply_to_their_programs, a_bad_section_applies_to_nobody, excludes, lines_that_are_none,
          the_file_sets_options, the_later_line_wins, the_environment_wins_over_the_file,
          a_preset_changes_only_what_is_not_set, exclude_is_the_kill_switch, bad_settings_are_named,
          a_long_value_is_refused_not_cut, one_line_for_the_whole_file, a_secure_process_obeys_in_silence,
          any_text_is_survived, no_file_is_no_problem, a_file_is_read, what_is_no_text_file_is_refused,
          what_is_this_process_s_matter_is_told_apart,
          a_secure_process_trusts_root_alone)
