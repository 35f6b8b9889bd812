/* conf.c - the grammar of the configuration file. */
#include <config.h>
#include "conf.h"

#include <string.h>

/* A piece of the text. */
struct piece {
  const char *start;
  size_t length;
};

/* Carriage returns too: files that were written elsewhere. */
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static struct piece trim(struct piece piece) {
  while (piece.length > 0 && is_blank(piece.start[0])) {
    piece.start++;
    piece.length--;
  }
  while (piece.length > 0 && is_blank(piece.start[piece.length - 1])) piece.length--;
  return piece;
}

static bool is_text(struct piece piece, const char *text) {
  return strlen(text) == piece.length && memcmp(piece.start, text, piece.length) == 0;
}

/* ---- globs: * ? [abc] [a-z] [!a-z] and \ before a character that means itself; * and ? take slashes too */

enum { BRACKET_MAX = 128 };   /* a longer one is not searched for its end */

/* Length of the pattern's first element if it takes the character, else 0. */
static size_t element_matches(struct piece pattern, char c) {
  const char *p = pattern.start, *end = p + (pattern.length < BRACKET_MAX ? pattern.length : BRACKET_MAX);
  if (*p == '\\' && pattern.length > 1) return p[1] == c ? 2 : 0;
  if (*p == '?') return 1;
  if (*p != '[') return *p == c ? 1 : 0;
  bool negated = end - p > 1 && (p[1] == '!' || p[1] == '^'), found = false;
  const char *first = p + (negated ? 2 : 1), *at = first;
  for (; at < end && (*at != ']' || at == first); at++) {
    if (end - at > 2 && at[1] == '-' && at[2] != ']') {
      found |= (unsigned char)c >= (unsigned char)at[0] && (unsigned char)c <= (unsigned char)at[2];
      at += 2;
    } else {
      found |= *at == c;
    }
  }
  if (at >= end) return c == '[' ? 1 : 0;   /* no closing bracket: it means itself */
  return found != negated ? (size_t)(at + 1 - p) : 0;
}

/* Goes back to the last star only: the length of the pattern times that of the text at most. */
static bool glob_matches(struct piece pattern, const char *text) {
  struct piece after_star = { NULL, 0 };
  const char *star_text = NULL;
  for (;;) {
    if (pattern.length > 0 && *pattern.start == '*') {
      pattern = after_star = (struct piece){ pattern.start + 1, pattern.length - 1 };
      star_text = text;
      continue;
    }
    if (*text == '\0' && pattern.length == 0) return true;
    size_t taken = *text != '\0' && pattern.length > 0 ? element_matches(pattern, *text) : 0;
    if (taken != 0) {
      pattern = (struct piece){ pattern.start + taken, pattern.length - taken };
      text++;
    } else if (star_text != NULL && *star_text != '\0') {
      pattern = after_star;
      text = ++star_text;
    } else {
      return false;
    }
  }
}

static bool glob_names(struct piece glob, const char *path) {
  if (path == NULL) return false;
  const char *slash = strrchr(path, '/');
  bool whole = memchr(glob.start, '/', glob.length) != NULL;
  return glob_matches(glob, whole || slash == NULL ? path : slash + 1);
}

/* The first of several pieces that are separated by blanks; takes it away from the list. */
static struct piece take_word(struct piece *list) {
  *list = trim(*list);
  struct piece word = { list->start, 0 };
  while (word.length < list->length && !is_blank(word.start[word.length]))
    word.length += word.start[word.length] == '\\' && word.length + 1 < list->length ? 2 : 1;
  list->start += word.length;
  list->length -= word.length;
  return word;
}

bool conf_names_program(const char *globs, size_t length, const struct conf_program *program) {
  struct piece list = { globs, length };
  for (struct piece glob = take_word(&list); glob.length > 0; glob = take_word(&list))
    if (glob_names(glob, program->path) || glob_names(glob, program->interpreter)) return true;
  return false;
}

/* ---- lines */

static const char byte_order_mark[] = "\xef\xbb\xbf";

void conf_start(struct conf_reader *reader, const char *text, size_t size,
                const struct conf_program *program) {
  *reader = (struct conf_reader){ text, text + size, program, 0, false, true };
  if (size >= 3 && memcmp(text, byte_order_mark, 3) == 0) reader->next += 3;
}

static void set_error(struct conf_line *line, const char *text) {
  line->kind = CONF_ERROR;
  line->applies = true;   /* nobody knows for which program it was meant */
  line->value = text;
  line->value_length = strlen(text);
}

static void set_value(struct conf_line *line, struct piece value) {
  line->value = value.start;
  line->value_length = value.length;
}

/* [program: GLOB...]. After a bad one nothing applies until the next. */
static void parse_section(struct conf_reader *reader, struct conf_line *line, struct piece text) {
  reader->in_section = true;
  reader->section_applies = false;
  if (text.start[text.length - 1] != ']') {
    set_error(line, "a section without its closing bracket; what follows it is ignored");
    return;
  }
  struct piece inner = { text.start + 1, text.length - 2 };
  const char *colon = memchr(inner.start, ':', inner.length);
  size_t before = colon != NULL ? (size_t)(colon - inner.start) : inner.length;
  if (colon == NULL || !is_text(trim((struct piece){ inner.start, before }), "program")) {
    set_error(line, "not a section (\"[program: NAME]\" is one); what follows it is ignored");
    return;
  }
  struct piece globs = trim((struct piece){ colon + 1, inner.length - before - 1 });
  if (globs.length == 0) {
    set_error(line, "a section without the name of a program; what follows it is ignored");
    return;
  }
  line->kind = CONF_SECTION;
  set_value(line, globs);
  line->applies = reader->section_applies = conf_names_program(globs.start, globs.length, reader->program);
}

static void parse_setting(struct conf_reader *reader, struct conf_line *line, struct piece text) {
  const char *equals = memchr(text.start, '=', text.length);
  if (equals == NULL) {
    set_error(line, "neither NAME=VALUE nor a section nor a comment; it is ignored");
    return;
  }
  size_t before = (size_t)(equals - text.start);
  struct piece name = trim((struct piece){ text.start, before });
  struct piece value = trim((struct piece){ equals + 1, text.length - before - 1 });
  line->name = name.start;
  line->name_length = name.length;
  set_value(line, value);
  line->applies = reader->section_applies;
  if (!is_text(name, "exclude")) return;
  line->kind = CONF_EXCLUDE;
  line->applies = conf_names_program(value.start, value.length, reader->program);
  if (reader->in_section) set_error(line, "exclude belongs before the first section; it is ignored");
  else if (value.length == 0) set_error(line, "exclude without the name of a program; it is ignored");
}

bool conf_next(struct conf_reader *reader, struct conf_line *line) {
  while (reader->next < reader->end) {
    size_t left = (size_t)(reader->end - reader->next);
    const char *newline = memchr(reader->next, '\n', left);
    struct piece text = { reader->next, newline != NULL ? (size_t)(newline - reader->next) : left };
    reader->next += text.length + (newline != NULL);
    reader->number++;
    text = trim(text);
    if (text.length == 0 || text.start[0] == '#' || text.start[0] == ';') continue;
    *line = (struct conf_line){ .kind = CONF_SETTING, .number = reader->number };
    if (text.start[0] == '[') parse_section(reader, line, text);
    else parse_setting(reader, line, text);
    return true;
  }
  return false;
}
