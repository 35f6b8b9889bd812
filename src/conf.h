/* conf.h - the configuration file: its grammar, and the file itself. Layer 3.

   Lines, as in hakmem.conf(5):
     # comment, or ;                        blank lines count nothing
     NAME=VALUE                             for every program, or for those of the section it is in
     [program: GLOB GLOB...]                a section, up to the next one
     exclude = GLOB GLOB...                 before the first section
   What is bad in a line is said, and the line skipped. No system call, no allocation, no recursion here but
   in conf_file.c, which brings the text. */
#ifndef HAKMEM_CONF_H
#define HAKMEM_CONF_H

#include "compiler.h"

enum { CONF_SIZE_MAX = 64 << 10 };   /* larger files are not read */

/* What a glob is compared with: without a slash in it the base names of both, else both. */
struct conf_program {
  const char *path;            /* as it was started; of a script its own; never NULL */
  const char *interpreter;     /* of a script, else NULL */
};

enum conf_kind { CONF_SETTING, CONF_EXCLUDE, CONF_SECTION, CONF_ERROR };
struct conf_line {
  enum conf_kind kind;
  bool applies;                /* to the program */
  unsigned number;             /* from 1 */
  const char *name, *value;    /* value: also the globs, terminated text in an ERROR */
  size_t name_length, value_length;
};

struct conf_reader {
  const char *next, *end;
  const struct conf_program *program;
  unsigned number;
  bool in_section, section_applies;
};
void conf_start(struct conf_reader *reader, const char *text, size_t size,
                const struct conf_program *program);
/* The next line that says something; false: there is none. */
bool conf_next(struct conf_reader *reader, struct conf_line *line);
/* True if one of the globs, separated by blanks, names the program. */
bool conf_names_program(const char *globs, size_t length, const struct conf_program *program);

/* conf_file.c. A file as it was found: text is NULL if there is none, or it is not used. */
struct conf_file {
  char *text;
  size_t size;
  const char *problem;         /* why it is not used; NULL: it is, or there is none */
  bool restricted;             /* the problem is one of this process, not of the file */
};
/* Reads it whole into pages of its own: one system call if there is no such file. secure: only one that root
   alone can have written. */
void conf_file_read(struct conf_file *file, const char *path, bool secure);
void conf_file_release(struct conf_file *file);

#endif
