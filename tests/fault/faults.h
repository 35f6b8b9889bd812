/* faults.h - system calls that fail when a test wants them to. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>

enum fault_call { FAULT_MMAP, FAULT_MUNMAP, FAULT_MPROTECT, FAULT_MADVISE, FAULT_MREMAP, FAULT_CALLS };
enum { FAULT_ALL = (1 << FAULT_CALLS) - 1 };

extern const char *const fault_names[FAULT_CALLS];

/* Puts itself before the kernel; nothing fails yet. Before the library starts. */
void faults_install(void);
/* Of the calls of the kinds in the mask that are made from now on, `count` fail, beginning with the first-th (from 1). */
void faults_at(unsigned long first, unsigned long count, unsigned kinds);
/* From now on, calls of the kinds fail with this chance, in parts of 1000. */
void faults_at_random(unsigned chance, unsigned kinds, unsigned seed);
/* From now on nothing fails. */
void faults_stop(void);

/* Calls of the kinds in the mask since faults_at; calls that were made to fail since faults_install. */
unsigned long faults_calls_seen(void);
unsigned long faults_injected(void);
/* The kind of the last one that was made to fail. */
enum fault_call faults_last_kind(void);

#endif
