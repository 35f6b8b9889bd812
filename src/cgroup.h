/* cgroup.h - the memory limit of the process's control group. Layer 3. */
#ifndef HAKMEM_CGROUP_H
#define HAKMEM_CGROUP_H

#include "compiler.h"

#define CGROUP_NO_LIMIT UINT64_MAX

/* The lowest of memory.high and memory.max of the process's group and of those above it, as far as they are mounted here;
   version 2 of control groups only. CGROUP_NO_LIMIT: there is none, or it cannot be seen. root: what stands before the names
   of all files, "" but in tests. Opens files: at start only. */
uint64_t cgroup_memory_limit(const char *root);

#endif
