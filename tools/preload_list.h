/* preload_list.h - the text of /etc/ld.so.preload, as ld.so reads it: words between blanks, tabs, colons and
   ends of lines; a # begins a comment, also within a word; a carriage return is part of a word. */
#ifndef HAKMEM_TOOLS_PRELOAD_LIST_H
#define HAKMEM_TOOLS_PRELOAD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes, not a string. Whoever has the struct owns the bytes. */
struct text {
  char *bytes;
  size_t length;
};

/* Any file of this name counts as libhakmem's interposer, wherever it lies. */
#define LIST_LIBRARY "libhakmem-preload.so"

/* The words that name the interposer, and those that name anything else. */
struct list_words {
  unsigned ours, others;
  char *first;  /* the first of ours, as it is written; NULL if none. The caller frees it. */
};
struct list_words list_words(const struct text *list);

/* The list with the line behind its last newline. Nothing else changes, so that list_remove brings back every
   byte, and a last line without a newline stays the last. Not in front: after a comment glibc's ld.so looks
   for the next # in as many bytes from the start as are left to the end, so that names in front can bring
   comments to life. */
struct text list_add(const struct text *list, const char *line);
/* The list without the words that name the interposer. A line that had nothing else goes altogether. */
struct text list_remove(const struct text *list);

bool list_equal(const struct text *one, const struct text *other);

#endif
