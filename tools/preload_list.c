/* preload_list.c - words of /etc/ld.so.preload. */
#include <config.h>
#include <stdlib.h>
#include <string.h>
#include "hakmemctl.h"
#include "preload_list.h"

static bool separates(char byte)
{
  return byte == ' ' || byte == '\t' || byte == ':' || byte == '\n';
}

/* A word that ends in a carriage return names no file that exists, but it is what a person meant by it. */
static bool is_ours(const char *word, size_t length)
{
  static const char name[] = LIST_LIBRARY;
  size_t wanted = sizeof name - 1;
  if (length != 0 && word[length - 1] == '\r')
    length--;
  return length >= wanted && memcmp(word + length - wanted, name, wanted) == 0 &&
         (length == wanted || word[length - wanted - 1] == '/');
}

/* The next word in [*next, end), which holds no comment; its length, 0 at the end. *next becomes its start.
   */
static size_t next_word(const char **next, const char *end)
{
  while (*next < end && separates(**next))
    ++*next;
  size_t length = 0;
  while (*next + length < end && !separates((*next)[length]))
    length++;
  return length;
}

/* The line at start: its end, behind the newline if there is one; *words is where its comment begins, or its
   end. */
static const char *end_of_line(const char *start, const char *end, const char **words)
{
  const char *newline = memchr(start, '\n', (size_t)(end - start));
  const char *line_end = newline != NULL ? newline + 1 : end;
  const char *comment = memchr(start, '#', (size_t)(line_end - start));
  *words = comment != NULL ? comment : line_end;
  return line_end;
}

struct list_words list_words(const struct text *list)
{
  struct list_words found = {0};
  const char *end = list->bytes + list->length, *words;
  for (const char *line = list->bytes; line < end;) {
    const char *line_end = end_of_line(line, end, &words);
    size_t length;
    for (const char *word = line; (length = next_word(&word, words)) != 0; word += length) {
      if (!is_ours(word, length)) {
        /* An empty line of a file with CRLF is a word of one byte to ld.so. */
        found.others += length != 1 || *word != '\r';
        continue;
      }
      if (found.ours++ == 0)
        found.first = tool_format("%.*s", (int)length, word);
    }
    line = line_end;
  }
  return found;
}

static void append(struct text *text, const char *bytes, size_t length)
{
  if (length != 0)
    memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

struct text list_add(const struct text *list, const char *line)
{
  size_t place = list->length;
  while (place > 0 && list->bytes[place - 1] != '\n')
    place--;
  struct text result = {tool_allocate(list->length + strlen(line) + 1), 0};
  append(&result, list->bytes, place);
  append(&result, line, strlen(line));
  append(&result, "\n", 1);
  append(&result, list->bytes + place, list->length - place);
  return result;
}

/* Copies [line, words) without our words: each takes the separator behind it along, or, as the last word of
   its line, the one in front of it. Returns whether anything was taken out. */
static bool copy_words(struct text *result, const char *line, const char *words)
{
  bool removed = false;
  size_t line_start = result->length;
  const char *copied = line;
  size_t length;
  for (const char *word = line; (length = next_word(&word, words)) != 0; word += length) {
    if (!is_ours(word, length))
      continue;
    append(result, copied, (size_t)(word - copied));
    copied = word + length;
    bool last = copied == words || *copied == '\n';
    if (!last)
      copied++;
    else if (result->length > line_start)
      result->length--;
    removed = true;
  }
  append(result, copied, (size_t)(words - copied));
  return removed;
}

static bool only_blanks(const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    if (!separates(bytes[i]) && bytes[i] != '\r')
      return false;
  return true;
}

struct text list_remove(const struct text *list)
{
  struct text result = {tool_allocate(list->length), 0};
  const char *end = list->bytes + list->length, *words;
  for (const char *line = list->bytes; line < end;) {
    const char *line_end = end_of_line(line, end, &words);
    size_t start = result.length;
    bool removed = copy_words(&result, line, words);
    append(&result, words, (size_t)(line_end - words));
    if (removed && only_blanks(result.bytes + start, result.length - start))
      result.length = start;
    line = line_end;
  }
  return result;
}

bool list_equal(const struct text *one, const struct text *other)
{
  if (one->length != other->length)
    return false;
  return one->length == 0 || memcmp(one->bytes, other->bytes, one->length) == 0;
}
