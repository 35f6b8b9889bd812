/* Tests of patience.c: what the level follows, and that it neither runs away nor sways. */
#include <config.h>
#include "patience.h"

#include "unit.h"

static struct patience patience;

static void setup(void) { patience = (struct patience){ 0 }; }

/* One round of a program that takes back all that was purged. */
static void regret(unsigned units, uint64_t now_ms) {
  patience_purged(&patience, units);
  patience_reused(&patience, units, now_ms);
}

START_TEST(purges_alone_never_raise_it) {
  for (int i = 0; i < 1000; i++) patience_purged(&patience, 100);
  ck_assert_uint_eq(patience.level, 0);
}
END_TEST

START_TEST(little_taken_back_does_not_raise_it) {
  patience_purged(&patience, 1000);
  patience_reused(&patience, 63, 5);
  ck_assert_uint_eq(patience.level, 0);
  /* A lot, but a small part of what was purged. */
  setup();
  patience_purged(&patience, 900);
  patience_reused(&patience, 200, 5);
  ck_assert_uint_eq(patience.level, 0);
  patience_reused(&patience, 25, 5);
  ck_assert_uint_eq(patience.level, 1);
}
END_TEST

/* Each level costs twice the regret of the one before. */
START_TEST(it_rises_with_regret_up_to_a_bound) {
  unsigned rounds = 0, before = 0;
  for (unsigned level = 1; level <= PATIENCE_MAX; level++) {
    unsigned needed = 0;
    for (; patience.level < level; needed++) regret(16, rounds++);
    ck_assert_uint_eq(needed, 4U << (level - 1));
    ck_assert_uint_gt(needed, before);
    before = needed;
  }
  for (int i = 0; i < 10000; i++) regret(16, rounds++);
  ck_assert_uint_eq(patience.level, PATIENCE_MAX);
}
END_TEST

START_TEST(useless_keeping_lowers_it) {
  while (patience.level < 3) regret(64, 1);
  patience_purged(&patience, 1023);
  ck_assert_uint_eq(patience.level, 3);
  patience_purged(&patience, 1);
  ck_assert_uint_eq(patience.level, 2);
  for (int i = 0; i < 100; i++) patience_purged(&patience, 1024);
  ck_assert_uint_eq(patience.level, 0);
}
END_TEST

START_TEST(a_second_without_regret_lowers_it) {
  while (patience.level < 3) regret(64, 10000);
  uint64_t now = 10000;
  ck_assert(!patience_is_due(&patience, now + PATIENCE_SOON_MS));
  patience_tick(&patience, now + PATIENCE_SOON_MS);
  ck_assert_uint_eq(patience.level, 3);
  for (unsigned level = 3; level-- > 0;) {
    now += PATIENCE_SOON_MS + 1;
    ck_assert(patience_is_due(&patience, now));
    patience_tick(&patience, now);
    patience_tick(&patience, now);
    ck_assert_uint_eq(patience.level, level);
  }
  ck_assert(!patience_is_due(&patience, now + 100000));
}
END_TEST

/* Whatever it is fed, it changes by at most one for 4 MiB taken back or 64 MiB given back. */
static void feed(unsigned share) {
  uint32_t state = share;
  uint64_t moved = 0;
  unsigned changes = 0, level = 0;
  for (int i = 0; i < 200000; i++) {
    state = state * 1664525 + 1013904223;
    unsigned units = 1 + (state >> 16) % 32;
    if ((state >> 28) % share != 0) patience_purged(&patience, units);
    else patience_reused(&patience, units, (uint64_t)i);
    moved += units;
    ck_assert_uint_le(patience.level, PATIENCE_MAX);
    changes += patience.level != level;
    level = patience.level;
  }
  ck_assert_uint_le(changes, moved / 64);
}

START_TEST(it_does_not_sway) {
  for (unsigned share = 2; share < 9; share++) {
    setup();
    feed(share);
  }
}
END_TEST

UNIT_MAIN_WITH("patience", setup, NULL, purges_alone_never_raise_it, little_taken_back_does_not_raise_it,
               it_rises_with_regret_up_to_a_bound, useless_keeping_lowers_it, a_second_without_regret_lowers_it,
               it_does_not_sway)
