/* abandoned.c - slabs whose thread is gone: listed by class until adopted or empty. */
#include <config.h>
#include "counters.h"
#include "remote.h"

static struct lock abandoned_lock = LOCK_INIT(RANK_ABANDONED);
/* Slabs with blocks to give in front, full ones behind. Lock; heads are also read without it. */
static HAK_SPARSE struct slab_queue abandoned[CLASS_COUNT];
static HAK_SPARSE uint64_t frees_of_whole[CLASS_COUNT];   /* blocks that came back to slabs nobody owned any more; lock */
static HAK_SPARSE uint32_t listed[CLASS_COUNT];           /* slabs on the list; lock */

static void link_slab(struct slab *slab, bool in_front) {
  slab_queue_add(&abandoned[slab->class_index], slab, in_front);
  listed[slab->class_index]++;
  counter_add(COUNT_ABANDONED, 1);
}

static void unlink_slab(struct slab *slab) {
  slab_queue_remove(&abandoned[slab->class_index], slab);
  listed[slab->class_index]--;
  counter_sub(COUNT_ABANDONED, 1);
}

/* All blocks are back: the slab is the caller's alone. Lock held. */
static bool take_if_whole(struct slab *slab, uint64_t word) {
  if ((word & REMOTE_ABANDONED) == 0 || remote_count(word) != slab->abandoned_used) return false;
  unlink_slab(slab);
  frees_of_whole[slab->class_index] += remote_count(word);
  __atomic_fetch_and(&slab->remote, REMOTE_PENDING, __ATOMIC_ACQ_REL);
  slab->state = SLAB_NONE;
  slab->free = NULL;
  slab_put_rest(slab, NULL, 0);
  slab->used = 0;
  return true;
}

bool abandoned_add(struct slab *slab, uint32_t used) {
  slab_set_owner(slab, OWNER_ABANDONED);
  lock_acquire(&abandoned_lock);
  slab->state = SLAB_ABANDONED;
  slab->used = used;
  slab_arm(slab, UINT32_MAX);
  __atomic_store_n(&slab->abandoned_used, used, __ATOMIC_RELAXED);   /* released by the flag */
  bool some = remote_count(__atomic_load_n(&slab->remote, __ATOMIC_RELAXED)) != 0;
  link_slab(slab, some || slab->free != NULL || slab->rest != NULL || slab->parked_blocks != 0 || slab->carved < slab->capacity);
  /* The flag before the owner: a slab without one, and without the flag, would make a pusher in remote_hand_over try
     again and again until this thread runs. */
  uint64_t word = __atomic_fetch_or(&slab->remote, REMOTE_ABANDONED, __ATOMIC_ACQ_REL) | REMOTE_ABANDONED;
  __atomic_store_n(&slab->heap, NULL, __ATOMIC_RELEASE);
  bool whole = take_if_whole(slab, word);
  lock_release(&abandoned_lock);
  return !whole;
}

void abandoned_claim(struct slab *slab) {
  lock_acquire(&abandoned_lock);
  bool whole = take_if_whole(slab, __atomic_load_n(&slab->remote, __ATOMIC_ACQUIRE));
  lock_release(&abandoned_lock);
  if (whole) slab_destroy(slab);
}

struct slab *abandoned_adopt(struct heap *heap, unsigned class_index) {
  if (__atomic_load_n(&abandoned[class_index].head, __ATOMIC_RELAXED) == NULL) return NULL;
  lock_acquire(&abandoned_lock);
  struct slab *slab = abandoned[class_index].head;
  if (slab != NULL) {
    unlink_slab(slab);
    slab->used = slab->abandoned_used;
    slab->state = SLAB_FULL;
    __atomic_store_n(&slab->heap, heap, __ATOMIC_RELEASE);
    __atomic_fetch_and(&slab->remote, ~REMOTE_ABANDONED, __ATOMIC_ACQ_REL);
  }
  lock_release(&abandoned_lock);
  if (slab == NULL) return NULL;
  slab_set_owner(slab, slab_owner_word(slab, heap->owner));
  counter_add(COUNT_ADOPTIONS, 1);
  place_add(size_class_tier(class_index), EVENT_ADOPTIONS, 1);
  return slab;
}

struct abandoned_sums abandoned_sums(unsigned class_index) {
  lock_acquire(&abandoned_lock);
  struct abandoned_sums sums = { frees_of_whole[class_index], listed[class_index] };
  lock_release(&abandoned_lock);
  return sums;
}

void abandoned_fork_prepare(void) { lock_acquire(&abandoned_lock); }
void abandoned_fork_release(bool child) {
  if (child) lock_reset(&abandoned_lock);
  else lock_release(&abandoned_lock);
}

void abandoned_fork_child(void) {
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    for (struct slab *slab = abandoned[class].head, *next; slab != NULL; slab = next) {
      next = slab->next;
      abandoned_claim(slab);
    }
}
