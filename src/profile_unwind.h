/* profile_unwind.h - who called, by tables. Layer 8.

   By the unwinder of gcc's library, a copy of which is linked in (configure --with-unwind): it finds its tables through
   the dynamic loader without a lock, allocates nothing and opens nothing, so that it can be used in the midst of
   what the loader allocates, where dlopen could not. Code without tables (that of a JIT) ends the stack. */
#ifndef HAKMEM_PROFILE_UNWIND_H
#define HAKMEM_PROFILE_UNWIND_H

#include "compiler.h"

struct profile_frame {
  uintptr_t address;     /* behind the call; where a signal came, behind the first byte of the next instruction */
  uintptr_t end;         /* end of the frame that was called from there: the return address is right below, where calls
                            push it */
  uintptr_t pointer;     /* the register that may be the frame pointer; 0 where there is no such register */
  bool interrupted;      /* by a signal */
};

/* Calls visit for each frame, the innermost first, until it says false or no other is known. */
void profile_unwind(bool (*visit)(void *context, const struct profile_frame *frame), void *context);

#endif
