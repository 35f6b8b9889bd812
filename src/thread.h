/* thread.h - thread-local state. Layer 8; nothing below reads it. 

   The interposer keeps the whole table in static TLS (it is loaded at program start); the library,
   which may be dlopened, a pointer. */
#ifndef HAKMEM_THREAD_H
#define HAKMEM_THREAD_H

#include "heap.h"
#include "limit.h"

#if HAKMEM_INTERPOSER
struct thread_state {
  struct thread_table table;
  struct heap *heap;         /* NULL: none yet, or closed (then closed is set) */
  bool closed;
};
extern HAK_HIDDEN __thread struct thread_state thread_state __attribute__((tls_model("initial-exec")));
HAK_INLINE struct thread_table *thread_table(void) { return &thread_state.table; }
#else
extern HAK_HIDDEN __thread struct thread_own *thread_self __attribute__((tls_model("initial-exec")));
HAK_INLINE struct thread_table *thread_table(void) { return &thread_self->table; }
#endif

/* The owner word of the calling thread's slabs. Constant while the thread lives; unique among live threads. */
HAK_INLINE uintptr_t thread_id(void) { return (uintptr_t)__builtin_thread_pointer(); }

/* The calling thread's heap, NULL when it has none (yet, or any more). */
struct heap *thread_heap(void);
/* The same, opened if the thread has none and is not past its end. NULL: past its end, or no memory. */
struct heap *thread_heap_or_open(void);
/* True once the thread's heap has been closed: a late call. */
bool thread_is_late(void);
/* What the calling thread's heap keeps for itself goes to where all threads can take it. */
void thread_give_back(void);
/* The kernel gave no more: everything that is kept goes back to it, as far as this thread can; returns bytes. */
size_t thread_reclaim(void);
/* What is held is near its limit (limit.h). */
void thread_relieve(enum limit_stage stage, enum limit_scope scope);
/* In the child of fork. */
void thread_fork_child(void);

#endif
