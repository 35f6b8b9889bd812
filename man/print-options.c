/* print-options - the section of hakmem(7) about options, from the library's own table. */
#include <config.h>
#include <stdio.h>
#include <string.h>
#include "options.h"

enum { COLUMNS = 78 };

/* Prints a word as roff wants it. */
static void print_word(const char *word, size_t length) {
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
    char values[300];
    printf(".TP\n.B HAKMEM_%s\n", row.name);
    print_text(row.help);
    snprintf(values, sizeof values, "Values: %s; default: %s.", row.accepted, row.default_text);
    print_text(values);
  }
  return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
