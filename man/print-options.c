/* print-options - the section of hakmem(7) about options, from the library's own table. */
#include <config.h>
#include <stdio.h>
#include <string.h>
#include "options.h"

enum { COLUMNS = 78 };

/* Prints a word as roff wants it; names of options and values set with them are not hyphenated. */
static void print_word(const char *word, size_t length) {
  if (word[0] == '.' || word[0] == '\'') fputs("\\&", stdout);   /* no request, where it begins a line */
  if (memchr(word, '=', length) != NULL || memchr(word, '_', length) != NULL) fputs("\\%", stdout);
  for (size_t i = 0; i < length; i++) {
    if (word[i] == '-')
      fputs("\\-", stdout);
    else if (word[i] == '\\')
      fputs("\\e", stdout);
    else
      putchar(word[i]);
  }
}

/* A sentence a line, folded. */
static void print_text(const char *text) {
  size_t column = 0;
  while (*text != '\0') {
    size_t length = strcspn(text, " ");
    if (column > 0 && column + 1 + length > COLUMNS) {
      putchar('\n');
      column = 0;
    } else if (column > 0) {
      putchar(' ');
      column++;
    }
    print_word(text, length);
    column += length;
    if (text[length - 1] == '.') {
      putchar('\n');
      column = 0;
    }
    text += length;
    text += strspn(text, " ");
  }
  if (column > 0) putchar('\n');
}

int main(void) {
  for (size_t i = 0; i < options_count(); i++) {
    struct option_row row = options_row(i);
    printf(".TP\n.BR HAKMEM_%s \" (", row.name);
    print_word(row.accepted, strlen(row.accepted));
    printf("; default: %s)\"\n", row.default_text);
    print_text(row.help);
  }
  return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
