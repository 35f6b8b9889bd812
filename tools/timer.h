/* timer.h - calls "hakmemctl disable --if-expired" when a time is over, whatever has become of this process.
   */
#ifndef HAKMEM_TOOLS_TIMER_H
#define HAKMEM_TOOLS_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include "preload_file.h"

/* In run/libhakmem: when the time is over, in milliseconds since the system was started (CLOCK_BOOTTIME). */
#define TIMER_DEADLINE "deadline"
enum { TIMER_SECOND = 1000 };
int64_t timer_now(void);
/* 0 if there is none. */
int64_t timer_deadline(int folder);

/* Whether mounts made here are those that the rest of the system sees. */
bool timer_in_main_namespace(void);

/* By systemd for this system where it runs, else by a process of its own, which ends when the deadline in
   run/libhakmem is no longer this one. Says it if neither can be. */
bool timer_start(const struct preload_file *file, int64_t deadline);

#endif
