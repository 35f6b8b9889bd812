/* Tests of options.c. */
#include <config.h>
#include "options.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "message.h"
#include "unit.h"

enum { OUTPUT_MAX = 32768, ENTRIES_MAX = 200 };

/* What options_init() printed. */
static char printed[OUTPUT_MAX];

/* Reads an environment, with fd 2 caught in printed. */
static void read_environment(char *const *environment, bool interposer, bool secure) {
  int saved = dup(2);
  FILE *file = tmpfile();
  ck_assert_ptr_nonnull(file);
  dup2(fileno(file), 2);
  options_init(environment, NULL, interposer, secure);
  dup2(saved, 2);
  close(saved);
  ssize_t length = pread(fileno(file), printed, sizeof printed - 1, 0);
  printed[length > 0 ? length : 0] = '\0';
  fclose(file);
}

/* The same with its strings as arguments. */
#define READ(...)                                                   \
  do {                                                              \
    const char *entries[] = { __VA_ARGS__, NULL };                  \
    read_environment((char *const *)(uintptr_t)entries, false, false); \
  } while (0)

static unsigned lines(void) {
  unsigned count = 0;
  for (const char *c = printed; *c != '\0'; c++) count += *c == '\n';
  return count;
}
static bool says(const char *text) { return strstr(printed, text) != NULL; }

static const char *text_of(const char *name) {
  static char buffer[OPTION_PATH_MAX];
  return options_get_text(name, buffer, sizeof buffer);
}

START_TEST(test_defaults) {
  read_environment(NULL, true, false);
  ck_assert_int_eq(option.mode, MODE_BALANCED);
  ck_assert_int_eq(option.force_libc_alloc, 0);
  ck_assert_int_eq(option.wrap_tiny & option.wrap_pool & option.wrap_l25, 1);
  ck_assert_int_eq(option.bigcache, 1);
  ck_assert_int_eq(option.bigcache_l25, 0);
  ck_assert_int_eq(option.bigcache_max, 256 << 20);
  ck_assert_int_eq(option.whale, 1);
  ck_assert_int_eq(option.whale_slots, 8);
  ck_assert_int_eq(option.batch_madvise, 1);
  ck_assert_int_eq(option.batch_min_size, 64 << 10);
  ck_assert_int_eq(option.batch_flush, 4 << 20);
  ck_assert_int_eq(option.purge_delay_ms, 25);
  ck_assert_int_eq(option.superslab_max_cached, 16);
  ck_assert_int_eq(option.ss_prefault, PREFAULT_OFF);
  ck_assert_int_eq(option.thp, THP_AUTO);
  ck_assert_int_eq(option.invalid_free, INVALID_FALLBACK);
  ck_assert_int_eq(option.external_guard, GUARD_POPULATE);
  ck_assert_int_eq(option.deepbind, DEEPBIND_STRIP);
  ck_assert_int_eq(option.stats, STATS_OFF);
  ck_assert_int_eq(option.debug_level, MESSAGE_ERROR);
  ck_assert_str_eq(option_log_file, "");
  ck_assert_uint_eq(lines(), 0);
}
END_TEST

START_TEST(test_library_skips_invalid_pointers) {
  read_environment(NULL, false, false);
  ck_assert_int_eq(option.invalid_free, INVALID_SKIP);
}
END_TEST

/* The default as text, as the manual has it, is the default in force. */
START_TEST(test_default_texts_are_true) {
  read_environment(NULL, true, false);
  for (size_t i = 0; i < options_count(); i++) {
    struct option_row row = options_row(i);
    if (strncmp(row.accepted, "path", 4) == 0) continue;
    ck_assert_ptr_nonnull(text_of(row.name));
    const char *wanted = strcmp(row.name, "INVALID_FREE") == 0 ? "fallback" : row.default_text;
    ck_assert_str_eq(text_of(row.name), wanted);
  }
}
END_TEST

START_TEST(test_rows_are_complete) {
  ck_assert_uint_ge(options_count(), 26);
  for (size_t i = 0; i < options_count(); i++) {
    struct option_row row = options_row(i);
    size_t length = strlen(row.help);
    ck_assert_uint_gt(length, 10);
    ck_assert_int_eq(row.help[length - 1], '.');
    ck_assert(isupper((unsigned char)row.help[0]) || strncmp(row.help, "BigCache", 8) == 0);
    ck_assert_str_ne(row.accepted, "");
    for (size_t k = 0; k < i; k++) ck_assert_str_ne(row.name, options_row(k).name);
  }
}
END_TEST

/* Sets an option to a text and compares what is read back. */
static void check_accepted(const char *name, const char *value) {
  char entry[300];
  snprintf(entry, sizeof entry, "HAKMEM_%s=%s", name, value);
  READ(entry);
  ck_assert_msg(lines() == 0, "%s: %s", entry, printed);
  ck_assert_str_eq(text_of(name), value);
}

/* Every value that the manual lists as accepted is, and reads back. */
START_TEST(test_each_listed_value_is_accepted) {
  unsigned checked = 0;
  for (size_t i = 0; i < options_count(); i++) {
    struct option_row row = options_row(i);
    if (strncmp(row.accepted, "size", 4) == 0 || strncmp(row.accepted, "path", 4) == 0) continue;
    char list[100];
    snprintf(list, sizeof list, "%s", row.accepted);
    for (char *value = strtok(list, ", "); value != NULL; value = strtok(NULL, ", ")) {
      if (strcmp(value, "to") == 0) continue;
      check_accepted(row.name, value);
      checked++;
    }
  }
  ck_assert_uint_gt(checked, 40);
}
END_TEST

START_TEST(test_words_in_any_case) {
  READ("HAKMEM_MODE=Fast", "HAKMEM_STATS=JSON", "HAKMEM_THP=NEVER");
  ck_assert_uint_eq(lines(), 0);
  ck_assert_int_eq(option.mode, MODE_FAST);
  ck_assert_int_eq(option.stats, STATS_JSON);
  ck_assert_int_eq(option.thp, THP_NEVER);
}
END_TEST

START_TEST(test_each_word_is_its_enum) {
  READ("HAKMEM_MODE=minimal", "HAKMEM_THP=inherit", "HAKMEM_INVALID_FREE=abort",
       "HAKMEM_EXTERNAL_GUARD=msync",
       "HAKMEM_DEEPBIND=keep", "HAKMEM_STATS=1", "HAKMEM_SS_PREFAULT=2");
  ck_assert_int_eq(option.mode, MODE_MINIMAL);
  ck_assert_int_eq(option.thp, THP_INHERIT);
  ck_assert_int_eq(option.invalid_free, INVALID_ABORT);
  ck_assert_int_eq(option.external_guard, GUARD_MSYNC);
  ck_assert_int_eq(option.deepbind, DEEPBIND_KEEP);
  ck_assert_int_eq(option.stats, STATS_TEXT);
  ck_assert_int_eq(option.ss_prefault, PREFAULT_TOUCH);
  READ("HAKMEM_THP=always", "HAKMEM_INVALID_FREE=fallback", "HAKMEM_EXTERNAL_GUARD=mincore",
       "HAKMEM_SS_PREFAULT=1");
  ck_assert_int_eq(option.thp, THP_ALWAYS);
  ck_assert_int_eq(option.invalid_free, INVALID_FALLBACK);
  ck_assert_int_eq(option.external_guard, GUARD_MINCORE);
  ck_assert_int_eq(option.ss_prefault, PREFAULT_POPULATE);
  READ("HAKMEM_EXTERNAL_GUARD=off");
  ck_assert_int_eq(option.external_guard, GUARD_OFF);
}
END_TEST

START_TEST(test_sizes_and_suffixes) {
  READ("HAKMEM_BATCH_MIN_SIZE=12345", "HAKMEM_BIGCACHE_MAX_MB=3", "HAKMEM_BATCH_FLUSH_MB=512K");
  ck_assert_int_eq(option.batch_min_size, 12345);
  ck_assert_int_eq(option.bigcache_max, 3 << 20);
  ck_assert_int_eq(option.batch_flush, 512 << 10);
  ck_assert_str_eq(text_of("BATCH_MIN_SIZE"), "12345");
  ck_assert_str_eq(text_of("BIGCACHE_MAX_MB"), "3");
  ck_assert_str_eq(text_of("BATCH_FLUSH_MB"), "512K");
  READ("HAKMEM_BATCH_MIN_SIZE=8k", "HAKMEM_BIGCACHE_MAX_MB=1G", "HAKMEM_BATCH_FLUSH_MB=16m");
  ck_assert_int_eq(option.batch_min_size, 8 << 10);
  ck_assert_int_eq(option.bigcache_max, 1 << 30);
  ck_assert_int_eq(option.batch_flush, 16 << 20);
  ck_assert_str_eq(text_of("BATCH_MIN_SIZE"), "8K");
  ck_assert_str_eq(text_of("BIGCACHE_MAX_MB"), "1024");
  ck_assert_uint_eq(lines(), 0);
}
END_TEST

START_TEST(test_size_beyond_the_machine_is_all_of_it) {
  READ("HAKMEM_BIGCACHE_MAX_MB=1048576");
  ck_assert_uint_eq(lines(), 0);
  ck_assert(sizeof(long) == 8 ? option.bigcache_max == (long)((int64_t)1 << 40) :
            option.bigcache_max == LONG_MAX);
}
END_TEST

START_TEST(test_negative_delay) {
  READ("HAKMEM_PURGE_DELAY_MS=-1");
  ck_assert_int_eq(option.purge_delay_ms, -1);
  READ("HAKMEM_PURGE_DELAY_MS=-2");
  ck_assert_int_eq(option.purge_delay_ms, 25);
  ck_assert_uint_eq(lines(), 1);
}
END_TEST

/* A bad value: one line with variable, value, what is accepted, what is used. */
static void check_refused(const char *name, const char *value, const char *accepted, const char *used) {
  char entry[600], wanted[600];
  snprintf(entry, sizeof entry, "HAKMEM_%s=%s", name, value);
  READ(entry);
  ck_assert_msg(lines() == 1, "%s: %s", entry, printed);
  snprintf(wanted, sizeof wanted, "HAKMEM_%s=%s: not accepted (accepted: %s); %s is used instead\n", name,
           value, accepted, used);
  ck_assert_msg(says(wanted), "wanted %s got %s", wanted, printed);
}

START_TEST(test_bad_values_are_named) {
  check_refused("MODE", "quick", "balanced, fast, minimal", "balanced");
  check_refused("WRAP_TINY", "2", "0, 1", "1");
  check_refused("WRAP_TINY", "", "0, 1", "1");
  check_refused("WRAP_TINY", "0 ", "0, 1", "1");
  check_refused("WRAP_TINY", " 0", "0, 1", "1");
  check_refused("STATS", "jso", "0, 1, json", "0");
  check_refused("STATS", "jsonn", "0, 1, json", "0");
  check_refused("STATS", "0 1", "0, 1, json", "0");
  check_refused("WHALE_SLOTS", "65", "0 to 64", "8");
  check_refused("WHALE_SLOTS", "8K", "0 to 64", "8");
  check_refused("WHALE_SLOTS", "-", "0 to 64", "8");
  check_refused("BATCH_MIN_SIZE", "K", "size up to 1G", "64K");
  check_refused("BATCH_MIN_SIZE", "4KB", "size up to 1G", "64K");
  check_refused("BATCH_MIN_SIZE", "4T", "size up to 1G", "64K");
  check_refused("BATCH_MIN_SIZE", "-4", "size up to 1G", "64K");
  check_refused("BATCH_MIN_SIZE", "0x10", "size up to 1G", "64K");
  check_refused("BIGCACHE_MAX_MB", "18446744073709551617", "size in MiB", "256");
  check_refused("BIGCACHE_MAX_MB", "9223372036854775807", "size in MiB", "256");
  check_refused("BIGCACHE_MAX_MB", "1.5", "size in MiB", "256");
  check_refused("BATCH_FLUSH_MB", "0", "size in MiB from 64K", "4");
  check_refused("PURGE_DELAY_MS", "3600001", "-1, 0 to 3600000", "25");
  check_refused("DEBUG_LEVEL", "4", "0 to 3", "1");
  check_refused("STATS_DIR", "run/here", "path of a folder, from the root", "none");
  check_refused("LOG_FILE", "/tmp/%d", "path, %p for the process id", "standard error");
}
END_TEST

START_TEST(test_default_of_the_interposer_is_named) {
  const char *entries[] = { "HAKMEM_INVALID_FREE=perhaps", NULL };
  read_environment((char *const *)(uintptr_t)entries, true, false);
  ck_assert(says("fallback is used instead"));
  ck_assert_int_eq(option.invalid_free, INVALID_FALLBACK);
}
END_TEST

START_TEST(test_unknown_names) {
  READ("HAKMEM_WRAP_TINI=0", "HAKMEM_FLUX_COMPENSATOR=on", "HAKMEM_=", "PATH=/bin", "MYHAKMEM_X=1",
       "hakmem_stats=1");
  ck_assert_uint_eq(lines(), 3);
  ck_assert(says("HAKMEM_WRAP_TINI=0: there is no such option (man hakmem names those accepted; "
                 "near is HAKMEM_WRAP_TINY); it is ignored"));
  ck_assert(says("HAKMEM_FLUX_COMPENSATOR=on: there is no such option (man hakmem names those accepted); "
                 "it is ignored"));
  ck_assert(says("HAKMEM_=: there is no such option"));
  ck_assert_int_eq(option.wrap_tiny, 1);
}
END_TEST

START_TEST(test_suggestions) {
  READ("HAKMEM_BIGCACHE_MAXMB=3");
  ck_assert(says("near is HAKMEM_BIGCACHE_MAX_MB)"));
  READ("HAKMEM_STAT=1");
  ck_assert(says("near is HAKMEM_STATS)"));
  READ("HAKMEM_PURGE_DELAY=1");
  ck_assert(!says("near is"));
}
END_TEST

START_TEST(test_debug_level_0_silences_wherever_it_stands) {
  READ("HAKMEM_NO_SUCH=1", "HAKMEM_MODE=wrong", "HAKMEM_DEBUG_LEVEL=0");
  ck_assert_str_eq(printed, "");
  ck_assert_int_eq(message_level, MESSAGE_NONE);
  READ("HAKMEM_DEBUG_LEVEL=3");
  ck_assert_int_eq(message_level, MESSAGE_VERBOSE);
}
END_TEST

/* The help of MODE lists NAME=VALUE for each preset: those, and no others, are what the presets set. */
static void check_preset(const char *mode) {
  char entry[40], expected[64][40], mark[40];
  size_t count = 0;
  read_environment(NULL, false, false);
  ck_assert_uint_le(options_count(), 64);
  for (size_t i = 0; i < options_count(); i++)
    snprintf(expected[i], sizeof expected[i], "%s", text_of(options_row(i).name));
  ck_assert_str_eq(options_row(0).name, "MODE");
  snprintf(expected[0], sizeof expected[0], "%s", mode);
  snprintf(mark, sizeof mark, "%s: ", mode);
  const char *list = strstr(options_row(0).help, mark);
  ck_assert_ptr_nonnull(list);
  char name[40], value[40];
  for (list += strlen(mark); sscanf(list, "%39[A-Z0-9_]=%39[0-9]", name, value) == 2; list += 2) {
    for (size_t i = 0; i < options_count(); i++)
      if (strcmp(options_row(i).name, name) == 0) {
        snprintf(expected[i], sizeof expected[i], "%s", value);
        count++;
      }
    list += strcspn(list, ",.");
    if (*list == '.') break;
  }
  ck_assert_uint_ge(count, 4);
  snprintf(entry, sizeof entry, "HAKMEM_MODE=%s", mode);
  READ(entry);
  for (size_t i = 0; i < options_count(); i++) ck_assert_str_eq(text_of(options_row(i).name), expected[i]);
}

START_TEST(test_presets_are_as_documented) {
  check_preset("fast");
  check_preset("minimal");
}
END_TEST

START_TEST(test_one_set_by_itself_wins_in_any_order) {
  READ("HAKMEM_MODE=minimal", "HAKMEM_PURGE_DELAY_MS=7");
  ck_assert_int_eq(option.purge_delay_ms, 7);
  ck_assert_int_eq(option.bigcache, 0);
  READ("HAKMEM_PURGE_DELAY_MS=7", "HAKMEM_MODE=minimal");
  ck_assert_int_eq(option.purge_delay_ms, 7);
  ck_assert_int_eq(option.bigcache, 0);
}
END_TEST

START_TEST(test_bad_value_falls_back_to_the_preset) {
  READ("HAKMEM_PURGE_DELAY_MS=soon", "HAKMEM_MODE=fast");
  ck_assert_int_eq(option.purge_delay_ms, 1000);
  ck_assert(says("1000 is used instead"));
}
END_TEST

START_TEST(test_first_of_duplicates_wins) {
  READ("HAKMEM_WHALE_SLOTS=3", "HAKMEM_WHALE_SLOTS=5", "HAKMEM_MODE=fast", "HAKMEM_MODE=minimal",
       "HAKMEM_DEBUG_LEVEL=2", "HAKMEM_DEBUG_LEVEL=0");
  ck_assert_int_eq(option.whale_slots, 3);
  ck_assert_int_eq(option.mode, MODE_FAST);
  ck_assert_int_eq(option.debug_level, 2);
  ck_assert_uint_eq(lines(), 0);
  READ("HAKMEM_WHALE_SLOTS=x", "HAKMEM_WHALE_SLOTS=5");
  ck_assert_int_eq(option.whale_slots, 8);
  ck_assert_uint_eq(lines(), 1);
}
END_TEST

START_TEST(test_secure_reads_and_prints_nothing) {
  const char *entries[] = { "HAKMEM_MODE=fast", "HAKMEM_LOG_FILE=/tmp/x", "HAKMEM_NONSENSE=1",
                            "HAKMEM_STATS=9", NULL };
  read_environment((char *const *)(uintptr_t)entries, true, true);
  ck_assert_int_eq(option.mode, MODE_BALANCED);
  ck_assert_str_eq(option_log_file, "");
  ck_assert_str_eq(printed, "");
  ck_assert(message_muted);
  read_environment(NULL, true, false);
  ck_assert(!message_muted);
}
END_TEST

START_TEST(test_values_are_copied) {
  char path[] = "HAKMEM_LOG_FILE=/tmp/report.%p", size[] = "HAKMEM_WHALE_SLOTS=2";
  char *entries[] = { path, size, NULL };
  read_environment(entries, false, false);
  memset(path, '#', sizeof path);
  memset(size, '#', sizeof size);
  ck_assert_str_eq(option_log_file, "/tmp/report.%p");
  ck_assert_str_eq(text_of("HAKMEM_LOG_FILE"), "/tmp/report.%p");
  ck_assert_int_eq(option.whale_slots, 2);
}
END_TEST

START_TEST(test_log_file_lengths) {
  char entry[2 * OPTION_PATH_MAX] = "HAKMEM_LOG_FILE=";
  size_t name = strlen(entry);
  memset(entry + name, 'x', OPTION_PATH_MAX - 1);
  READ(entry);
  ck_assert_uint_eq(lines(), 0);
  ck_assert_uint_eq(strlen(option_log_file), OPTION_PATH_MAX - 1);
  entry[name + OPTION_PATH_MAX - 1] = 'x';
  READ(entry);
  ck_assert_uint_eq(lines(), 1);
  ck_assert_str_eq(option_log_file, "");
  READ("HAKMEM_LOG_FILE=");
  ck_assert_uint_eq(lines(), 0);
  READ("HAKMEM_LOG_FILE=half%");
  ck_assert_uint_eq(lines(), 1);
}
END_TEST

START_TEST(test_get_text) {
  char small[4];
  read_environment(NULL, false, false);
  ck_assert_str_eq(text_of("HAKMEM_THP"), "auto");
  ck_assert_str_eq(text_of("THP"), "auto");
  ck_assert_ptr_null(text_of("thp"));
  ck_assert_ptr_null(text_of(""));
  ck_assert_ptr_null(text_of("HAKMEM_"));
  ck_assert_ptr_null(options_get_text("THP", small, 0));
  ck_assert_str_eq(options_get_text("MODE", small, sizeof small), "bal");
}
END_TEST

START_TEST(test_terminal_codes_are_not_passed_on) {
  READ("HAKMEM_MODE=\033[31mred\n\377", "HAKMEM_\033x=1");
  ck_assert_uint_eq(lines(), 2);
  for (const char *c = printed; *c != '\0'; c++) ck_assert(*c == '\n' || (*c >= ' ' && *c <= '~'));
  ck_assert(says("HAKMEM_MODE=?[31mred??:"));
}
END_TEST

START_TEST(test_many_complaints_are_bounded) {
  static char text[ENTRIES_MAX][32];
  char *entries[ENTRIES_MAX + 1];
  for (int i = 0; i < ENTRIES_MAX; i++) {
    snprintf(text[i], sizeof text[i], "HAKMEM_X%d=y", i);
    entries[i] = text[i];
  }
  entries[ENTRIES_MAX - 1] = strcpy(text[ENTRIES_MAX - 1], "HAKMEM_WHALE_SLOTS=1");
  entries[ENTRIES_MAX] = NULL;
  read_environment(entries, false, false);
  ck_assert_uint_eq(lines(), 33);
  ck_assert(says("]: 167 more HAKMEM_ variables"));
  ck_assert_int_eq(option.whale_slots, 1);   /* what comes later is still read */
}
END_TEST

static unsigned random_below(unsigned limit) {
  static uint64_t state = 12345;
  state = state * 6364136223846793005U + 1442695040888963407U;
  return (unsigned)(state >> 33) % limit;
}

/* Random environments: names whole, cut or changed; values of any bytes. Only a crash or a value
   out of its range can fail. */
START_TEST(test_random_environments) {
  static char text[ENTRIES_MAX][2048];
  char *entries[ENTRIES_MAX + 1];
  for (int round = 0; round < 300; round++) {
    unsigned count = random_below(20);
    for (unsigned i = 0; i < count; i++) {
      const char *name = options_row(random_below((unsigned)options_count())).name;
      size_t length = (size_t)snprintf(text[i], 100, "HAKMEM_%s%s", name, random_below(8) ? "=" : "");
      if (random_below(4) == 0) text[i][random_below((unsigned)length)] = (char)random_below(256);
      unsigned extra = random_below(6) == 0 ? random_below(1900) : random_below(12);
      for (unsigned k = 0; k < extra; k++)
        text[i][length + k] = random_below(2) ? "0123456789-KMG%p"[random_below(16)] :
          (char)(1 + random_below(255));
      text[i][length + extra] = '\0';
      entries[i] = text[i];
    }
    entries[count] = NULL;
    read_environment(entries, random_below(2), random_below(8) == 0);
    ck_assert(option.mode >= 0 && option.mode <= MODE_MINIMAL);
    ck_assert(option.thp >= 0 && option.thp <= THP_NEVER);
    ck_assert(option.debug_level >= 0 && option.debug_level <= 3);
    ck_assert(option.whale_slots >= 0 && option.whale_slots <= 64);
    ck_assert(option.bigcache_max >= 0 && option.batch_flush >= 0 && option.batch_min_size >= 0);
    ck_assert(option.purge_delay_ms >= -1);
    ck_assert(memchr(option_log_file, '\0', sizeof option_log_file) != NULL);
  }
}
END_TEST

UNIT_MAIN("options", test_defaults, test_library_skips_invalid_pointers, test_default_texts_are_true,
          test_rows_are_complete,
          test_each_listed_value_is_accepted, test_words_in_any_case, test_each_word_is_its_enum,
          test_sizes_and_suffixes, test_size_beyond_the_machine_is_all_of_it, test_negative_delay,
          test_bad_values_are_named, test_default_of_the_interposer_is_named, test_unknown_names,
            test_suggestions,
          test_debug_level_0_silences_wherever_it_stands, test_presets_are_as_documented,
          test_one_set_by_itself_wins_in_any_order, test_bad_value_falls_back_to_the_preset,
          test_first_of_duplicates_wins, test_secure_reads_and_prints_nothing, test_values_are_copied,
          test_log_file_lengths, test_get_text, test_terminal_codes_are_not_passed_on,
          test_many_complaints_are_bounded, test_random_environments)
