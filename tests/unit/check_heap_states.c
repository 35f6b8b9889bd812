/* check_heap_states.c - heap.c: the way of a slab through its states (the table in slab.h). */
#include <config.h>

#include "align.h"
#include "core.h"
#include "remote.h"

static struct heap *heap;

static void start(void) {
  core_start(true);
  option.purge_delay_ms = 1000000;   /* empties stay until they are too many */
  knobs_init();
  heap = heap_open(0x1230);
  ck_assert_ptr_nonnull(heap);
  heap->shared_spent = 0xff;         /* exact classes from the start */
}

enum { MANY = 12000 };
static struct block *block[MANY];

static struct block *take(unsigned class) {
  struct block *taken = heap_alloc(heap, class, NULL);
  require(taken != NULL && !block_is_free(taken));
  return taken;
}
/* count blocks of a class into block[from...]. */
static void fill(unsigned class, unsigned from, unsigned count) {
  require(from + count <= MANY);
  for (unsigned i = from; i < from + count; i++) block[i] = take(class);
}
static void give(struct block *p) { heap_free_local(slab_of(p), p); }

/* One full slab of the class, in block[0, capacity), and a current one with a block in block[capacity]. */
static struct slab *full_slab(unsigned class) {
  unsigned capacity = size_classes[class].capacity;
  fill(class, 0, capacity + 1);
  struct slab *slab = slab_of(block[0]);
  require(slab_of(block[capacity - 1]) == slab && slab_of(block[capacity]) != slab);
  return slab;
}

static bool is_queued(const struct slab *slab) {
  for (struct slab *at = heap->queue[slab->class_index].head; at != NULL; at = at->next)
    if (at == slab) return true;
  return false;
}

/* ---- from one state to the next ---- */

START_TEST(the_first_block_makes_a_current_slab) {
  struct slab *slab = slab_of(take(10));
  ck_assert_int_eq(slab->state, SLAB_CURRENT);
  ck_assert_ptr_eq(heap->current[10], slab);
  ck_assert_ptr_eq(slab->heap, heap);
  ck_assert_ptr_eq(heap->all, slab);
  ck_assert_uint_eq(heap->bytes_units, 1);
}
END_TEST

START_TEST(an_exhausted_slab_is_full) {
  static const unsigned classes[] = { 0, 10, 31, CLASS_MID_FIRST + 3, CLASS_L25_FIRST - 1,
                                      CLASS_RUN_FIRST - 1 };
  for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++) {
    struct slab *slab = full_slab(classes[i]);
    ck_assert_int_eq(slab->state, SLAB_FULL);
    ck_assert_uint_eq(slab->used, slab->capacity);
    ck_assert(!is_queued(slab));
    ck_assert_ptr_eq(heap->current[classes[i]], slab_of(block[slab->capacity]));
  }
}
END_TEST

/* An eighth has to be free: with one block free it would be current again at the next malloc, and
   full after it. */
START_TEST(a_full_slab_is_queued_when_an_eighth_is_free) {
  struct slab *slab = full_slab(15);   /* 256 of 256 bytes */
  unsigned eighth = slab->capacity / 8;
  for (unsigned i = 0; i < eighth; i++) {
    ck_assert_int_eq(slab->state, SLAB_FULL);
    give(block[i]);
  }
  ck_assert_int_eq(slab->state, SLAB_PARTIAL);
  ck_assert(is_queued(slab));
  ck_assert_uint_eq(slab->used, slab->capacity - eighth);
}
END_TEST

START_TEST(a_slab_of_one_block_is_queued_at_once) {
  struct slab *slab = full_slab(CLASS_RUN_FIRST);
  give(block[0]);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  ck_assert(is_queued(slab));
}
END_TEST

START_TEST(a_partial_slab_is_current_again_before_a_fresh_one) {
  struct slab *slab = full_slab(15);
  unsigned capacity = slab->capacity;
  for (unsigned i = 0; i < capacity / 8; i++) give(block[i]);
  fill(15, capacity + 1, capacity - 1);   /* the current one is exhausted */
  uint64_t spans = counter_get(COUNT_SPANS_MADE);
  for (unsigned i = 0; i < capacity / 8; i++) ck_assert_ptr_eq(slab_of(take(15)), slab);
  ck_assert_int_eq(slab->state, SLAB_CURRENT);
  ck_assert(!is_queued(slab));
  ck_assert_uint_eq(counter_get(COUNT_SPANS_MADE), spans);
  ck_assert_ptr_ne(slab_of(take(15)), slab);
  ck_assert_int_eq(slab->state, SLAB_FULL);
}
END_TEST

START_TEST(the_last_block_makes_a_slab_empty_and_it_is_kept) {
  struct slab *slab = full_slab(20);
  unsigned capacity = slab->capacity;
  for (unsigned i = 0; i < capacity; i++) {
    ck_assert_int_ne(slab->state, SLAB_EMPTY);
    give(block[i]);
  }
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  ck_assert_uint_eq(slab->used, 0);
  ck_assert_uint_eq(heap->kept_units, 1);
  ck_assert_uint_eq(registry_lookup(block[0]).owner, heap->owner);
  fill(20, capacity + 1, capacity);
  ck_assert_int_eq(slab->state, SLAB_CURRENT);
  ck_assert_uint_eq(heap->kept_units, 0);
}
END_TEST

START_TEST(partial_slabs_come_before_empty_ones) {
  struct slab *empty = full_slab(31);   /* blocks of 1024 bytes */
  unsigned capacity = empty->capacity;
  fill(31, capacity + 1, 2 * capacity - 1);
  struct slab *partial = slab_of(block[capacity]);
  for (unsigned i = 0; i < capacity; i++) give(block[i]);
  for (unsigned i = 0; i < capacity / 2; i++) give(block[capacity + i]);
  ck_assert_int_eq(empty->state, SLAB_EMPTY);
  ck_assert_int_eq(partial->state, SLAB_PARTIAL);
  ck_assert_ptr_eq(heap->queue[31].head, partial);
  ck_assert_ptr_eq(slab_queue_last(&heap->queue[31]), empty);
}
END_TEST

START_TEST(too_many_empty_slabs_go_back) {
  enum { SLABS = 160, CLASS = CLASS_MID_FIRST + 7 };   /* 2 KiB, a unit a slab */
  unsigned capacity = size_classes[CLASS].capacity;
  fill(CLASS, 0, SLABS * capacity);
  uint64_t held = counter_get(COUNT_SPAN_BYTES);
  ck_assert_uint_eq(held, SLABS * (uint64_t)UNIT_SIZE);
  for (unsigned i = 0; i < SLABS * capacity; i++) give(block[i]);
  ck_assert_uint_le(heap->kept_units, 64 + SLABS / 4);   /* 4 MiB and a quarter of the heap */
  ck_assert_uint_ge(heap->kept_units, 64);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), ((uint64_t)heap->kept_units + 1) * UNIT_SIZE);
  ck_assert_uint_eq(heap->bytes_units, heap->kept_units + 1);
}
END_TEST

START_TEST(without_a_delay_no_empty_slab_is_kept) {
  option.purge_delay_ms = 0;
  knobs_init();
  struct slab *slab = full_slab(20);
  char *from = slab->start;
  for (unsigned i = 0; i < slab->capacity; i++) give(block[i]);
  ck_assert_uint_eq(heap->kept_units, 0);
  ck_assert_uint_eq(heap->bytes_units, 1);
  ck_assert_uint_eq(registry_lookup(from).owner, OWNER_NONE);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
}
END_TEST

START_TEST(old_empty_slabs_go_back_and_young_ones_stay) {
  struct slab *slab = full_slab(20);
  for (unsigned i = 0; i < slab->capacity; i++) give(block[i]);
  uint64_t now = os_now_ms();
  heap_release_empty(heap, now + 999000, false);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  heap_release_empty(heap, now + 1001000, false);
  ck_assert_int_eq(slab->state, SLAB_NONE);
  ck_assert_uint_eq(heap->kept_units, 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
}
END_TEST

START_TEST(all_empty_slabs_go_back_when_asked) {
  unsigned capacity = size_classes[20].capacity;
  fill(20, 0, 4 * capacity);
  for (unsigned i = 0; i < 4 * capacity; i++) give(block[i]);
  ck_assert_uint_eq(heap->kept_units, 3);
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_uint_eq(heap->kept_units, 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
}
END_TEST

START_TEST(empty_slabs_go_back_before_the_heap_grows) {
  struct slab *slab = full_slab(20);
  for (unsigned i = 0; i < slab->capacity; i++) give(block[i]);
  uint64_t held = counter_get(COUNT_SPAN_BYTES);
  struct block *other = take(21);
  ck_assert_uint_eq(heap->kept_units, 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), held);
  ck_assert_ptr_eq(slab_of(other)->start, slab->start);
}
END_TEST

/* Nor may one go while a reference to it is on its way. */
START_TEST(an_empty_slab_with_a_reference_stays) {
  struct slab *slab = full_slab(20);
  slab->remote |= REMOTE_PENDING;
  option.purge_delay_ms = 0;
  knobs_init();
  for (unsigned i = 0; i < slab->capacity; i++) give(block[i]);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  take(24);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  remote_hand_over(slab);
  heap_drain_pending(heap, 1);
  ck_assert_uint_eq(slab->remote, 0);
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_uint_eq(heap->kept_units, 0);
}
END_TEST

/* ---- current slabs that nobody uses ---- */

START_TEST(unused_current_slabs_leave_when_asked) {
  static const unsigned classes[] = { 3, 20, 31, CLASS_MID_FIRST + 3, CLASS_L25_FIRST + 1, CLASS_COUNT - 1 };
  for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++) give(take(classes[i]));
  struct block *used = take(21);
  heap_retire_idle(heap, true);
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
  ck_assert_ptr_eq(heap->current[21], slab_of(used));
  for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++)
    ck_assert_ptr_null(heap->current[classes[i]]);
  give(used);
}
END_TEST

/* Without being asked: large ones, once they have been idle from one look to the next. */
START_TEST(large_current_slabs_leave_after_a_while) {
  unsigned class = CLASS_L25_FIRST + 1;
  struct block *p = take(class);
  heap_retire_idle(heap, false);
  heap_retire_idle(heap, false);
  ck_assert_ptr_eq(heap->current[class], slab_of(p));   /* in use */
  for (int i = 0; i < 3; i++) {
    give(p);
    heap_retire_idle(heap, false);
    ck_assert_ptr_eq(heap->current[class], slab_of(p));   /* used since the last look */
    ck_assert_ptr_eq(take(class), p);
  }
  give(p);
  heap_retire_idle(heap, false);
  heap_retire_idle(heap, false);
  ck_assert_ptr_null(heap->current[class]);
  ck_assert_int_eq(slab_of(p)->state, SLAB_EMPTY);
  ck_assert_ptr_eq(take(class), p);
}
END_TEST

/* ---- countdowns close to their end ---- */

/* A current slab's countdown may end at any free: that is no reason to let go of it, whatever used says (what
   it was when the slab became current). */
START_TEST(a_current_slab_outlives_its_countdown) {
  for (uint32_t left = 1; left <= 3; left++) {
    struct block *first = take(10), *second = take(10), *third = take(10);
    struct slab *slab = slab_of(first);
    slab_arm(slab, left);
    slab->used = left;
    give(first);
    give(second);
    give(third);
    ck_assert_int_eq(slab->state, SLAB_CURRENT);
    ck_assert_ptr_eq(heap->current[10], slab);
    ck_assert_uint_gt(slab->countdown, 1000);
    ck_assert_uint_eq(registry_lookup(first).owner, heap->owner);
    ck_assert_ptr_eq(take(10), third);
    give(third);
  }
}
END_TEST

START_TEST(a_current_slab_outlives_any_number_of_countdowns) {
  struct slab *slab = slab_of(take(3));
  for (int round = 0; round < 1000; round++) {
    slab_arm(slab, 1 + (uint32_t)round % 3);
    slab->used = slab->armed;
    struct block *p = slab->free != NULL ? slab_pop(slab) : take(3);
    give(p);
    require(slab->state == SLAB_CURRENT && registry_lookup(p).owner == heap->owner);
  }
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
}
END_TEST

/* What was freed while current is not taken off used once more after the slab has become full. */
START_TEST(used_is_assigned_when_a_slab_leaves) {
  unsigned capacity = size_classes[20].capacity;
  for (int i = 0; i < 300; i++) give(take(20));
  struct slab *slab = full_slab(20);
  ck_assert_uint_eq(slab->used, capacity);
  for (unsigned i = 0; i < capacity - 1; i++) {
    give(block[i]);
    require(slab->state != SLAB_EMPTY && slab->state != SLAB_NONE);
  }
  give(block[capacity - 1]);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
}
END_TEST

START_TEST(events_at_any_moment_settle_exactly) {
  for (uint32_t left = 1; left <= 3; left++) {
    struct slab *slab = full_slab(20);
    unsigned capacity = slab->capacity;
    slab_arm(slab, left);
    for (unsigned i = 0; i < capacity; i++) {
      require(slab->used - (slab->armed - slab->countdown) == capacity - i);
      /* as if nothing was seen */
      if (slab->state == SLAB_PARTIAL && i % 2 == 0) slab_arm(slab, slab->countdown);
      if (slab->state == SLAB_PARTIAL && i % 2 == 0) slab->used = capacity - i;
      give(block[i]);
    }
    ck_assert_int_eq(slab->state, SLAB_EMPTY);
    ck_assert_uint_eq(slab->used, 0);
    give(block[capacity]);
    heap_release_empty(heap, os_now_ms(), true);
  }
}
END_TEST

START_TEST(every_class_goes_all_the_way_round) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    uint64_t held = counter_get(COUNT_SPAN_BYTES);
    struct slab *slab = full_slab(class);
    unsigned capacity = slab->capacity;
    for (unsigned i = 0; i <= capacity; i++) give(block[(i * 7919u) % (capacity + 1)]);   /* 7919: prime */
    require(slab->state == SLAB_EMPTY || slab->state == SLAB_NONE);
    heap_release_empty(heap, os_now_ms(), true);
    require(counter_get(COUNT_SPAN_BYTES) == held + (uint64_t)size_classes[class].units * UNIT_SIZE);
  }
}
END_TEST

/* ---- against a model ---- */

/* Random requests and frees of a few classes: the sums of each slab hold, no block is given twice. */
static void check_sums(void) {
  uint32_t units = 0, kept = 0, waiting = 0, parked = 0;
  for (struct slab *slab = heap->all; slab != NULL; slab = slab->all_next) {
    units += slab->units;
    kept += slab->state == SLAB_EMPTY ? slab->units : 0u;
    waiting += slab->state == SLAB_PARTIAL ? slab->waiting : 0u;
    parked += slab_parked_bytes(slab);
    require(slab->heap == heap && slab->state != SLAB_NONE && slab->carved <= slab->capacity);
    if (slab->state != SLAB_CURRENT)
      require(slab->used - (slab->armed - slab->countdown) == slab->carved - slab_count_free(slab));
    require(is_queued(slab) == (slab->state == SLAB_PARTIAL || slab->state == SLAB_EMPTY));
    if (slab->state == SLAB_EMPTY) require(slab->used == 0);
    else if (slab->state == SLAB_PARTIAL) require(slab->free != NULL || slab->parked_blocks != 0);
  }
  require(units == heap->bytes_units && kept == heap->kept_units);
  require(waiting == heap->waiting_units && parked == heap->parked_kib * 1024);
  require(counter_get(COUNT_SPAN_BYTES) == (uint64_t)units * UNIT_SIZE);
}

START_TEST(the_sums_of_all_slabs_hold) {
  uint64_t seed = 3;
  option.purge_delay_ms = 5;
  knobs_init();
  memset(block, 0, sizeof block);
  for (int round = 0; round < CORE_ROUNDS(400000); round++) {
    unsigned wave = (unsigned)round / 20000 % 4;   /* grow, shrink, grow ... */
    unsigned i = core_random(&seed) % MANY;
    if (block[i] != NULL && (wave % 2 == 1 || core_random(&seed) % 4 == 0)) {
      give(block[i]);
      block[i] = NULL;
    } else if (block[i] == NULL && wave % 2 == 0) {
      static const unsigned classes[] = { 2, 15, 31, CLASS_MID_FIRST + 4, CLASS_L25_FIRST, CLASS_RUN_FIRST };
      block[i] = take(classes[core_random(&seed) % 200 == 0 ? 5 : core_random(&seed) % 5]);
    }
    if (round % 4096 == 0) check_sums();
  }
  for (unsigned i = 0; i < MANY; i++)
    if (block[i] != NULL) give(block[i]);
  check_sums();
  heap_release_empty(heap, os_now_ms(), true);
  ck_assert_uint_le(heap->bytes_units, 1 + 1 + 1 + 4 + 8 + 16 + 5);   /* at most the current ones */
}
END_TEST

UNIT_MAIN_WITH("heap_states", start, NULL, the_first_block_makes_a_current_slab, an_exhausted_slab_is_full,
               a_full_slab_is_queued_when_an_eighth_is_free, a_slab_of_one_block_is_queued_at_once,
               a_partial_slab_is_current_again_before_a_fresh_one,
               the_last_block_makes_a_slab_empty_and_it_is_kept, partial_slabs_come_before_empty_ones,
               too_many_empty_slabs_go_back, without_a_delay_no_empty_slab_is_kept,
               old_empty_slabs_go_back_and_young_ones_stay, all_empty_slabs_go_back_when_asked,
               empty_slabs_go_back_before_the_heap_grows, unused_current_slabs_leave_when_asked,
               large_current_slabs_leave_after_a_while, an_empty_slab_with_a_reference_stays,
               a_current_slab_outlives_its_countdown, a_current_slab_outlives_any_number_of_countdowns,
               used_is_assigned_when_a_slab_leaves, events_at_any_moment_settle_exactly,
               every_class_goes_all_the_way_round, the_sums_of_all_slabs_hold)
