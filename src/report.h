/* report.h - figures for people and programs. Layer 10. */
#ifndef HAKMEM_REPORT_H
#define HAKMEM_REPORT_H

#include "figures.h"

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_XML };
/* Calls emit with pieces of text. */
void report_write(enum report_format format, void (*emit)(void *context, const char *text, size_t size), void *context);
/* The report at exit, as HAKMEM_STATS says, to HAKMEM_LOG_FILE or the duplicate of stderr. */
void report_at_exit(void);

#endif
