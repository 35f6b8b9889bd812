/* option_read.c - where settings come from: built in, a preset, the configuration file, the environment.

   The later of these wins, but a preset (MODE, from wherever) only changes what nobody has set by itself. So
   the file and the environment are gone through twice: for what others depend on, and for everything. */
#include <config.h>
#include "option_table.h"

#include <string.h>
#include "message.h"

enum { PREFIX_LENGTH = sizeof OPTION_PREFIX - 1, COMPLAINTS_MAX = 32 };

/* One reading. */
struct reading {
  const struct options_watcher *watcher;
  enum option_source source;
  unsigned line;
  bool only_first;     /* the first time: only those in first_names, without complaints */
};

static const char first_names[][12] = { "DEBUG_LEVEL", "MODE" };

static bool is_first(const struct option_definition *row) {
  for (size_t i = 0; i < sizeof first_names / sizeof first_names[0]; i++)
    if (strcmp(row->name, first_names[i]) == 0) return true;
  return false;
}

static void tell_used(const struct reading *reading, const struct option_definition *row) {
  if (reading->watcher->used != NULL)
    reading->watcher->used(reading->watcher->context, (size_t)(row - option_table), reading->source,
                           reading->line);
}

static void tell_bad(const struct reading *reading, const char *text) {
  reading->watcher->bad(reading->watcher->context, reading->source, reading->line, text);
}

/* One setting; name without HAKMEM_, neither needs a terminator. applies: false, it is only checked. */
static void take_setting(const struct reading *reading, const char *name, size_t name_length,
                         const char *value, size_t value_length, bool applies) {
  char text[OPTION_PATH_MAX], complaint[MESSAGE_MAX];
  const struct option_definition *row = option_find(name, name_length);
  bool fits = value_length < sizeof text;
  if (reading->only_first && (row == NULL || !applies || !is_first(row))) return;
  memcpy(text, value, fits ? value_length : 0);
  text[fits ? value_length : 0] = '\0';
  if (row != NULL && fits && (applies ? option_parse(row, text) : option_accepts(row, text))) {
    if (applies) tell_used(reading, row);
    return;
  }
  if (reading->only_first) return;
  if (row == NULL)
    option_complain_unknown(complaint, sizeof complaint, name, name_length, value, value_length);
  else
    option_complain_value(complaint, sizeof complaint, row, value, value_length);
  tell_bad(reading, complaint);
}

/* ---- the configuration file */

static void take_line(struct reading *reading, const struct conf_line *line) {
  reading->line = line->number;
  switch (line->kind) {
    case CONF_SETTING: {
      size_t skipped = line->name_length > PREFIX_LENGTH ? PREFIX_LENGTH : 0;
      if (skipped != 0 && memcmp(line->name, OPTION_PREFIX, skipped) != 0) skipped = 0;
      take_setting(reading, line->name + skipped, line->name_length - skipped, line->value,
                   line->value_length, line->applies);
      break;
    }
    case CONF_EXCLUDE:
      if (line->applies && !reading->only_first)
        take_setting(reading, "FORCE_LIBC_ALLOC", sizeof "FORCE_LIBC_ALLOC" - 1, "1", 1, true);
      break;
    case CONF_SECTION: break;
    case CONF_ERROR:
      if (!reading->only_first) tell_bad(reading, line->value);
      break;
  }
}

static void read_file(const struct options_file *file, const struct options_watcher *watcher,
                      bool only_first) {
  struct reading reading = { watcher, OPTION_FILE, 0, only_first };
  struct conf_reader reader;
  struct conf_line line;
  if (file == NULL) return;
  conf_start(&reader, file->text, file->size, file->program);
  while (conf_next(&reader, &line))
    if (line.applies || line.kind == CONF_ERROR || watcher->all_lines) take_line(&reading, &line);
}

/* ---- the environment */

/* The row of an entry that is one of ours, whose first entry it is: of several with the same name the first
   counts, as in getenv. */
static bool is_repeated(const struct option_definition *row, bool seen[OPTION_ROWS]) {
  if (row == NULL) return false;
  bool before = seen[row - option_table];
  seen[row - option_table] = true;
  return before;
}

static void read_environment(char *const *environment, const struct options_watcher *watcher,
                             bool only_first) {
  struct reading reading = { watcher, OPTION_ENVIRONMENT, 0, only_first };
  bool seen[OPTION_ROWS] = { false };
  if (environment == NULL) return;
  for (char *const *entry = environment; *entry != NULL; entry++) {
    if (strncmp(*entry, OPTION_PREFIX, PREFIX_LENGTH) != 0) continue;
    const char *name = *entry + PREFIX_LENGTH;
    size_t length = strcspn(name, "=");
    if (name[length] == '\0' || is_repeated(option_find(name, length), seen)) continue;
    take_setting(&reading, name, length, name + length + 1, strlen(name + length + 1), true);
  }
}

/* ---- all of it */

static void set_defaults(bool interposer) {
  for (size_t i = 0; i < OPTION_ROWS; i++) option_store(&option_table[i], option_table[i].standard);
  if (interposer) option.invalid_free = INVALID_FALLBACK;
  option_log_file[0] = '\0';
  option_ace_log[0] = '\0';
  option_stats_dir[0] = '\0';
  memcpy(option_profile_file, OPTION_PROFILE_FILE, sizeof OPTION_PROFILE_FILE);
}

static void apply_preset(const struct options_watcher *watcher, long mode) {
  struct reading reading = { watcher, OPTION_PRESET, 0, false };
  for (size_t i = 0; i < OPTION_ROWS; i++) {
    const struct option_definition *row = &option_table[i];
    int64_t preset = mode == MODE_FAST ? row->fast : mode == MODE_MINIMAL ? row->minimal : SAME;
    if (preset == SAME) continue;
    option_store(row, preset);
    tell_used(&reading, row);
  }
}

void options_read(char *const *environment, const struct options_file *file, bool interposer,
                  const struct options_watcher *watcher) {
  set_defaults(interposer);
  read_file(file, watcher, true);
  read_environment(environment, watcher, true);
  message_level = (int)option.debug_level;
  apply_preset(watcher, option.mode);
  read_file(file, watcher, false);
  read_environment(environment, watcher, false);
}

/* ---- the library's start */

/* The file is every program's: of what is wrong in it one line is printed, not one for each. */
struct complaints {
  unsigned environment, file;
  unsigned line;            /* of the first one in the file */
  char first[MESSAGE_MAX];
};

static void complain(void *context, enum option_source source, unsigned line, const char *text) {
  struct complaints *complaints = context;
  if (source == OPTION_ENVIRONMENT) {
    if (++complaints->environment <= COMPLAINTS_MAX) message_print(MESSAGE_ERROR, "%s", text);
  } else if (complaints->file++ == 0) {
    complaints->line = line;
    message_format(complaints->first, sizeof complaints->first, "%s", text);
  }
}

/* The last call for a row is the one that counts. */
static void note_source(void *context, size_t row, enum option_source source, unsigned line) {
  (void)context, (void)line;
  if (option_table[row].kind == KIND_FOLDER) option_stats_dir_from_file = source == OPTION_FILE;
}

/* What writes files or on other people's descriptors. */
static void be_silent(void) {
  option.stats = STATS_OFF;
  option.free_route_trace = option.super_reg_reqtrace = option.invalid_free_log = 0;
  option.profile = option.profile_leaks = 0;
  option_log_file[0] = '\0';
  option_ace_log[0] = '\0';
  option_stats_dir[0] = '\0';
}

void options_init(char *const *environment, const struct options_file *file, bool interposer, bool secure) {
  struct complaints complaints = { .environment = 0 };
  const struct options_watcher watcher = { &complaints, note_source, complain, false };
  message_muted = secure;
  options_read(secure ? NULL : environment, file, interposer, &watcher);
  if (secure) be_silent();
  if (complaints.environment > COMPLAINTS_MAX)
    message_print(MESSAGE_ERROR, "%u more HAKMEM_ variables are not accepted either",
                  complaints.environment - COMPLAINTS_MAX);
  if (complaints.file == 1)
    message_print(MESSAGE_ERROR, "%s:%u: %s", file->path, complaints.line, complaints.first);
  else if (complaints.file > 1)
    message_print(MESSAGE_ERROR, "%s:%u: %s (hakmemctl check names %u more)", file->path, complaints.line,
                  complaints.first, complaints.file - 1);
}
