/* slab.c - one slab: made, carved, given back. */
#include <config.h>
#include "counters.h"
#include "message.h"
#include "superslab.h"

struct slab slab_none;

void slab_set_owner(struct slab *slab, uintptr_t owner) {
  struct superslab *superslab = superslab_of(slab);
  for (unsigned unit = slab->first; unit < (unsigned)slab->first + slab->units; unit++) {
    if (owner != OWNER_NONE) __atomic_store_n(&superslab->slab_words[unit], slab, __ATOMIC_RELAXED);
    __atomic_store_n(&superslab->owner_words[unit], owner, __ATOMIC_RELEASE);   /* pairs with registry_lookup */
  }
}

struct slab *slab_create(struct heap *heap, unsigned class_index) {
  const struct size_class *row = &size_classes[class_index];
  struct span span;
  if (!superslab_alloc_span(row->units, &span)) return NULL;
  enum tier tier = size_class_tier(class_index);
  place_add(tier, EVENT_MADE, 1);
  if (span.purged != 0) place_add(tier, EVENT_REFAULTED_BYTES, (uint64_t)span.purged * UNIT_SIZE);
  struct slab *slab = &span.superslab->slabs[span.first];
  slab->free = NULL;
  slab->block_size = row->block_size;
  slab->capacity = row->capacity;
  slab->carved = slab->used = 0;
  slab_arm(slab, UINT32_MAX);
  slab_put_rest(slab, NULL, 0);
  slab->start = span.superslab->base + (size_t)span.first * UNIT_SIZE;
  slab->class_index = (uint8_t)class_index;
  slab->state = SLAB_NONE;
  slab->first = (uint8_t)span.first;
  slab->units = (uint8_t)span.units;
  slab->zeroed = span.zeroed;
  slab->shared = 0;
  slab->next = slab->previous = slab->all_next = slab->all_previous = NULL;

  uintptr_t offset = (uintptr_t)slab->start - (uintptr_t)region_base;
  slab->reciprocal = row->reciprocal;
  slab->bias = offset * row->reciprocal;
  slab->bound = 0;
  slab->remote_reciprocal = row->reciprocal;
  slab->remote_bias = slab->bias;
  __atomic_store_n(&slab->remote_bound, 0, __ATOMIC_RELAXED);
  slab->remote_block_size = row->block_size;
  __atomic_store_n(&slab->abandoned_used, 0, __ATOMIC_RELAXED);   /* a late pusher of the last life may read it */
  /* The remote word is left as it is: its list is empty, but PENDING may still be set. */
  __atomic_store_n(&slab->heap, heap, __ATOMIC_RELEASE);   /* pairs with remote_hand_over */
  return slab;
}

void slab_destroy(struct slab *slab) {
  slab_check(slab);
  slab_set_owner(slab, OWNER_NONE);
  slab->state = SLAB_NONE;
  slab->free = NULL;
  slab->parked_blocks = 0;
  __atomic_store_n(&slab->parked, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&slab->heap, NULL, __ATOMIC_RELEASE);
  superslab_free_span(superslab_of(slab), slab->first, slab->units);
}

static void set_carved(struct slab *slab, uint32_t carved) {
  slab->carved = carved;
  slab->bound = (uint64_t)carved * size_classes[slab->class_index].excess;
  __atomic_store_n(&slab->remote_bound, slab->bound, __ATOMIC_RELAXED);
}

enum { CARVE_RESIDENT = 16 };   /* blocks of a slab whose pages are there are carved so many at a time */

bool slab_carve(struct slab *slab) {
  uint32_t from = slab->carved;
  uint32_t step = size_classes[slab->class_index].carve_step;
  if (!slab->zeroed && step < CARVE_RESIDENT) step = CARVE_RESIDENT;
  uint32_t count = slab->capacity - from < step ? slab->capacity - from : step;
  if (count == 0) return false;
  /* In order of address: the list ends with what was on it. */
  struct block *block = slab_block_at(slab, from);
  struct block *first = block;
  for (uint32_t i = 1; i < count; i++) {
    struct block *next = (struct block *)(void *)((char *)block + slab->block_size);
    block->next = next;
    if (CHECKS) block->key = block_key(block);
    block = next;
  }
  block->next = slab->free;
  if (CHECKS) block->key = block_key(block);
  set_carved(slab, from + count);
  slab->free = first;
  return true;
}

struct block *slab_carve_one(struct slab *slab) {
  if (slab->carved == slab->capacity) return NULL;
  struct block *block = slab_block_at(slab, slab->carved);
  set_carved(slab, slab->carved + 1);
  if (CHECKS && !slab->zeroed) block->key = 0;   /* the key of an earlier life may stand here */
  return block;
}

uint32_t slab_count_free(const struct slab *slab) {
  uint32_t count = 0;
  for (const struct block *block = slab->free; block != NULL && count <= slab->capacity; block = block->next) count++;
  return count + slab->rest_count + slab->parked_blocks;
}

/* --- the rest --- */

void slab_put_rest(struct slab *slab, struct block *list, uint32_t count) {
  slab->rest = list;
  slab->rest_count = (uint16_t)count;
  slab->rest_in_pieces = false;
}

void slab_add_rest(struct slab *slab, struct block *head, struct block *tail, uint32_t count) {
  tail->next = slab->rest;
  slab->rest = head;
  slab->rest_count = (uint16_t)(slab->rest_count + count);
}

void slab_set_rest(struct slab *slab, uint32_t count) {
  if (slab->rest != NULL) return;
  slab_put_rest(slab, slab->free, count);
  slab->rest_in_pieces = true;
  slab->free = NULL;
}

uint32_t slab_take_rest(struct slab *slab, uint32_t most) {
  struct block *last = slab->rest;
  uint32_t count = 1;
  slab->free = slab->rest;
  if (most >= slab->rest_count) {
    count = slab->rest_count;
    slab->rest = NULL;
    slab->rest_count = 0;
    return count;
  }
  for (; count < most && last->next != NULL; count++) last = last->next;
  slab->rest = last->next;
  last->next = NULL;
  /* After fork() has cut its thread off the list may be one block longer than was counted. */
  uint16_t left = slab->rest_count > count ? (uint16_t)(slab->rest_count - count) : 1;
  slab->rest_count = slab->rest != NULL ? left : 0;
  return count;
}

uint32_t slab_join_rest(struct slab *slab) {
  uint32_t count = slab->rest_count + slab->parked_blocks;
  struct block **link = &slab->free;
  for (; *link != NULL; link = &(*link)->next) count++;
  *link = slab->rest;
  slab->rest = NULL;
  slab->rest_count = 0;
  return count;
}

/* --- checks --- */

void slab_check(const struct slab *slab) {
  if (!DEBUG_BUILD) return;
  uint32_t free_count = slab_count_free(slab);
  bool sane = slab->carved <= slab->capacity && free_count <= slab->carved && slab_parked_sane(slab);
  if (slab->state != SLAB_CURRENT && slab->state != SLAB_NONE)
    sane = sane && slab->used - (slab->armed - slab->countdown) == slab->carved - free_count;
  if (!sane)
    message_fatal("broken slab %p: state %u, capacity %u, carved %u, used %u, free %u, parked %u",
                  (const void *)slab->start, slab->state, slab->capacity, slab->carved, slab->used, free_count,
                  slab->parked_blocks);
}

void slab_resize_run(struct slab *slab, unsigned class_index) {
  const struct size_class *row = &size_classes[class_index];
  slab->class_index = (uint8_t)class_index;
  slab->units = (uint8_t)row->units;
  slab->block_size = slab->remote_block_size = row->block_size;
  slab->reciprocal = slab->remote_reciprocal = row->reciprocal;
  slab->bias = slab->remote_bias = ((uintptr_t)slab->start - (uintptr_t)region_base) * row->reciprocal;
  set_carved(slab, slab->carved);
}
