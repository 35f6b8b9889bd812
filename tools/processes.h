/* processes.h - the processes that run on libhakmem, and the figures that they publish. */
#ifndef HAKMEM_TOOLS_PROCESSES_H
#define HAKMEM_TOOLS_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include "figures_file.h"

enum { PROCESS_NAME_MAX = 64 };

struct process {
  int id;
  char name[PROCESS_NAME_MAX];      /* printable */
  const char *library;              /* "interposer" or "library" */
  uint64_t resident;                /* bytes */
  bool published;                   /* figures holds one set, of which the texts are printable */
  struct figures_slot figures;
  uint64_t age_ms, running_ms;      /* since they were written, and since the library started in it */
};

enum process_answer { PROCESS_FOUND, PROCESS_WITHOUT, PROCESS_GONE, PROCESS_FORBIDDEN };
/* PROCESS_WITHOUT: it runs without the library; FORBIDDEN: it may not be looked at. Nothing is stopped. */
enum process_answer process_look(int id, struct process *process);

/* All of them, by their ids; *forbidden: how many could not be looked at. The caller frees; NULL: /proc is
   not there. */
struct process *processes_find(unsigned *count, unsigned *forbidden);

#endif
