/* report.h - figures for people and programs. Layer 10. */
#ifndef HAKMEM_REPORT_H
#define HAKMEM_REPORT_H

#include "counters.h"
#include "size_class.h"

struct class_figures {
  uint64_t requests;       /* blocks handed out */
  uint64_t frees;          /* blocks taken back */
  uint64_t live;           /* blocks in use: requests - frees */
  uint64_t slabs;          /* slabs of the class now */
};
struct figures {
  struct class_figures class[CLASS_COUNT];
  uint64_t requests[TIER_COUNT], live_blocks[TIER_COUNT], live_bytes[TIER_COUNT], held_bytes[TIER_COUNT];
  uint64_t counter[COUNT_END];
  uint64_t metadata_bytes;
};
/* Walks all heaps. Exact for the calling thread and for threads that do not allocate meanwhile;
   others' current slabs are read as they are. Allocates nothing. (heap_figures.c) */
void figures_collect(struct figures *figures);

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_XML };
/* Calls emit with pieces of text. */
void report_write(enum report_format format, void (*emit)(void *context, const char *text, size_t size), void *context);
/* The report at exit, as HAKMEM_STATS says, to HAKMEM_LOG_FILE or the duplicate of stderr. */
void report_at_exit(void);

#endif
