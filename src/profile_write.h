/* profile_write.h - what has been sampled, as files and as text. Layer 8. */
#ifndef HAKMEM_PROFILE_WRITE_H
#define HAKMEM_PROFILE_WRITE_H

#include "compiler.h"

enum profile_wait {
  PROFILE_WAITS,        /* for others that write one, ten seconds at most */
  PROFILE_TRIES,        /* EAGAIN: there are others. In the midst of malloc, whose caller may hold what they wait for */
  PROFILE_IN_HANDLER    /* of a signal. EAGAIN: it would have to wait for what it interrupted, too */
};
/* Writes the profile: in the format of gperftools ("heap_v2", samples as they are, which its readers scale), or folded
   stacks, scaled, if the path ends in .folded. 0, or the errno of what failed: EBUSY, another thread goes on writing one;
   EDEADLK, the caller is a handler of a signal that interrupted this thread's writing of one, or a sample. */
int profile_write(const char *path, enum profile_wait wait);
/* The function, or file and offset, of a return address. Asks the dynamic loader. */
void profile_name(char *text, size_t size, uintptr_t address);
/* The report of what is live at exit, by size, where it is at least so many bytes; through trace.h. True: it is not empty. */
bool profile_report_leaks(uint64_t at_least);

void profile_write_fork_child(void);

#endif
