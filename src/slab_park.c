/* slab_park.c - pages of a slab without a block in use: found, taken off its list, put back on it. */
#include <config.h>
#include "slab.h"

enum {
  GUESSED_BLOCK = 1024,  /* up to here the keys of blocks in use are looked at too */
  PARK_SHARE = 8         /* an eighth of a slab is worth the walk and the calls */
};

static void set_parked(struct slab *slab, uint64_t parked) {
  __atomic_store_n(&slab->parked, parked, __ATOMIC_RELAXED);
}

static unsigned granule_of(const struct slab *slab, size_t offset) {
  return (unsigned)(offset >> slab_granule_shift(slab));
}

/* The bits of first to last. */
static uint64_t granule_mask(unsigned first, unsigned last) {
  return (UINT64_MAX >> (PARK_GRANULES - 1 - (last - first))) << first;
}

/* Carved blocks that start in a granule: [*first, *end). */
static void blocks_from(const struct slab *slab, unsigned granule, uint32_t *first, uint32_t *end) {
  unsigned shift = slab_granule_shift(slab);
  uint32_t from = granule << shift, to = from + (1u << shift);
  *first = (from + slab->block_size - 1) / slab->block_size;
  *end = (to + slab->block_size - 1) / slab->block_size;
  if (*end > slab->carved) *end = slab->carved;
  if (*first > *end) *first = *end;
}

/* For each granule how many carved blocks touch it, all but those that are free. */
static void count_in_use(const struct slab *slab, uint16_t *in_use, unsigned granules) {
  unsigned shift = slab_granule_shift(slab);
  uint32_t size = slab->block_size;
  for (unsigned g = 0; g < granules; g++) {
    uint32_t first = (g << shift) / size, end = (((g + 1) << shift) - 1) / size + 1;
    if (end > slab->carved) end = slab->carved;
    in_use[g] = (uint16_t)(first < end ? end - first : 0);
  }
  for (const struct block *block = slab->free; block != NULL; block = block->next) {
    size_t offset = (size_t)((const char *)block - slab->start);
    for (size_t g = offset >> shift; g <= (offset + size - 1) >> shift && g < granules; g++) in_use[g]--;
  }
  for (uint64_t left = slab->parked; left != 0; left &= left - 1) {
    /* Of the blocks that start in it only the last one can reach into others. */
    unsigned g = (unsigned)__builtin_ctzll(left);
    uint32_t first, end;
    blocks_from(slab, g, &first, &end);
    if (first == end) continue;
    for (uint32_t h = g + 1; h <= (end * size - 1) >> shift && h < granules; h++) in_use[h]--;
  }
}

/* Granules without a block in use that are not parked, as far as blocks have been carved. */
static uint64_t parkable(const struct slab *slab) {
  uint16_t in_use[PARK_GRANULES];
  unsigned shift = slab_granule_shift(slab);
  bool whole = slab->carved == slab->capacity;
  unsigned granules = (whole ? (uint32_t)slab->units << UNIT_SHIFT : slab->carved * slab->block_size) >> shift;
  count_in_use(slab, in_use, granules);
  uint64_t mask = 0;
  for (unsigned g = 0; g < granules; g++)
    if (in_use[g] == 0) mask |= (uint64_t)1 << g;
  return mask & ~slab->parked;
}

/* True if all blocks [first, end) look free. */
HAK_GUESS static bool look_free(const struct slab *slab, uint32_t first, uint32_t end) {
  uintptr_t secret = region_key;
  for (const char *p = slab->start + (size_t)first * slab->block_size; first != end; p += slab->block_size, first++)
    if (((const struct block *)(const void *)p)->key != ((uintptr_t)p ^ secret)) return false;
  return true;
}

/* False: a look at the keys, a few for each granule that has a block in use, says that fewer than wanted granules
   could be parked. The list of a slab whose frees are all over the place is one cache miss after the other, and in
   vain. A larger block may be in use and have a page that must not be read (mprotect); its slab has a short list. */
static bool may_be_parkable(const struct slab *slab, unsigned granules, unsigned wanted) {
  if (!CHECKS || slab->block_size > GUESSED_BLOCK) return true;
  unsigned found = 0;
  for (unsigned g = 0; g < granules && found < wanted; g++) {
    uint32_t first, end;
    if ((slab->parked >> g & 1) != 0) continue;
    blocks_from(slab, g, &first, &end);
    found += first != end && look_free(slab, first, end);
  }
  return found == wanted;
}

/* The list is in the order of the frees, and its links are cold: all at once they come ten times faster than one after the
   other. */
static void fetch_links(const struct slab *slab) {
  unsigned shift = slab_granule_shift(slab);
  uint32_t step = slab->block_size < CACHE_LINE ? CACHE_LINE : slab->block_size, end = slab->carved * slab->block_size;
  for (uint32_t offset = 0; offset < end; offset += step)
    if ((slab->parked >> (offset >> shift) & 1) == 0) __builtin_prefetch(slab->start + offset, 1, 2);
}

/* Adds the runs of mask to the batch; returns what had room. */
static uint64_t add_runs(const struct slab *slab, uint64_t mask, struct purge_batch *batch) {
  unsigned shift = slab_granule_shift(slab);
  uint64_t added = 0;
  while (mask != 0) {
    unsigned first = (unsigned)__builtin_ctzll(mask), last = first;
    while (last + 1 < PARK_GRANULES && (mask >> (last + 1) & 1) != 0) last++;
    uint64_t run = granule_mask(first, last);
    if (!purge_batch_add(batch, slab->start + ((size_t)first << shift), (size_t)(last - first + 1) << shift)) break;
    added |= run;
    mask &= ~run;
  }
  return added;
}

/* Takes the blocks that start in the granules of mask off the list; returns how many. */
static uint32_t take_off_list(struct slab *slab, uint64_t mask) {
  uint32_t count = 0;
  struct block **link = &slab->free;
  for (struct block *block = slab->free, *next; block != NULL; block = next) {
    next = block->next;
    if ((mask >> granule_of(slab, (size_t)((char *)block - slab->start)) & 1) != 0) {
      count++;
    } else {
      *link = block;
      link = &block->next;
    }
  }
  *link = NULL;
  return count;
}

/* Granules in which no block starts, set with the rest of a block whose own start stayed on the list: nobody has
   cleared them when it was handed out. */
static void forget_stale(struct slab *slab) {
  uint64_t parked = slab->parked;
  for (uint64_t left = parked; left != 0; left &= left - 1) {
    unsigned g = (unsigned)__builtin_ctzll(left);
    uint32_t first, end, inside = ((uint32_t)g << slab_granule_shift(slab)) / slab->block_size;
    blocks_from(slab, g, &first, &end);
    if (first != end || inside >= slab->capacity) continue;
    if ((parked >> granule_of(slab, (size_t)inside * slab->block_size) & 1) == 0) parked &= ~granule_mask(g, g);
  }
  set_parked(slab, parked);
}

bool slab_park(struct slab *slab, uintptr_t owner, struct purge_batch *batch) {
  unsigned granules = (unsigned)(((uint32_t)slab->units << UNIT_SHIFT) >> slab_granule_shift(slab));
  unsigned wanted = (granules + PARK_SHARE - 1) / PARK_SHARE;
  forget_stale(slab);
  if (!may_be_parkable(slab, granules, wanted)) return true;
  fetch_links(slab);
  if (slab->rest != NULL) slab_join_rest(slab);
  uint64_t mask = parkable(slab);
  if ((unsigned)__builtin_popcountll(mask) < wanted) return true;
  uint64_t added = add_runs(slab, mask, batch);
  if (added == 0) return false;
  bool first = slab->parked_blocks == 0;
  set_parked(slab, slab->parked | added);
  slab->parked_blocks = (uint16_t)(slab->parked_blocks + take_off_list(slab, added));
  if (first && slab_owner_word(slab, owner) != owner) slab_set_owner(slab, owner | OWNER_SLOW);
  return added == mask;
}

/* The blocks of one granule go to the front of the list, in order of address. */
static void unpark_granule(struct slab *slab, unsigned granule) {
  uint32_t first, end;
  uint64_t bits = granule_mask(granule, granule);
  blocks_from(slab, granule, &first, &end);
  if (first != end) {
    for (uint32_t i = end; i-- > first;) {
      struct block *block = slab_block_at(slab, i);
      slab_push(slab, block, block_key(block));
    }
    slab->parked_blocks = (uint16_t)(slab->parked_blocks - (end - first));
    /* Granules that lie wholly within the last one are in use with it. */
    unsigned behind = granule_of(slab, (size_t)end * slab->block_size);
    if (behind > granule + 1) bits |= granule_mask(granule + 1, behind - 1);
  }
  set_parked(slab, slab->parked & ~bits);
}

/* before: the parked blocks that there were. */
static void end_parked(struct slab *slab, uintptr_t owner, uint32_t before) {
  if (slab->parked_blocks != 0) return;
  set_parked(slab, 0);   /* granules in which no block starts */
  if (before != 0) slab_set_owner(slab, owner);
}

void slab_unpark(struct slab *slab, uintptr_t owner) {
  uint32_t before = slab->parked_blocks;
  while (slab->parked_blocks == before) unpark_granule(slab, (unsigned)__builtin_ctzll(slab->parked));
  end_parked(slab, owner, before);
}

void slab_unpark_granules(struct slab *slab, uintptr_t owner, uint64_t mask) {
  uint32_t before = slab->parked_blocks;
  /* The highest one first, for the order of the list; each takes its own bit away, and maybe some above it. */
  while ((mask & slab->parked) != 0)
    unpark_granule(slab, PARK_GRANULES - 1 - (unsigned)__builtin_clzll(mask & slab->parked));
  end_parked(slab, owner, before);
}

uint32_t slab_parked_bytes(const struct slab *slab) {
  return (uint32_t)__builtin_popcountll(slab->parked) << slab_granule_shift(slab);
}

bool slab_parked_sane(const struct slab *slab) {
  uint32_t count = 0;
  for (uint64_t left = slab->parked; left != 0; left &= left - 1) {
    uint32_t first, end;
    blocks_from(slab, (unsigned)__builtin_ctzll(left), &first, &end);
    count += end - first;
  }
  return count == slab->parked_blocks;
}
