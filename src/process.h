/* process.h - start of the library in a process. Layer 8. */
#ifndef HAKMEM_PROCESS_H
#define HAKMEM_PROCESS_H

#include "compiler.h"

enum process_state { PROCESS_NEW, PROCESS_STARTING, PROCESS_READY, PROCESS_LIBC };

/* Starts the library at the first call; later ones are one load. Returns READY or LIBC; STARTING only to a
   call from inside the start itself. */
enum process_state process_start(void);
/* The state, without starting anything. */
extern HAK_HIDDEN uint32_t process_state;   /* enum process_state; atomic: release in process.c, pairs with the acquire here */
HAK_INLINE enum process_state process_state_now(void) {
  return (enum process_state)__atomic_load_n(&process_state, __ATOMIC_ACQUIRE);
}

#endif
