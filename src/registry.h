/* registry.h - the exact map from an address to what owns it. Layer 6.

   Two ways in. The region: one reservation, cut into units of 64 KiB, where
   ownership is arithmetic and two loads (see thread.h and slab.h for the fast
   path). Everything else: a radix map keyed by address / 64 KiB, for SuperSlabs
   outside the region and for huge mappings. No system call on a lookup, and
   nothing is read that is not the library's own. */
#ifndef HAKMEM_REGISTRY_H
#define HAKMEM_REGISTRY_H

#include "size_class.h"

struct slab;
struct superslab;
struct huge;

/* Owner words: who may use the fast path on a unit. */
#define OWNER_NONE ((uintptr_t)0)       /* not a live slab */
#define OWNER_ABANDONED ((uintptr_t)2)  /* live, its thread is gone */
#define OWNER_PROFILE ((uintptr_t)4)    /* live, of the heap of sampled blocks (profile.h): no thread's */
#define OWNER_SLOW ((uintptr_t)1)       /* flag on a thread's id: its owner takes the slow path too */

/* The words of a SuperSlab's units; in the region they are parts of two dense arrays that lie right below the
   region's first unit. Variables of their own, not a structure: each is one instruction to reach. */
extern HAK_HIDDEN char *region_base;        /* first unit; constant after start */
extern HAK_HIDDEN uintptr_t region_limit;   /* units whose owner words can be read; grows (lock REGISTRY), 0 without a region */
extern HAK_HIDDEN uintptr_t region_key;     /* secret of the process for the key word of free blocks; constant after start */
extern uintptr_t region_units;   /* units reserved, 0 without a region */

enum {
  REGION_UNITS_MAX = sizeof(void *) == 8 ? 1 << 20 : 1 << 12,
  /* words from region_base down to the array's first element */
  REGION_OWNER_WORDS = REGION_UNITS_MAX,
  REGION_SLAB_WORDS = 2 * REGION_UNITS_MAX
};

/* Reserves the region (smaller or none where the machine or a limit says so). */
void registry_init(uintptr_t key, bool want_region);

/* What an address belongs to. */
enum registry_kind { REGISTRY_FOREIGN, REGISTRY_UNIT, REGISTRY_HUGE };
struct registry_entry {
  enum registry_kind kind;
  uintptr_t owner;         /* REGISTRY_UNIT: the owner word as read, may be OWNER_NONE */
  struct slab *slab;       /* REGISTRY_UNIT with an owner: descriptor of the slab that holds the unit */
  struct huge *huge;       /* REGISTRY_HUGE: address is the start of this mapping's block, live or kept */
};
/* Never faults, whatever p is. */
struct registry_entry registry_lookup(const void *p);

/* SuperSlabs: hands out the address of the next one and its metadata, in the
   region or outside; NULL when there is no memory. Not committed in the region. */
struct superslab *registry_new_superslab(void);
/* Commits all units of a new SuperSlab in the region together with those of the next ones, count SuperSlabs in all. True: its units
   are committed, by this call or an earlier one. */
bool registry_commit_ahead(const struct superslab *superslab, unsigned count);
/* Takes one outside the region away again (all its units are OWNER_NONE). False: the kernel refuses, it is as it was. */
bool registry_drop_superslab(struct superslab *superslab);
/* Calls visit for every SuperSlab there ever was. In the child of fork only. */
void registry_each_superslab(void (*visit)(struct superslab *superslab));

/* Huge mappings. start is a multiple of 64 KiB. Insert before the block is handed
   out; false: no memory for the map. */
bool registry_insert_huge(const void *start, struct huge *huge);
/* Before the mapping goes away. */
void registry_remove_huge(const void *start);

void registry_fork_prepare(void);
void registry_fork_release(bool child);

#endif
