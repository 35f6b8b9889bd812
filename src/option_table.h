/* option_table.h - the table of settings, for the files that make up the module options. Layer 3. */
#ifndef HAKMEM_OPTION_TABLE_H
#define HAKMEM_OPTION_TABLE_H

#include "options.h"

enum kind {
  KIND_NUMBER,    /* min to max */
  KIND_WORD,      /* one of words, separated by blanks: the value is its index */
  KIND_SIZE,      /* bytes, or with a suffix K, M, G */
  KIND_MIB,       /* MiB, or with a suffix K, M, G; the value is in bytes */
  KIND_LIMIT,     /* as KIND_MIB, but 0 or from 1 MiB on, or auto */
  KIND_PATH,      /* option_log_file: place is not used */
  KIND_FOLDER,    /* option_stats_dir: the same */
  KIND_PROFILE,   /* option_profile_file: as KIND_PATH */
  KIND_ACE_LOG    /* option_ace_log: as KIND_PATH */
};

/* "The same as in balanced mode", for the presets. */
#define SAME INT64_MIN

/* Numbers are 64 bits wide on all machines, so that what is accepted, and the manual, are the same; what
   a long cannot hold is cut to LONG_MAX when it is stored. Texts are arrays: the loader would write to every page of a
   table of pointers, in every process. */
struct option_definition {
  char name[24];
  enum kind kind;
  size_t place;              /* in struct option_values */
  int64_t standard, fast, minimal;   /* the default, and what the presets make of it */
  int64_t min, max;
  char words[40], accepted[40], default_text[48], help[272];
};

enum { OPTION_ROWS = 41, OPTION_WORD_MAX = 32 };
extern const struct option_definition option_table[OPTION_ROWS];

/* The row of a name without HAKMEM_, NULL if there is none. */
const struct option_definition *option_find(const char *name, size_t length);
/* Puts a number in force; what a long cannot hold is cut. Nothing for paths. */
void option_store(const struct option_definition *row, int64_t value);
/* Checks a value and puts it in force. False: it is not accepted, nothing was changed. */
bool option_parse(const struct option_definition *row, const char *text);
/* The same, but nothing is changed. */
bool option_accepts(const struct option_definition *row, const char *text);
/* The value in force as text. */
void option_format(const struct option_definition *row, char *buffer, size_t size);

/* option_complain.c: what is said about a name, or a value, that is not accepted. */
void option_complain_unknown(char *buffer, size_t size, const char *name, size_t length, const char *text,
                             size_t text_length);
void option_complain_value(char *buffer, size_t size, const struct option_definition *row, const char *text,
                           size_t text_length);

#endif
