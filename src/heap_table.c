/* heap_table.c - what a thread's table points at, and which slab serves a size. */
#include <config.h>
#include "heap.h"

/* Young heaps serve all sizes up to these from one slab each (sizes 64, 256, 1024 and 4096). */
static const uint8_t shared_class[] = { 3, 15, 31, CLASS_MID_FIRST + 15 };
enum { SHARED_COUNT = sizeof shared_class, SHARED_ALL = (1 << SHARED_COUNT) - 1 };

/* Which group of sizes a class belongs to, SHARED_COUNT: none. */
unsigned heap_shared_group(unsigned class) {
  if (class > shared_class[SHARED_COUNT - 1]) return SHARED_COUNT;
  unsigned group = 0;
  for (unsigned i = 0; i < SHARED_COUNT - 1; i++) group += class > shared_class[i];   /* no jumps, where a search has some */
  return group;
}

unsigned heap_serving_class(const struct heap *heap, unsigned class) {
  if (class > shared_class[SHARED_COUNT - 1] || heap->shared_spent == SHARED_ALL) return class;
  unsigned group = heap_shared_group(class);
  if ((heap->shared_spent >> group & 1) != 0) return class;
  return shared_class[group];
}

/* --- the thread's table --- */

void heap_table_clear(struct thread_table *table) {
  for (unsigned i = 0; i < TINY_GRANULES; i++) table->granule[i] = &slab_none;
  for (unsigned i = 0; i < sizeof table->cached / sizeof table->cached[0]; i++) table->cached[i] = &slab_none;
}

/* First granule whose sizes belong to the class. */
static unsigned first_granule(unsigned class) { return class == 0 ? 0 : size_classes[class - 1].block_size / GRANULE + 1; }

void heap_table_point(struct heap *heap, unsigned class, struct slab *slab) {
  struct thread_table *table = heap->table;
  if (table == NULL || class >= CLASS_RUN_FIRST) return;
  if (class >= CLASS_MID_FIRST) {
    table->cached[class - CLASS_MID_FIRST] = slab;
    return;
  }
  unsigned last = size_classes[class].block_size / GRANULE;
  for (unsigned i = first_granule(class); i <= last; i++) table->granule[i] = slab;
}

/* Takes a slab out of every entry: a shared one may be in those of all smaller classes of its group. */
void heap_table_unpoint(struct heap *heap, const struct slab *slab) {
  struct thread_table *table = heap->table;
  unsigned class = slab->class_index;
  if (table == NULL || class >= CLASS_RUN_FIRST) return;
  unsigned group = slab->shared ? heap_shared_group(class) : 0;
  unsigned from = !slab->shared ? class : group == 0 ? 0 : shared_class[group - 1] + 1u;
  for (; from <= class; from++) {
    if (from >= CLASS_MID_FIRST) {
      struct slab **entry = &table->cached[from - CLASS_MID_FIRST];
      if (*entry == slab) *entry = &slab_none;
      continue;
    }
    for (unsigned i = first_granule(from); i <= size_classes[from].block_size / GRANULE; i++)
      if (table->granule[i] == slab) table->granule[i] = &slab_none;
  }
}

bool heap_is_shared(const struct heap *heap, unsigned class) {
  if (class > shared_class[SHARED_COUNT - 1] || heap->shared_spent == SHARED_ALL) return false;
  unsigned group = heap_shared_group(class);
  return shared_class[group] == class && (heap->shared_spent >> group & 1) == 0;
}
