/* option_complain.c - what is said about a setting that is not accepted. */
#include <config.h>
#include "option_table.h"

#include <string.h>
#include "message.h"

enum { SHOWN_MAX = 60 };

/* A copy for a message: bounded, without control characters or bytes beyond ASCII. */
static void make_printable(char shown[SHOWN_MAX], const char *text, size_t length) {
  size_t n = 0;
  for (; n < length && n < SHOWN_MAX - 4; n++) shown[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
  message_format(shown + n, SHOWN_MAX - n, n < length ? "..." : "");
}

/* Insertions, deletions and replacements that make one name the other. */
static unsigned distance(const char *from, size_t from_length, const char *to) {
  unsigned row[OPTION_WORD_MAX + 1];
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
static const struct option_definition *nearest_row(const char *name, size_t length) {
  const struct option_definition *nearest = NULL;
  unsigned best = length < 6 ? 2 : 3;   /* fewer changes than this */
  for (size_t i = 0; i < OPTION_ROWS && length < OPTION_WORD_MAX; i++) {
    unsigned changes = distance(name, length, option_table[i].name);
    if (changes < best) {
      best = changes;
      nearest = &option_table[i];
    }
  }
  return nearest;
}

void option_complain_unknown(char *buffer, size_t size, const char *name, size_t length, const char *text,
                             size_t text_length) {
  char shown_name[SHOWN_MAX], shown[SHOWN_MAX];
  make_printable(shown_name, name, length);
  make_printable(shown, text, text_length);
  const struct option_definition *meant = nearest_row(name, length);
  message_format(buffer, size,
                 OPTION_PREFIX "%s=%s: there is no such option (man hakmem names those accepted%s%s); "
                 "it is ignored",
                 shown_name, shown, meant != NULL ? "; near is " OPTION_PREFIX : "",
                 meant != NULL ? meant->name : "");
}

void option_complain_value(char *buffer, size_t size, const struct option_definition *row, const char *text,
                           size_t text_length) {
  char shown[SHOWN_MAX], used[SHOWN_MAX];
  make_printable(shown, text, text_length);
  option_format(row, used, sizeof used);
  message_format(buffer, size, OPTION_PREFIX "%s=%s: not accepted (accepted: %s); %s is used instead",
                 row->name,
                 shown, row->accepted, used[0] == '\0' ? row->default_text : used);
}
