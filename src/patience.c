/* patience.c - decisions only: no clock, no lock, no system call. */
#include <config.h>
#include "patience.h"

enum {
  REGRET_UNITS = 64,     /* taken again at level 0 before it rises; doubles with each level */
  REGRET_SHARE = 4,      /* and at least a quarter of what was purged */
  USELESS_UNITS = 1024, USELESS_SHARE = 16
};

static void set_level(struct patience *patience, uint32_t level) {
  __atomic_store_n(&patience->level, level, __ATOMIC_RELAXED);
  patience->purged = patience->reused = 0;
}

void patience_purged(struct patience *patience, unsigned units) {
  patience->purged += units;
  if (patience->purged < USELESS_UNITS || patience->reused >= patience->purged / USELESS_SHARE) return;
  set_level(patience, patience->level - (patience->level != 0));
}

void patience_reused(struct patience *patience, unsigned units, uint64_t now_ms) {
  patience->reused += units;
  if (patience->reused < (uint32_t)REGRET_UNITS << patience->level || patience->reused < patience->purged / REGRET_SHARE) return;
  __atomic_store_n(&patience->regret_ms, (uint32_t)now_ms, __ATOMIC_RELAXED);
  set_level(patience, patience->level + (patience->level < PATIENCE_MAX));
}

void patience_tick(struct patience *patience, uint64_t now_ms) {
  if (!patience_is_due(patience, now_ms)) return;
  __atomic_store_n(&patience->regret_ms, (uint32_t)now_ms, __ATOMIC_RELAXED);
  set_level(patience, patience->level - 1);
}
