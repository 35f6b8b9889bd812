/* heap_sample.c - which request is a sample: see heap_sample.h. */
#include <config.h>
#include "heap_sample.h"
#include "metadata.h"
#include "options.h"
#include "profile_draw.h"
#include "remote.h"

enum { LEAD_SHARE = 8 };   /* what did not run out last gets an eighth */

HAK_HIDDEN uint32_t heap_sample_epoch;
static uint64_t sample_rate, sample_seed;   /* before the epoch (release) */

void heap_sample_set(uint64_t rate, uint64_t seed) {
  uint32_t epoch = __atomic_load_n(&heap_sample_epoch, __ATOMIC_RELAXED);
  __atomic_store_n(&sample_rate, rate, __ATOMIC_RELAXED);
  __atomic_store_n(&sample_seed, seed, __ATOMIC_RELAXED);
  uint32_t next = rate != 0 ? (epoch + 1) | 1 : (epoch + 1) & ~1u;
  if (next == epoch) next += 2;
  __atomic_store_n(&heap_sample_epoch, next, __ATOMIC_RELEASE);   /* pairs with heap_sample_follow */
}

static void draw(struct sampler *sampler, unsigned class, uint32_t size) {
  sampler->unassigned[class] = profile_draw_requests(&sampler->random, sampler->rate, size);
}

/* --- following --- */

static void begin(struct heap *heap, uint32_t epoch, uint64_t rate) {
  struct sampler *sampler = heap->sampler = heap->sampler_room;
  sampler->told = false;
  sampler->rate = rate;
  sampler->random = profile_seed(__atomic_load_n(&sample_seed, __ATOMIC_RELAXED) +
                                 ((uintptr_t)heap ^ region_key ^ sampler->random ^ (uint64_t)epoch << 32));
  sampler->mapping_left = (int64_t)profile_draw(&sampler->random, sampler->rate);
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    sampler->frees_lead[class] = 0;
    draw(sampler, class, size_classes[class].block_size);
  }
}

/* Current slabs have blocks visible, and frees to come, that nobody has taken into account. */
static void begin_current(struct heap *heap) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    struct slab *slab = heap->current[class];
    if (slab == NULL) continue;
    heap_count_current_frees(heap, slab);
    int64_t drawn = heap->sampler->unassigned[class];
    heap_sample_aside(heap, slab);
    heap->sampler->unassigned[class] = drawn;
    slab_arm(slab, 1);
  }
}

/* The countdown may be far beyond what there is to do now: events will put that right. */
static void end(struct heap *heap) { heap->sampler = NULL; }

void heap_sample_adopt(struct heap *heap) {
  uint32_t epoch = __atomic_load_n(&heap_sample_epoch, __ATOMIC_ACQUIRE);
  uint64_t rate = __atomic_load_n(&sample_rate, __ATOMIC_RELAXED);   /* 0: off again by now */
  bool on = (epoch & 1) != 0 && rate != 0 && (heap->owner & ~OWNER_SLOW) != OWNER_PROFILE;
  struct sampler *memory = NULL;
  if (on && heap->sampler_room == NULL) {
    memory = metadata_alloc(sizeof *memory);
    if (memory == NULL) return;   /* the next slow path tries again */
  }
  lock_acquire(&heap->lock);
  if (memory != NULL) heap->sampler_room = memory;
  end(heap);
  heap->sample_epoch = epoch;
  if (on) {
    begin(heap, epoch, rate);
    begin_current(heap);
  }
  lock_release(&heap->lock);
}

void heap_sample_end(struct heap *heap) {
  end(heap);
  heap->sample_epoch = 0;
  if (heap->sampler_room == NULL) return;
  /* In the child of fork it may be of a thread that was taking a sample, and is not here to end it. */
  heap->sampler_room->inside = false;
  heap->sampler_room->inherited = true;
}

/* --- counting --- */

bool heap_sample_mapping(struct heap *heap, uint64_t size) {
  struct sampler *sampler = heap->sampler;
  if (sampler->inside) return false;
  /* One that is larger than any distance that can be drawn is always a sample. */
  sampler->mapping_left -= size < INT64_MAX / 2 ? (int64_t)size : INT64_MAX / 2;
  if (sampler->mapping_left >= 0) return false;
  sampler->mapping_left = (int64_t)profile_draw(&sampler->random, sampler->rate);
  return true;
}

static bool is_due(struct sampler *sampler, unsigned class, uint32_t size) {
  bool again = sampler->told && !sampler->inside;
  if (again) sampler->told = false;
  if (sampler->unassigned[class] != 0) return false;
  if (sampler->inside || again) {
    sampler->unassigned[class] = 1;   /* the sample is put off to the next request: this one does not count */
    return false;
  }
  draw(sampler, class, size);
  return sampler->told = true;
}

bool heap_sample_is_due(struct heap *heap, unsigned class_index) {
  return is_due(heap->sampler, class_index, size_classes[class_index].block_size);
}

/* Gives frees away. */
static void arm(struct heap *heap, struct slab *slab) {
  int64_t *unassigned = &heap->sampler->unassigned[slab->class_index];
  uint32_t frees = heap_current_countdown(heap) - 1;
  if (*unassigned < (int64_t)frees) frees = (uint32_t)*unassigned;
  *unassigned -= frees;
  slab_arm(slab, frees + 1);   /* the last one is counted when it comes */
}

/* Takes those back that have not come. */
static void disarm(struct heap *heap, struct slab *slab) {
  heap->sampler->unassigned[slab->class_index] += (int64_t)slab->countdown - 1;
  slab_arm(slab, 1);
}

void heap_sample_current(struct slab *slab) {
  uint32_t visible = slab->carved - slab->used - slab->parked_blocks - slab->rest_count;
  if (slab->free != NULL && slab->rest != NULL) visible = slab_join_rest(slab) - slab->parked_blocks;
  if (slab->free != NULL) slab_set_rest(slab, visible);
  slab_arm(slab, 1);
}

void heap_sample_leave(struct heap *heap, struct slab *slab) { disarm(heap, slab); }

void heap_sample_aside(struct heap *heap, struct slab *slab) {
  uint32_t visible = 0;
  struct block **link = &slab->free;
  for (; *link != NULL; link = &(*link)->next) visible++;
  *link = slab->rest;
  slab->rest = slab->free;
  slab->free = NULL;
  slab->rest_count = (uint16_t)(slab->rest_count + visible);
  heap->sampler->unassigned[slab->class_index] += visible;
}

void heap_sample_gained(struct heap *heap, struct slab *slab, uint32_t count) {
  int64_t *unassigned = &heap->sampler->unassigned[slab->class_index];
  *unassigned -= count;
  if (*unassigned < 0) heap_sample_aside(heap, slab);
}

void heap_sample_event(struct heap *heap, struct slab *slab) {
  struct sampler *sampler = heap->sampler;
  unsigned class = slab->class_index;
  if (--sampler->unassigned[class] <= 0) {
    heap_sample_aside(heap, slab);
    sampler->frees_lead[class] = 1;
  }
  arm(heap, slab);
}

/* Sees to it that there is a rest, or returns a block that is on no list. NULL: there is, or nothing is left. */
static struct block *supply(struct heap *heap, struct slab *slab, bool *zeroed) {
  unsigned class = slab->class_index;
  if (slab->rest != NULL) return NULL;
  if ((uint32_t)__atomic_load_n(&slab->remote, __ATOMIC_RELAXED) != 0) {
    uint32_t count = remote_take(slab, false);
    heap->supplied[class] += count;
    heap->frees[class] += count;
    slab_set_rest(slab, count);
    return NULL;
  }
  uint32_t carved = slab->carved;
  struct block *block = NULL;
  if (slab->zeroed && size_classes[class].carve_step == 1) {
    block = slab_carve_one(slab);
    *zeroed = block != NULL;
  } else if (slab_carve(slab)) {
    slab_set_rest(slab, slab->carved - carved);
  }
  heap->supplied[class] += slab->carved - carved;
  return block;
}

/* Makes blocks of the rest visible, one of them for this request. */
static struct block *hand_out(struct heap *heap, struct slab *slab) {
  struct sampler *sampler = heap->sampler;
  int64_t *unassigned = &sampler->unassigned[slab->class_index];
  int64_t share = *unassigned / LEAD_SHARE;
  int64_t wanted = sampler->frees_lead[slab->class_index] ? share : *unassigned - share;
  uint32_t most = wanted < slab->rest_count ? (uint32_t)wanted + 1 : UINT32_MAX;
  *unassigned -= slab_take_rest(slab, most) - 1;
  return slab_pop(slab);
}

struct block *heap_sample_take(struct heap *heap, struct slab *slab, bool *zeroed) {
  struct sampler *sampler = heap->sampler;
  unsigned class = slab->class_index;
  *zeroed = false;
  if (slab->free != NULL) return slab_pop(slab);
  heap_count_current_frees(heap, slab);
  disarm(heap, slab);
  if (is_due(sampler, class, slab->block_size)) return HEAP_SAMPLE_DUE;
  sampler->unassigned[class]--;
  struct block *block = supply(heap, slab, zeroed);
  if (block == NULL && slab->rest != NULL) block = hand_out(heap, slab);
  if (block == NULL) {
    sampler->unassigned[class]++;
    return NULL;
  }
  sampler->frees_lead[class] = 0;
  arm(heap, slab);
  return block;
}
