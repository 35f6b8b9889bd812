/* thread.c - thread-local state, and the end of a thread. */
#include <config.h>
#include <pthread.h>
#include "huge.h"
#include "os.h"
#include "remote.h"
#include "superslab.h"
#include "thread.h"

#define NO_SLABS \
  { .granule = { [0 ... TINY_GRANULES - 1] = &slab_none }, .cached = { [0 ... CACHED_COUNT] = &slab_none } }

#if HAKMEM_INTERPOSER

__thread struct thread_state thread_state = { .table = NO_SLABS };
_Static_assert(sizeof(struct thread_state) <= 1024, "static TLS of the interposer is bounded");

struct heap *thread_heap(void) { return thread_state.heap; }
bool thread_is_late(void) { return thread_state.closed; }

static void install(struct heap *heap) {
  heap->table = &thread_state.table;
  thread_state.heap = heap;
}
static void uninstall(void) {
  thread_state.heap = NULL;
  thread_state.closed = true;
}

#else

static struct thread_own no_heap_yet = { .table = NO_SLABS };
static struct thread_own no_heap_any_more = { .table = NO_SLABS, .closed = true };
__thread struct thread_own *thread_self = &no_heap_yet;

struct heap *thread_heap(void) { return thread_self->heap; }
bool thread_is_late(void) { return thread_self->closed; }

static void install(struct heap *heap) {
  heap_table_clear(&heap->own.table);
  heap->own.heap = heap;
  heap->table = &heap->own.table;
  thread_self = &heap->own;
}
static void uninstall(void) { thread_self = &no_heap_any_more; }

#endif

/* The key whose destructor closes the heap. Without one (all are taken) heaps stay behind when their threads end, and
   a later thread with the same pointer takes its heap over. */
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static bool end_key_made;

/* The thread's end. Destructors that run after it, and what the C library still does, are late calls. */
static void thread_end(void *value) {
  struct heap *heap = value;
  if (thread_heap() != heap) return;
  uninstall();
  heap_close(heap);
}

static void make_end_key(void) { end_key_made = pthread_key_create(&end_key, thread_end) == 0; }

struct heap *thread_heap_or_open(void) {
  struct heap *heap = thread_heap();
  if (heap != NULL || thread_is_late()) return heap;
  pthread_once(&end_once, make_end_key);
  if (!end_key_made) heap = heap_find(thread_id());
  if (heap == NULL) heap = heap_open(thread_id());
  if (heap == NULL) return NULL;
  install(heap);
  if (end_key_made) pthread_setspecific(end_key, heap);   /* may allocate: the heap is there */
  return heap;
}

void thread_give_back(void) {
  struct heap *heap = thread_heap();
  if (heap == NULL) return;
  remote_flush(heap);
  heap_drain_pending(heap, UINT32_MAX);
  heap_retire_idle(heap, true);
  heap_release_empty(heap, os_now_ms(), true);
}

size_t thread_reclaim(void) {
  thread_give_back();
  return huge_trim() + superslab_trim(0);
}

void thread_relieve(enum limit_stage stage, enum limit_scope scope) {
  struct heap *heap = thread_heap();
  if (stage == LIMIT_CACHES) {
    huge_trim();
    return;
  }
  if (heap != NULL) {
    remote_flush(heap);
    heap_drain_pending(heap, UINT32_MAX);
    if (stage == LIMIT_PACK) heap_pack(heap, scope);
    heap_release_empty(heap, os_now_ms(), true);
  }
  if (scope != LIMIT_EVERYBODY) return;
  if (stage == LIMIT_PACK) heap_pack_others(heap);
  superslab_trim(0);
}

void thread_fork_child(void) { heap_fork_child(thread_heap()); }
