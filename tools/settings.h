/* settings.h - what file and environment make of the options, found out by the library's own sources. */
#ifndef HAKMEM_TOOLS_SETTINGS_H
#define HAKMEM_TOOLS_SETTINGS_H

#include <stddef.h>
#include "options.h"

enum { SETTINGS_OPTIONS_MAX = 64 };

struct settings {
  const char *path;              /* of the configuration file */
  bool exists;
  /* by the row of the option */
  struct { enum option_source source; unsigned line; } from[SETTINGS_OPTIONS_MAX];
  size_t count;                  /* of what is wrong, in the order of the file, then of the environment */
  struct settings_mistake { enum option_source source; unsigned line; char *text; } *mistakes;
};

extern const char settings_file[];   /* the file that the library reads */

/* For a program by its name or path; NULL: for those that no section names. The values are those of options.h
   then. everything: what the file says for other programs is looked at too. Ends the program where there is
   no memory. */
void settings_read(struct settings *settings, const char *path, const char *program, char *const *environment,
                   bool everything);
void settings_free(struct settings *settings);

#endif
