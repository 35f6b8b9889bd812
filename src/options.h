/* options.h - HAKMEM_* settings: one table, read once, checked. Layer 3.

   options_init() is called once, by the start of the first heap, with no other
   thread near; afterwards everything here is constant. It reads the environment
   itself and the text of a file that conf_file.c has brought; it copies what it needs,
   calls no getenv, opens no file, allocates nothing. hakmemctl has it compiled in too. */
#ifndef HAKMEM_OPTIONS_H
#define HAKMEM_OPTIONS_H

#include "conf.h"

enum mode { MODE_BALANCED, MODE_FAST, MODE_MINIMAL };
enum thp { THP_AUTO, THP_INHERIT, THP_ALWAYS, THP_NEVER };
enum invalid_free { INVALID_FALLBACK, INVALID_SKIP, INVALID_ABORT };
enum external_guard { GUARD_POPULATE, GUARD_MINCORE, GUARD_MSYNC, GUARD_OFF };
enum deepbind { DEEPBIND_STRIP, DEEPBIND_KEEP };
enum stats_report { STATS_OFF, STATS_TEXT, STATS_JSON };
enum profile_signal { PROFILE_SIGNAL_NONE, PROFILE_SIGNAL_HUP, PROFILE_SIGNAL_USR1, PROFILE_SIGNAL_USR2, PROFILE_SIGNAL_PROF, PROFILE_SIGNAL_URG,
                      PROFILE_SIGNAL_WINCH };
enum profile_unwind { PROFILE_UNWIND_TABLES, PROFILE_UNWIND_FRAME_POINTERS };
enum memory_limit { MEMORY_LIMIT_AUTO = -1, MEMORY_LIMIT_NONE = 0 };
enum ace { ACE_OFF, ACE_ON, ACE_FREEZE };
enum prefault { PREFAULT_OFF, PREFAULT_POPULATE, PREFAULT_TOUCH };

enum { OPTION_PATH_MAX = 256 };

/* Every member is a long, so that the table can point at it; sizes are in bytes. */
struct option_values {
  long mode;
  long force_libc_alloc;
  long wrap_tiny, wrap_pool, wrap_l25;
  long bigcache, bigcache_l25;
  long bigcache_max;           /* bytes */
  long whale, whale_slots;
  long batch_madvise;
  long batch_min_size;         /* bytes */
  long batch_flush;            /* bytes */
  long purge_delay_ms;         /* -1 never, 0 at once */
  long memory_limit;           /* bytes, or enum memory_limit */
  long memory_limit_hard;
  long superslab_max_cached;
  long ss_prefault;            /* enum prefault */
  long thp;
  long invalid_free, invalid_free_log;
  long external_guard;
  long free_route_trace, super_reg_reqtrace;
  long deepbind;
  long stats;
  long profile;
  long profile_rate;           /* bytes */
  long profile_signal;         /* enum profile_signal */
  long profile_leaks;          /* bytes, 0: no report */
  long profile_leak_status;
  long profile_unwind;         /* enum profile_unwind */
  long ace;                    /* enum ace */
  long ace_keep_ms, ace_delay_max_ms;
  long ace_idle_max;           /* bytes */
  long debug_level;
};
extern HAK_HIDDEN struct option_values option;            /* the values in force */
extern char option_log_file[OPTION_PATH_MAX];  /* "" : stderr; %p not yet replaced */
extern char option_stats_dir[OPTION_PATH_MAX]; /* "" : none */
extern bool option_stats_dir_from_file;        /* the configuration file names it, for whoever reads that */
extern char option_profile_file[OPTION_PATH_MAX];  /* "" : none; %p not yet replaced */
extern char option_ace_log[OPTION_PATH_MAX];   /* "" : none; %p not yet replaced */
#define OPTION_PROFILE_FILE "hakmem.%p.heap"       /* the default */

#define OPTION_PREFIX "HAKMEM_"

/* Text of a configuration file (conf.h), and the program that it is read for. */
struct options_file {
  const char *path;            /* for messages */
  const char *text;
  size_t size;
  const struct conf_program *program;
};

/* environment: NULL-terminated NAME=VALUE strings, or NULL. file: NULL for none. interposer: its default
   of HAKMEM_INVALID_FREE is fallback, else skip. secure: the environment is not read, nothing is printed, and
   what writes to files stays off. */
void options_init(char *const *environment, const struct options_file *file, bool interposer, bool secure);

/* The same for hakmemctl: nothing is printed, the watcher is told instead. */
enum option_source { OPTION_BUILT_IN, OPTION_PRESET, OPTION_FILE, OPTION_ENVIRONMENT };
struct options_watcher {
  void *context;
  /* A row (options_row) has its value from there; the last call for it counts. May be NULL.
     line: in the file. */
  void (*used)(void *context, size_t row, enum option_source source, unsigned line);
  void (*bad)(void *context, enum option_source source, unsigned line, const char *text);
  bool all_lines;              /* also checks what the file says for other programs */
};
void options_read(char *const *environment, const struct options_file *file, bool interposer,
                  const struct options_watcher *watcher);

/* For hak_option_get and the report: the option's value as text, NULL if there is
   no such option. name with or without "HAKMEM_". The text is written to buffer. */
const char *options_get_text(const char *name, char *buffer, size_t size);
/* The table, for tests, the manual page and the report. */
struct option_row {
  const char *name;        /* without HAKMEM_ */
  const char *accepted;    /* "0, 1", "balanced, fast, minimal", "size", ... */
  const char *default_text;
  const char *help;        /* one sentence */
};
size_t options_count(void);
struct option_row options_row(size_t index);

#endif
