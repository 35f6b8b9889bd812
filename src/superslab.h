/* superslab.h - SuperSlabs and the spans of units cut from them. Layer 6.

   All masks have a bit per unit. Lock SUPERSLAB guards every field but the words. Invariants:
     a unit is free (free_mask), or in a span, or busy (being committed or purged by one thread)
     dirty_mask is a subset of free_mask: its pages may be resident and not zero
     committed_mask: readable and writable; free units that are not dirty read as zero */
#ifndef HAKMEM_SUPERSLAB_H
#define HAKMEM_SUPERSLAB_H

#include "slab.h"

struct superslab_links { struct superslab *next, *previous; };

struct superslab {
  char *base;                       /* constant */
  uintptr_t *owner_words;           /* constant; the words: owner of the span or OWNER_NONE (release stores) */
  struct slab **slab_words;         /* constant; written before the owner word */
  uint32_t free_mask, dirty_mask, committed_mask;
  uint32_t busy_mask;               /* units being purged */
  uint32_t purged_mask;             /* free units that were dirty and have been purged, the last ones at purged_ms */
  uint8_t free_bin, dirty_bin;      /* lists it is on: longest run of such units, 0: none */
  bool outside;                     /* not in the region: may be unmapped */
  bool huge_pages;                  /* asked for: committed as a whole */
  struct superslab_links by_free, by_dirty, by_age;
  uint64_t dirty_since_ms;          /* since when it has dirty units, or since one was used again; on the age list while dirty_mask */
  uint64_t purged_ms;
  struct superslab *registry_next, *registry_all;   /* registry.c: outside ones, unused and all */
  HAK_LINE_ALIGNED struct slab slabs[SUPERSLAB_UNITS];   /* a slab uses its first unit's */
};

struct span {
  struct superslab *superslab;
  unsigned first, units;
  bool zeroed;                      /* all of it reads as zero */
  unsigned purged;                  /* units of it that were given back since they were last in use */
};

HAK_INLINE struct superslab *superslab_of(struct slab *slab) {
  return (struct superslab *)(void *)((char *)(slab - slab->first) - offsetof(struct superslab, slabs));
}

/* units: 1 to 32 consecutive units of one SuperSlab, committed. False: no memory. No lock is held. */
bool superslab_alloc_span(unsigned units, struct span *span);
/* The pages may be dirty. Its owner words are OWNER_NONE already. May purge. */
void superslab_free_span(struct superslab *superslab, unsigned first, unsigned units);
/* Makes a span longer in place by free units that follow it. False: they are not free. */
bool superslab_extend_span(struct superslab *superslab, unsigned first, unsigned units, unsigned new_units);
/* Purges what is due: older than the delay or over the byte bound; bounded work. True: something was, there may be more. */
bool superslab_tick(uint64_t now_ms);
/* Purges all dirty free units but keep bytes, unmaps empty SuperSlabs outside the region; returns bytes. */
size_t superslab_trim(size_t keep);

/* Pages within its slabs go back: no huge page is to take their place. */
void superslab_end_huge(struct superslab *superslab);

/* In the child, after the locks have been released. */
void superslab_fork_child(void);
void superslab_fork_prepare(void);
void superslab_fork_release(bool child);

#endif
