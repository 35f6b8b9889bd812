/* slab_queue.h - a list of slabs of one class, by next and previous. Layer 6.

   The owner of the list holds its lock. One pointer: the previous of the first slab is the last one, the next of
   the last one is NULL. A head may be compared with NULL without the lock. */
#ifndef HAKMEM_SLAB_QUEUE_H
#define HAKMEM_SLAB_QUEUE_H

#include "slab.h"

struct slab_queue { struct slab *head; };

HAK_INLINE void slab_queue_set_head(struct slab_queue *queue, struct slab *head) {
  __atomic_store_n(&queue->head, head, __ATOMIC_RELAXED);
}

HAK_INLINE struct slab *slab_queue_last(const struct slab_queue *queue) {
  return queue->head != NULL ? queue->head->previous : NULL;
}

/* The slab before it, NULL for the first. */
HAK_INLINE struct slab *slab_queue_before(const struct slab_queue *queue, const struct slab *slab) {
  return slab != queue->head ? slab->previous : NULL;
}

HAK_INLINE void slab_queue_add(struct slab_queue *queue, struct slab *slab, bool in_front) {
  struct slab *head = queue->head;
  slab->next = in_front ? head : NULL;
  slab->previous = head != NULL ? head->previous : slab;
  if (head != NULL) {
    if (!in_front) head->previous->next = slab;
    head->previous = slab;
  }
  if (in_front || head == NULL) slab_queue_set_head(queue, slab);
}

HAK_INLINE void slab_queue_remove(struct slab_queue *queue, struct slab *slab) {
  struct slab *head = queue->head, *next = slab->next;
  if (slab == head) slab_queue_set_head(queue, next);
  else slab->previous->next = next;
  /* Of the last one, the first slab keeps the address. */
  struct slab *behind = next != NULL ? next : head;
  behind->previous = slab->previous;
  slab->next = slab->previous = NULL;
}

#endif
