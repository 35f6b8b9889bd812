/* profile_stack.h - who called. Layer 8.

   The tables cost some thousand instructions a sample. Most of a stack is what it was at the thread's last sample, so
   that each thread remembers that one: where each return address lay, and what it was. From a frame on which lies where
   one did, and with the return addresses of all that are outside of it unchanged, the rest is the same. Only stacks
   that reach down to the base of the thread's own are remembered: that memory is there as long as the thread. */
#ifndef HAKMEM_PROFILE_STACK_H
#define HAKMEM_PROFILE_STACK_H

#include "profile_table.h"

enum { PROFILE_OWN_FRAMES = 16 };   /* of the library's, at most */
/* Zeroed at first. */
struct profile_memory {
  uintptr_t start;        /* where the frame of profile_stack_take began */
  uintptr_t lowest;       /* the lowest start: from there to the base it is the thread's own stack */
  unsigned depth;         /* 0: nothing is remembered */
  uintptr_t address[PROFILE_FRAMES_MAX + PROFILE_OWN_FRAMES], slot[PROFILE_FRAMES_MAX + PROFILE_OWN_FRAMES];
};

/* Before the first stack. */
void profile_stack_init(void);
/* Before the first stack of a thread that follows another, and may have its id but a smaller stack. */
void profile_stack_forget(struct profile_memory *memory);
/* The callers of the library, as far as they are known. No lock is held. */
void profile_stack_take(struct profile_stack *stack, struct profile_memory *memory) HAK_NOINLINE;

#endif
