/* hakmemctl.h - what the files of hakmemctl share.

   hakmemctl is an ordinary program with stdio and malloc, but linked statically where the C library allows
   it: the dynamic loader is not involved then, so that it works while /etc/ld.so.preload names a broken
   library. */
#ifndef HAKMEM_TOOLS_HAKMEMCTL_H
#define HAKMEM_TOOLS_HAKMEMCTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

enum {
  TOOL_OK = 0,
  TOOL_FAILED = 1,
  TOOL_USAGE = 2,
  TOOL_CANNOT_RUN = 126,  /* the program was found and could not be started, as with env(1) */
  TOOL_NOT_FOUND = 127
};

/* One row of the table in hakmemctl.c. A command is one function in a file of its own, cmd_<name>.c. */
struct command {
  const char *name;
  const char *arguments;  /* what follows "hakmemctl NAME" in the usage line */
  const char *help;       /* one line for the overview */
  const char *details;    /* what "hakmemctl help NAME" says besides; lines end in \n */
  /* argv[0] is the name; returns the exit status. */
  int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command command_check;
extern const struct command command_compare;
extern const struct command command_disable;
extern const struct command command_enable;
extern const struct command command_options;
extern const struct command command_profile;
extern const struct command command_ps;
extern const struct command command_run;
extern const struct command command_stat;
extern const struct command command_status;

/* ---- messages, on standard error; each returns the exit status, so that callers can write "return tool_..."
   */

/* "hakmemctl: TEXT" */
int tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for something that goes on. */
void tool_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "hakmemctl NAME: TEXT" and the usage line: a mistake on the command line. */
int tool_usage_error(const struct command *command, const char *format, ...)
  __attribute__((format(printf, 2, 3)));

/* The next option as getopt_long's, up to the first word that is none; names has their long forms. -1 at the
   end. A bad option is reported as a usage error and becomes '?': return TOOL_USAGE then. */
int tool_option(const struct command *command, int argc, char **argv, const char *letters,
                const struct option *names);
/* The options of a command that has --json alone, as far as the first argument. TOOL_OK or TOOL_USAGE. */
int tool_json_option(const struct command *command, int argc, char **argv, bool *json);
/* Nothing may follow the options: TOOL_OK, or a usage error that names the first word too many. */
int tool_no_arguments(const struct command *command, int argc, char **argv);
/* All that was printed has arrived: TOOL_OK or TOOL_FAILED. To be called once, by main. */
int tool_end_of_output(void);

/* Memory or the end of the program. */
void *tool_allocate(size_t size);
/* An array of count elements, perhaps moved, with room for one more: it grows only here, by one at a time. */
void *tool_room(void *array, size_t count, size_t size);
char *tool_format(const char *format, ...) __attribute__((format(printf, 1, 2), malloc));

/* execvp with words that may be constant. */
void tool_exec(const char *file, const char *const *words);

/* ---- json.c: one string with its quotes; bytes that are no valid UTF-8 become U+FFFD */
void json_string(FILE *out, const char *text);

#endif
