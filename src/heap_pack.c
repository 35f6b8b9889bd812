/* heap_pack.c - what heaps can give back near the memory limit, whatever it costs later.

   Whose thread is asleep cannot be asked, and its lists belong to it: it pushes and pops without a lock. Only EMPTY slabs can be taken from
   it, under its heap's lock: no block of them is in use, and it does not touch them without that lock. The rest it does
   itself, when it comes by (limit_packs). */
#include <config.h>
#include "heap_sample.h"
#include "limit.h"
#include "os.h"
#include "remote.h"

enum { ADOPT_SLABS = 64 };   /* whose thread is gone, in one go */

/* What the heap of sampled blocks adopts no thread could take blocks from any more. */
static void adopt(struct heap *heap, enum limit_scope scope) {
  if ((heap->owner & ~OWNER_SLOW) == OWNER_PROFILE) return;
  while (heap_adopt_idle(heap, ADOPT_SLABS) == ADOPT_SLABS && scope == LIMIT_EVERYBODY) {}
}

void heap_pack(struct heap *heap, enum limit_scope scope) {
  heap->packs_seen = (uint8_t)__atomic_load_n(&limit_packs, __ATOMIC_RELAXED);
  heap_retire_idle(heap, true);
  adopt(heap, scope);
  if (scope == LIMIT_OWN_RECENT) heap_park_waiting(heap);
  else heap_park_all(heap);
  heap_release_empty(heap, os_now_ms(), true);
}

void heap_pack_others(const struct heap *own) {
  uint64_t now_ms = os_now_ms();
  for (struct heap *heap = heap_first(); heap != NULL; heap = heap->next_heap)
    if (heap != own) heap_release_empty(heap, now_ms, true);
}
