/* settings.c - see settings.h. */
#include <config.h>
#include "settings.h"
#include <stdlib.h>
#include <string.h>
#include "conf.h"
#include "hakmemctl.h"
#include "os.h"

const char settings_file[] = HAKMEM_CONF;

static void note_used(void *context, size_t row, enum option_source source, unsigned line)
{
  struct settings *settings = context;
  if (row >= SETTINGS_OPTIONS_MAX)
    return;
  settings->from[row].source = source;
  settings->from[row].line = line;
}

static void note_bad(void *context, enum option_source source, unsigned line, const char *text)
{
  struct settings *settings = context;
  settings->mistakes = tool_room(settings->mistakes, settings->count, sizeof *settings->mistakes);
  settings->mistakes[settings->count++] = (struct settings_mistake){source, line, tool_format("%s", text)};
}

void settings_read(struct settings *settings, const char *path, const char *program, char *const *environment,
                   bool everything)
{
  const struct conf_program name = {program != NULL ? program : "", NULL};
  const struct options_watcher watcher = {settings, note_used, note_bad, everything};
  struct conf_file conf;
  *settings = (struct settings){.path = path};
  os_init();
  conf_file_read(&conf, path, false);
  settings->exists = conf.text != NULL || conf.problem != NULL;
  if (conf.problem != NULL)
    note_bad(settings, OPTION_FILE, 0, conf.problem);
  const struct options_file file = {path, conf.text, conf.size, &name};
  options_read(environment, conf.text != NULL ? &file : NULL, true, &watcher);
  conf_file_release(&conf);
}

void settings_free(struct settings *settings)
{
  for (size_t i = 0; i < settings->count; i++)
    free(settings->mistakes[i].text);
  free(settings->mistakes);
}
