/* options.c - HAKMEM_* settings: one table, read once, checked. */
#include <config.h>
#include "options.h"

#include <limits.h>
#include <string.h>
#include "align.h"
#include "message.h"

HAK_CONSTANT struct option_values option;
HAK_CONSTANT char option_log_file[OPTION_PATH_MAX];

enum kind {
  KIND_NUMBER,    /* min to max */
  KIND_WORD,      /* one of words, separated by blanks: the value is its index */
  KIND_SIZE,      /* bytes, or with a suffix K, M, G */
  KIND_MIB,       /* MiB, or with a suffix K, M, G; the value is in bytes */
  KIND_PATH       /* option_log_file */
};

/* "The same as in balanced mode", for the presets. */
#define SAME INT64_MIN
#define BYTES_MAX ((int64_t)1 << 40)

/* Numbers are 64 bits wide on all machines, so that what is accepted, and the manual, are the same; what
   a long cannot hold is cut to LONG_MAX when it is stored. */
struct row {
  const char *name;
  enum kind kind;
  size_t place;              /* in struct option_values */
  int64_t standard, fast, minimal;   /* the default, and what the presets make of it */
  int64_t min, max;
  const char *words;
  const char *accepted, *default_text, *help;
};

#define AT(member) offsetof(struct option_values, member)
#define SWITCH(name, member, standard, help) \
  { name, KIND_WORD, AT(member), standard, SAME, SAME, 0, 1, "0 1", "0, 1", #standard, help }

static const struct row table[] = {
  { "MODE", KIND_WORD, AT(mode), MODE_BALANCED, SAME, SAME, 0, 0, "balanced fast minimal",
    "balanced, fast, minimal", "balanced",
    "Preset of other options; one that is set by itself wins. "
    "fast: BIGCACHE_MAX_MB=1024, WHALE_SLOTS=32, PURGE_DELAY_MS=1000, SUPERSLAB_MAX_CACHED=64. "
    "minimal: BIGCACHE=0, WHALE=0, PURGE_DELAY_MS=0, SUPERSLAB_MAX_CACHED=0." },
  SWITCH("FORCE_LIBC_ALLOC", force_libc_alloc, 0, "Sends every call to the C library's malloc."),
  SWITCH("WRAP_TINY", wrap_tiny, 1,
    "Serves requests up to 1 KiB from slabs of their own; 0: the Mid pool serves them."),
  SWITCH("WRAP_POOL", wrap_pool, 1,
    "Serves requests over 1 KiB and up to 32 KiB from the Mid pool; 0: L2.5 serves them."),
  SWITCH("WRAP_L25", wrap_l25, 1,
    "Serves requests over 32 KiB and up to 1 MiB from L2.5; 0: each gets a mapping of its own."),
  { "BIGCACHE", KIND_WORD, AT(bigcache), 1, SAME, 0, 0, 1, "0 1", "0, 1", "1",
    "Keeps freed mappings of 2 MiB and more for reuse." },
  SWITCH("BIGCACHE_L25", bigcache_l25, 0, "BigCache also takes runs and mappings of 512 KiB to 2 MiB."),
  { "BIGCACHE_MAX_MB", KIND_MIB, AT(bigcache_max), 256 << 20, 1 << 30, SAME, 0, BYTES_MAX, NULL,
    "size in MiB", "256", "The most that BigCache and the whale cache keep together." },
  { "WHALE", KIND_WORD, AT(whale), 1, SAME, 0, 0, 1, "0 1", "0, 1", "1",
    "Keeps a few freed mappings of any size that BigCache did not take." },
  { "WHALE_SLOTS", KIND_NUMBER, AT(whale_slots), 8, 32, SAME, 0, 64, NULL,
    "0 to 64", "8", "Mappings in the whale cache; the oldest leaves first." },
  SWITCH("BATCH_MADVISE", batch_madvise, 1,
    "Collects free ranges, joins neighbours and gives them back together; 0: one call for each."),
  { "BATCH_MIN_SIZE", KIND_SIZE, AT(batch_min_size), 64 << 10, SAME, SAME, 0, 1 << 30, NULL,
    "size up to 1G", "64K", "Smaller free ranges wait until they have grown, or until memory is short." },
  { "BATCH_FLUSH_MB", KIND_MIB, AT(batch_flush), 4 << 20, SAME, SAME, 64 << 10, BYTES_MAX, NULL,
    "size in MiB from 64K", "4",
    "Free pages beyond this are given back without waiting for the delay, at most this much at a time." },
  { "PURGE_DELAY_MS", KIND_NUMBER, AT(purge_delay_ms), 25, 1000, 0, -1, 3600000, NULL,
    "-1, 0 to 3600000", "25",
    "Milliseconds before free pages go back to the kernel; 0: at once, -1: never." },
  { "SUPERSLAB_MAX_CACHED", KIND_NUMBER, AT(superslab_max_cached), 16, 64, 0, 0, 65536, NULL,
    "0 to 65536", "16", "Empty SuperSlabs kept, or an eighth of all if that is more; 0: none." },
  { "SS_PREFAULT", KIND_WORD, AT(ss_prefault), PREFAULT_OFF, SAME, SAME, 0, 0, "0 1 2", "0, 1, 2", "0",
    "Fills the pages of a SuperSlab early; 1: the kernel populates them, 2: each is touched." },
  { "THP", KIND_WORD, AT(thp), THP_AUTO, SAME, SAME, 0, 0, "auto inherit always never",
    "auto, inherit, always, never", "auto",
    "Transparent huge pages: auto asks for them only in a heap that is large and dense, "
    "inherit leaves it to the system." },
  { "INVALID_FREE", KIND_WORD, AT(invalid_free), INVALID_SKIP, SAME, SAME, 0, 0, "fallback skip abort",
    "fallback, skip, abort", "fallback (interposer), skip (library)",
    "What happens to a pointer that is no live block: fallback aborts unless it is the C library's, "
    "skip warns and leaks it, abort always aborts." },
  SWITCH("INVALID_FREE_LOG", invalid_free_log, 0,
         "Logs each such pointer, and each one that is forwarded to the C library."),
  { "EXTERNAL_GUARD", KIND_WORD, AT(external_guard), GUARD_POPULATE, SAME, SAME, 0, 0,
    "populate mincore msync off", "populate, mincore, msync, off", "populate",
    "How memory is probed before a foreign pointer is offered to the C library; "
    "mincore and msync take memory without read permission for readable, off does not probe." },
  SWITCH("FREE_ROUTE_TRACE", free_route_trace, 0, "Logs the route of each free: its tier, foreign (the C library's) or invalid."),
  SWITCH("SUPER_REG_REQTRACE", super_reg_reqtrace, 0,
    "Logs each insertion into the registry, removal from it, and lookup that missed."),
  { "DEEPBIND", KIND_WORD, AT(deepbind), DEEPBIND_STRIP, SAME, SAME, 0, 0, "strip keep",
    "strip, keep", "strip",
    "Interposer: strip clears RTLD_DEEPBIND in dlopen, so that the process has one malloc." },
  { "STATS", KIND_WORD, AT(stats), STATS_OFF, SAME, SAME, 0, 0, "0 1 json", "0, 1, json", "0",
    "Writes a report when the process exits." },
  { "LOG_FILE", KIND_PATH, 0, 0, SAME, SAME, 0, 0, NULL,
    "path, %p for the process id", "standard error",
    "Where reports and traces go." },
  { "DEBUG_LEVEL", KIND_NUMBER, AT(debug_level), MESSAGE_ERROR, SAME, SAME, 0, 3, NULL,
    "0 to 3", "1",
    "What is printed: 0 nothing, 1 errors, 2 information, 3 more." },
};

enum { ROWS = sizeof table / sizeof table[0] };
_Static_assert(ROWS == sizeof(struct option_values) / sizeof(long) + 1,
               "each member of option_values and LOG_FILE has a row");

static const char prefix[] = "HAKMEM_";
enum { PREFIX_LENGTH = sizeof prefix - 1, COMPLAINTS_MAX = 32, SHOWN_MAX = 60, WORD_MAX = 32 };

static long *value_of(const struct row *row) { return (long *)(void *)((char *)&option + row->place); }

static void store(const struct row *row, int64_t value) {
  if (row->kind != KIND_PATH) *value_of(row) = value > LONG_MAX ? LONG_MAX : (long)value;
}

static const struct row *find_row(const char *name, size_t length) {
  for (size_t i = 0; i < ROWS; i++)
    if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0) return &table[i];
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

static bool parse_number(const struct row *row, const char *text, int64_t *value) {
  bool negative = *text == '-';
  if (negative) text++;
  int64_t number = 0;
  const char *digit = text;
  for (; *digit >= '0' && *digit <= '9'; digit++)
    if (__builtin_mul_overflow(number, 10, &number) ||
        __builtin_add_overflow(number, *digit - '0', &number)) return false;
  if (digit == text) return false;
  if (row->kind != KIND_NUMBER) {
    int64_t scale = suffix_scale(digit, row->kind == KIND_MIB ? (int64_t)MIB : 1);
    if (scale == 0 || __builtin_mul_overflow(number, scale, &number)) return false;
  } else if (*digit != '\0') {
    return false;
  }
  *value = negative ? -number : number;
  return *value >= row->min && *value <= row->max;
}

/* A path that fits, in which % is followed by p or %. */
static bool parse_path(const char *text) {
  if (strlen(text) >= OPTION_PATH_MAX) return false;
  for (const char *percent = strchr(text, '%'); percent != NULL; percent = strchr(percent + 2, '%'))
    if (percent[1] != 'p' && percent[1] != '%') return false;
  return true;
}

/* Checks a value and puts it in force. False: it is not accepted, nothing was changed. */
static bool parse_and_store(const struct row *row, const char *text) {
  int64_t value = 0;
  if (row->kind == KIND_PATH) {
    if (!parse_path(text)) return false;
    memcpy(option_log_file, text, strlen(text) + 1);
    return true;
  }
  bool valid =
    row->kind == KIND_WORD ? parse_word(row->words, text, &value) : parse_number(row, text, &value);
  if (valid) store(row, value);
  return valid;
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

static void format_value(const struct row *row, char *buffer, size_t size) {
  size_t length;
  long value = row->kind == KIND_PATH ? 0 : *value_of(row);
  switch (row->kind) {
    case KIND_PATH: message_format(buffer, size, "%s", option_log_file); break;
    case KIND_NUMBER: message_format(buffer, size, "%ld", value); break;
    case KIND_SIZE: format_size(buffer, size, value, false); break;
    case KIND_MIB: format_size(buffer, size, value, true); break;
    case KIND_WORD: {
      const char *word = word_at(row->words, value, &length);
      char text[WORD_MAX] = "";
      if (word != NULL) memcpy(text, word, min_size(length, sizeof text - 1));
      message_format(buffer, size, "%s", text);
      break;
    }
  }
}

/* ---- complaints */

/* A copy for a message: bounded, without control characters or bytes beyond ASCII. */
static void make_printable(char shown[SHOWN_MAX], const char *text, size_t length) {
  size_t n = 0;
  for (; n < length && n < SHOWN_MAX - 4; n++) shown[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
  message_format(shown + n, SHOWN_MAX - n, n < length ? "..." : "");
}

/* Insertions, deletions and replacements that make one name the other. */
static unsigned distance(const char *from, size_t from_length, const char *to) {
  unsigned row[WORD_MAX + 1];
  size_t to_length = strlen(to);
  for (unsigned i = 0; i <= to_length; i++) row[i] = i;
  for (size_t i = 1; i <= from_length; i++) {
    unsigned diagonal = row[0];
    row[0] = (unsigned)i;
    for (size_t k = 1; k <= to_length; k++) {
      unsigned replaced = diagonal + (from[i - 1] != to[k - 1]);
      unsigned shorter = row[k] + 1, longer = row[k - 1] + 1;
      diagonal = row[k];
      row[k] = replaced < shorter ? replaced : shorter;
      if (longer < row[k]) row[k] = longer;
    }
  }
  return row[to_length];
}

/* The option that was probably meant, NULL if none is near. */
static const struct row *nearest_row(const char *name, size_t length) {
  const struct row *nearest = NULL;
  unsigned best = length < 6 ? 2 : 3;   /* fewer changes than this */
  for (size_t i = 0; i < ROWS && length < WORD_MAX; i++) {
    unsigned changes = distance(name, length, table[i].name);
    if (changes < best) {
      best = changes;
      nearest = &table[i];
    }
  }
  return nearest;
}

static void complain_unknown(const char *name, size_t length, const char *text) {
  char shown_name[SHOWN_MAX], shown[SHOWN_MAX];
  make_printable(shown_name, name, length);
  make_printable(shown, text, strlen(text));
  const struct row *meant = nearest_row(name, length);
  message_print(MESSAGE_ERROR,
                "%s%s=%s: there is no such option (man hakmem names those accepted%s%s); it is ignored",
                prefix, shown_name, shown, meant != NULL ? "; near is HAKMEM_" : "",
                meant != NULL ? meant->name : "");
}

static void complain_value(const struct row *row, const char *text) {
  char shown[SHOWN_MAX], used[SHOWN_MAX];
  make_printable(shown, text, strlen(text));
  format_value(row, used, sizeof used);
  message_print(MESSAGE_ERROR, "%s%s=%s: not accepted (accepted: %s); %s is used instead", prefix,
                row->name, shown, row->accepted, row->kind == KIND_PATH ? row->default_text : used);
}

/* ---- the environment */

/* The text behind '=' if the entry is one of ours, with the name behind HAKMEM_ in *name; else NULL. */
static const char *split(const char *entry, const char **name, size_t *name_length) {
  if (strncmp(entry, prefix, PREFIX_LENGTH) != 0) return NULL;
  *name = entry + PREFIX_LENGTH;
  *name_length = strcspn(*name, "=");
  return (*name)[*name_length] == '=' ? *name + *name_length + 1 : NULL;
}

/* The value that counts: of several with the same name the first one, as in getenv. */
static const char *find_value(char *const *environment, const char *wanted) {
  for (char *const *entry = environment; *entry != NULL; entry++) {
    const char *name;
    size_t length;
    const char *text = split(*entry, &name, &length);
    if (text != NULL && strlen(wanted) == length && memcmp(name, wanted, length) == 0) return text;
  }
  return NULL;
}

static void set_defaults(bool interposer) {
  for (size_t i = 0; i < ROWS; i++) store(&table[i], table[i].standard);
  if (interposer) option.invalid_free = INVALID_FALLBACK;
  option_log_file[0] = '\0';
}

static void apply_preset(long mode) {
  for (size_t i = 0; i < ROWS; i++) {
    int64_t preset = mode == MODE_FAST ? table[i].fast : mode == MODE_MINIMAL ? table[i].minimal : SAME;
    if (preset != SAME) store(&table[i], preset);
  }
}

/* What other settings depend on comes first, wherever it stands in the environment. */
static void read_first(char *const *environment, const char *name) {
  const char *text = find_value(environment, name);
  if (text != NULL) (void)parse_and_store(find_row(name, strlen(name)), text);   /* read_all() complains */
}

static void read_all(char *const *environment) {
  bool seen[ROWS] = { false };
  unsigned complaints = 0;
  for (char *const *entry = environment; *entry != NULL; entry++) {
    const char *name;
    size_t length;
    const char *text = split(*entry, &name, &length);
    if (text == NULL) continue;
    const struct row *row = find_row(name, length);
    if (row != NULL) {
      if (seen[row - table]) continue;
      seen[row - table] = true;
      if (parse_and_store(row, text)) continue;
    }
    if (++complaints > COMPLAINTS_MAX) continue;
    if (row == NULL)
      complain_unknown(name, length, text);
    else
      complain_value(row, text);
  }
  if (complaints > COMPLAINTS_MAX)
    message_print(MESSAGE_ERROR, "%u more HAKMEM_ variables are not accepted either",
                  complaints - COMPLAINTS_MAX);
}

void options_init(char *const *environment, bool interposer, bool secure) {
  set_defaults(interposer);
  message_level = MESSAGE_ERROR;
  message_muted = secure;
  if (secure || environment == NULL) return;
  read_first(environment, "DEBUG_LEVEL");
  message_level = (int)option.debug_level;
  read_first(environment, "MODE");
  apply_preset(option.mode);
  read_all(environment);
}

/* ---- for others */

const char *options_get_text(const char *name, char *buffer, size_t size) {
  if (strncmp(name, prefix, PREFIX_LENGTH) == 0) name += PREFIX_LENGTH;
  const struct row *row = find_row(name, strlen(name));
  if (row == NULL || size == 0) return NULL;
  format_value(row, buffer, size);
  return buffer;
}

size_t options_count(void) { return ROWS; }

struct option_row options_row(size_t index) {
  const struct row *row = &table[index];
  return (struct option_row){ row->name, row->accepted, row->default_text, row->help };
}
