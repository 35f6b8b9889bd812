/* options.c - values of settings: in force, as text, from text. */
#include <config.h>
#include "option_table.h"

#include <limits.h>
#include <string.h>
#include "align.h"
#include "message.h"

HAK_CONSTANT struct option_values option;
HAK_CONSTANT char option_log_file[OPTION_PATH_MAX];
HAK_CONSTANT char option_stats_dir[OPTION_PATH_MAX];
HAK_CONSTANT bool option_stats_dir_from_file;
HAK_CONSTANT char option_profile_file[OPTION_PATH_MAX];
HAK_CONSTANT char option_ace_log[OPTION_PATH_MAX];

static long *value_of(const struct option_definition *row) {
  return (long *)(void *)((char *)&option + row->place);
}

static char *path_of(const struct option_definition *row) {
  switch (row->kind) {
    case KIND_FOLDER: return option_stats_dir;
    case KIND_PROFILE: return option_profile_file;
    case KIND_ACE_LOG: return option_ace_log;
    default: return option_log_file;
  }
}

void option_store(const struct option_definition *row, int64_t value) {
  if (row->kind < KIND_PATH) *value_of(row) = value > LONG_MAX ? LONG_MAX : (long)value;
}

const struct option_definition *option_find(const char *name, size_t length) {
  for (size_t i = 0; i < OPTION_ROWS; i++)
    if (strlen(option_table[i].name) == length && memcmp(option_table[i].name, name, length) == 0)
      return &option_table[i];
  return NULL;
}

/* ---- values as text and back */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* The index-th word of a list, its length in *length; NULL behind the last one. */
static const char *word_at(const char *words, long index, size_t *length) {
  for (;; words += *length + 1) {
    *length = strcspn(words, " ");
    if (index-- == 0) return words;
    if (words[*length] == '\0') return NULL;
  }
}

static bool parse_word(const char *words, const char *text, int64_t *value) {
  size_t length, text_length = strlen(text);
  const char *word;
  for (long index = 0; (word = word_at(words, index, &length)) != NULL; index++) {
    size_t same = 0;
    while (same < length && lower(text[same]) == word[same]) same++;
    if (same == length && text_length == length) {
      *value = index;
      return true;
    }
  }
  return false;
}

/* What a suffix multiplies by, 0 for one that there is not; scale is what no suffix means. */
static int64_t suffix_scale(const char *suffix, int64_t scale) {
  if (suffix[0] == '\0') return scale;
  if (suffix[1] != '\0') return 0;
  switch (lower(suffix[0])) {
    case 'k': return 1 << 10;
    case 'm': return 1 << 20;
    case 'g': return 1 << 30;
    default: return 0;
  }
}

static bool parse_number(const struct option_definition *row, const char *text, int64_t *value) {
  bool negative = *text == '-';
  if (negative) text++;
  int64_t number = 0;
  const char *digit = text;
  for (; *digit >= '0' && *digit <= '9'; digit++)
    if (__builtin_mul_overflow(number, 10, &number) ||
        __builtin_add_overflow(number, *digit - '0', &number)) return false;
  if (digit == text) return false;
  if (row->kind != KIND_NUMBER) {
    int64_t scale = suffix_scale(digit, row->kind == KIND_SIZE ? 1 : (int64_t)MIB);
    if (scale == 0 || __builtin_mul_overflow(number, scale, &number)) return false;
  } else if (*digit != '\0') {
    return false;
  }
  *value = negative ? -number : number;
  return *value >= row->min && *value <= row->max;
}

/* Less than a MiB, a SuperSlab's half, is a slip: the library could not start with it. */
static bool parse_limit(const struct option_definition *row, const char *text, int64_t *value) {
  if (parse_word(row->words, text, value)) {
    *value = MEMORY_LIMIT_AUTO;
    return true;
  }
  return parse_number(row, text, value) && (*value == MEMORY_LIMIT_NONE || *value >= (int64_t)MIB);
}

/* A path that fits, in which % is followed by p or %. */
static bool parse_path(const char *text) {
  if (strlen(text) >= OPTION_PATH_MAX) return false;
  for (const char *percent = strchr(text, '%'); percent != NULL; percent = strchr(percent + 2, '%'))
    if (percent[1] != 'p' && percent[1] != '%') return false;
  return true;
}

/* From the root, since the program may be anywhere; empty: none. */
static bool parse_folder(const char *text) {
  return strlen(text) < OPTION_PATH_MAX && (text[0] == '/' || text[0] == '\0');
}

static bool parse(const struct option_definition *row, const char *text, int64_t *value) {
  switch (row->kind) {
    case KIND_WORD: return parse_word(row->words, text, value);
    case KIND_PATH:
    case KIND_ACE_LOG:
    case KIND_PROFILE: return parse_path(text);
    case KIND_FOLDER: return parse_folder(text);
    case KIND_LIMIT: return parse_limit(row, text, value);
    default: return parse_number(row, text, value);
  }
}

bool option_accepts(const struct option_definition *row, const char *text) {
  int64_t value;
  return parse(row, text, &value);
}

bool option_parse(const struct option_definition *row, const char *text) {
  int64_t value = 0;
  if (!parse(row, text, &value)) return false;
  if (row->kind >= KIND_PATH) memcpy(path_of(row), text, strlen(text) + 1);
  option_store(row, value);
  return true;
}

static void format_size(char *buffer, size_t size, long value, bool in_mib) {
  uint64_t bytes = (uint64_t)value;
  unsigned unit = 0;   /* as many times 1024 as divide it */
  while (unit < 3 && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    unit++;
  }
  if (in_mib && (unit >= 2 || bytes == 0 || value == LONG_MAX))
    message_format(buffer, size, "%llu", (unsigned long long)((uint64_t)value / MIB));
  else if (unit == 0)
    message_format(buffer, size, "%llu", (unsigned long long)bytes);
  else
    message_format(buffer, size, "%llu%c", (unsigned long long)bytes, "KMG"[unit - 1]);
}

void option_format(const struct option_definition *row, char *buffer, size_t size) {
  size_t length;
  long value = row->kind >= KIND_PATH ? 0 : *value_of(row);
  switch (row->kind) {
    case KIND_PATH:
    case KIND_PROFILE:
    case KIND_ACE_LOG:
    case KIND_FOLDER: message_format(buffer, size, "%s", path_of(row)); break;
    case KIND_NUMBER: message_format(buffer, size, "%ld", value); break;
    case KIND_SIZE: format_size(buffer, size, value, false); break;
    case KIND_MIB: format_size(buffer, size, value, true); break;
    case KIND_LIMIT:
      if (value == MEMORY_LIMIT_AUTO) message_format(buffer, size, "auto");
      else format_size(buffer, size, value, true);
      break;
    case KIND_WORD: {
      const char *word = word_at(row->words, value, &length);
      char text[OPTION_WORD_MAX] = "";
      if (word != NULL) memcpy(text, word, min_size(length, sizeof text - 1));
      message_format(buffer, size, "%s", text);
      break;
    }
  }
}

/* ---- for others */

const char *options_get_text(const char *name, char *buffer, size_t size) {
  if (strncmp(name, OPTION_PREFIX, sizeof OPTION_PREFIX - 1) == 0) name += sizeof OPTION_PREFIX - 1;
  const struct option_definition *row = option_find(name, strlen(name));
  if (row == NULL || size == 0) return NULL;
  option_format(row, buffer, size);
  return buffer;
}

size_t options_count(void) { return OPTION_ROWS; }

struct option_row options_row(size_t index) {
  const struct option_definition *row = &option_table[index];
  return (struct option_row){ row->name, row->accepted, row->default_text, row->help };
}
