/* check_abandoned.c - slabs whose heap was closed: listed until adopted or empty. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "remote.h"

static struct heap *heap;

static void start(void) {
  core_start(true);
  option.purge_delay_ms = 1000000;
  knobs_init();
  heap = heap_open(0x1230);
  require(heap != NULL);
  heap->shared_spent = 0xff;
}
static struct heap *open_another(void) {
  struct heap *another = heap_open(0x4560);
  require(another != NULL);
  another->shared_spent = 0xff;
  return another;
}

enum { MANY = 5200 };
static struct block *block[MANY];
static struct slab *fill(unsigned class, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    block[i] = heap_alloc(heap, class, NULL);
    require(block[i] != NULL);
  }
  return slab_of(block[0]);
}
static void give(unsigned i) { require(remote_free(NULL, slab_of(block[i]), block[i]) == REMOTE_FREED); }

/* ---- given up ---- */

START_TEST(a_slab_with_blocks_is_abandoned) {
  struct slab *slab = fill(7, 10);
  heap_close(heap);
  ck_assert_int_eq(slab->state, SLAB_ABANDONED);
  ck_assert_ptr_null(slab->heap);
  ck_assert((slab->remote & REMOTE_ABANDONED) != 0);
  ck_assert_uint_eq(slab->abandoned_used, 10);
  ck_assert_uint_eq(registry_lookup(block[0]).owner, OWNER_ABANDONED);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 1);
  ck_assert_ptr_eq(heap->pending, HEAP_CLOSED);
  for (unsigned i = 0; i < 10; i++) ck_assert(!block_is_free(block[i]));
}
END_TEST

START_TEST(the_count_is_right_in_every_state) {
  static struct block *of_empty[MANY];
  unsigned capacity = size_classes[24].capacity;
  struct slab *current = fill(20, 9);
  heap_free_local(current, block[3]);
  struct slab *full = fill(21, size_classes[21].capacity + 1);
  heap_free_local(full, block[5]);
  struct slab *partial = fill(22, size_classes[22].capacity + 1);
  for (unsigned i = 0; i < 40; i++) heap_free_local(partial, block[i]);
  uint32_t in_partial = partial->capacity - 40;
  struct slab *empty = fill(23, size_classes[23].capacity + 1);
  char *empty_start = empty->start;
  memcpy(of_empty, block, sizeof of_empty);
  struct slab *remote = fill(24, capacity);
  for (unsigned i = 0; i < 6; i++) give(i);
  for (unsigned i = 0; i < empty->capacity; i++) heap_free_local(empty, of_empty[i]);
  ck_assert_int_eq(empty->state, SLAB_EMPTY);
  heap_close(heap);
  ck_assert_uint_eq(current->abandoned_used, 8);
  ck_assert_uint_eq(full->abandoned_used, full->capacity - 1);
  ck_assert_uint_eq(partial->abandoned_used, in_partial);
  ck_assert_uint_eq(remote->abandoned_used, capacity);   /* the six wait on the remote list */
  ck_assert_uint_eq(remote_count(remote->remote), 6);
  ck_assert_uint_eq(registry_lookup(empty_start).owner, OWNER_NONE);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 4 + 3);   /* and the current ones of three classes */
}
END_TEST

START_TEST(a_slab_whose_blocks_have_all_come_back_is_not_abandoned) {
  fill(CLASS_MID_FIRST + 16, 5);
  for (unsigned i = 0; i < 5; i++) give(i);
  heap_close(heap);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
}
END_TEST

/* ---- claimed by the last push ---- */

START_TEST(the_last_block_takes_the_slab_away) {
  for (unsigned class = 0; class < CLASS_COUNT; class += 3) {
    heap = class == 0 ? heap : heap_open(0x1230);
    heap->shared_spent = 0xff;
    unsigned count = size_classes[class].capacity < 50 ? size_classes[class].capacity : 50;
    fill(class, count);
    heap_close(heap);
    for (unsigned i = 0; i < count; i++) {
      require(counter_get(COUNT_ABANDONED) == 1);
      give(i);
    }
    require(counter_get(COUNT_ABANDONED) == 0 && counter_get(COUNT_SPAN_BYTES) == 0);
    require(registry_lookup(block[0]).owner == OWNER_NONE);
  }
}
END_TEST

START_TEST(a_batch_can_bring_the_last_blocks) {
  struct slab *slab = fill(7, 40);
  heap_close(heap);
  struct heap *other = open_another();
  for (unsigned i = 0; i < 40; i++) require(remote_free(other, slab, block[i]) == REMOTE_FREED);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 1);   /* eight wait in the batch */
  remote_flush(other);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
}
END_TEST

START_TEST(pushes_to_an_abandoned_slab_set_no_pending) {
  struct slab *slab = fill(7, 10);
  heap_close(heap);
  give(0);
  ck_assert_uint_eq(slab->remote & REMOTE_FLAGS, REMOTE_ABANDONED);
  ck_assert_uint_eq(remote_count(slab->remote), 1);
}
END_TEST

/* PENDING set and its reference still in a pusher's hands while the slab is abandoned and its
   blocks come back. */
START_TEST(a_reference_to_an_abandoned_slab_ends) {
  struct slab *slab = fill(7, 10);
  slab->remote |= REMOTE_PENDING;
  heap_close(heap);
  ck_assert_uint_eq(slab->remote & REMOTE_FLAGS, REMOTE_FLAGS);
  remote_hand_over(slab);
  ck_assert_uint_eq(slab->remote & REMOTE_FLAGS, REMOTE_ABANDONED);
  for (unsigned i = 0; i < 10; i++) give(i);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
}
END_TEST

/* A pusher has read the slab's heap, and comes to its stack after the heap was closed. */
START_TEST(a_closed_heap_takes_no_reference) {
  struct slab *slab = fill(7, 10);
  heap_close(heap);
  slab->remote |= REMOTE_PENDING;
  slab->heap = heap;
  remote_hand_over(slab);
  ck_assert_ptr_eq(heap->pending, HEAP_CLOSED);
  ck_assert_uint_eq(slab->remote & REMOTE_FLAGS, REMOTE_ABANDONED);
  slab->heap = NULL;
  for (unsigned i = 0; i < 10; i++) give(i);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
}
END_TEST

START_TEST(references_on_a_closing_heaps_stack_are_not_lost) {
  struct slab *slab = fill(CLASS_MID_FIRST + 20, 10);
  give(0);
  ck_assert_ptr_eq(heap->pending, slab);
  heap_close(heap);
  ck_assert_uint_eq(slab->remote & REMOTE_FLAGS, REMOTE_ABANDONED);
  ck_assert_uint_eq(slab->abandoned_used, 10);
  ck_assert_uint_eq(remote_count(slab->remote), 1);
  struct heap *again = open_another();   /* the same memory: the stack starts empty */
  ck_assert_ptr_eq(again, heap);
  ck_assert_ptr_null(again->pending);
}
END_TEST

/* ---- adopted ---- */

START_TEST(a_heap_adopts_before_it_grows) {
  struct slab *slab = fill(15, 10);
  give(4);
  heap_close(heap);
  struct heap *other = open_another();
  uint64_t spans = counter_get(COUNT_SPANS_MADE);
  struct block *p = heap_alloc(other, 15, NULL);
  ck_assert_ptr_eq(slab_of(p), slab);
  ck_assert_ptr_eq(slab->heap, other);
  ck_assert_int_eq(slab->state, SLAB_CURRENT);
  ck_assert_uint_eq(slab->remote & REMOTE_ABANDONED, 0);
  ck_assert_uint_eq(registry_lookup(p).owner, other->owner);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_ADOPTIONS), 1);
  ck_assert_uint_eq(counter_get(COUNT_SPANS_MADE), spans);
  for (unsigned i = 0; i < 10; i++)
    if (i != 4) ck_assert_ptr_ne(p, block[i]);
}
END_TEST

START_TEST(blocks_of_the_dead_are_local_frees_of_the_adopter) {
  unsigned capacity = size_classes[15].capacity;
  struct slab *slab = fill(15, capacity / 2);
  heap_close(heap);
  struct heap *other = open_another();
  static struct block *mine[512];
  unsigned count = 0;
  while (count < 512 && slab_of(mine[count] = heap_alloc(other, 15, NULL)) == slab) count++;
  ck_assert_uint_eq(count, capacity - capacity / 2);
  for (unsigned i = 0; i < capacity / 2; i++) heap_free_local(slab, block[i]);
  ck_assert_int_eq(slab->state, SLAB_PARTIAL);
  for (unsigned i = 0; i < count; i++) heap_free_local(slab, mine[i]);
  ck_assert_int_eq(slab->state, SLAB_EMPTY);
  heap_free_local(slab_of(mine[count]), mine[count]);
  heap_close(other);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), 0);
}
END_TEST

static uint32_t listed(const struct slab *slab) {
  uint32_t count = 0;
  for (const struct block *at = slab->free; at != NULL; at = at->next) count++;
  return count;
}

/* A slab that goes from thread to thread: each walks as much of the list as it has used. */
START_TEST(the_list_of_the_dead_is_not_walked_again) {
  enum { LEFT = 100, TAKEN = 200 };
  struct slab *slab = fill(3, 1000);
  ck_assert_uint_eq(slab->capacity, 1024);
  for (unsigned i = LEFT; i < 1000; i++) heap_free_local(slab, block[i]);
  heap_close(heap);
  ck_assert_uint_eq(slab->abandoned_used, LEFT);
  ck_assert_uint_eq(listed(slab), slab->carved - LEFT);
  struct heap *other = open_another();
  static struct block *mine[TAKEN];
  for (unsigned i = 0; i < TAKEN; i++) {
    mine[i] = heap_alloc(other, 3, NULL);
    require(slab_of(mine[i]) == slab);
    for (unsigned k = 0; k < i; k++) require(mine[k] != mine[i]);
    require(listed(slab) < 64);
    require(slab_count_free(slab) == slab->carved - LEFT - i - 1);
  }
  ck_assert_uint_eq(slab->rest_count, slab->carved - LEFT - TAKEN - listed(slab));
  heap_close(other);
  ck_assert_ptr_null(slab->rest);
  ck_assert_uint_eq(slab->abandoned_used, LEFT + TAKEN);
  ck_assert_uint_eq(listed(slab), slab->carved - LEFT - TAKEN);
  /* All of it can be had, and then there is no more. */
  struct heap *third = open_another();
  for (uint32_t i = slab->capacity - LEFT - TAKEN; i > 0; i--) require(slab_of(heap_alloc(third, 3, NULL)) == slab);
  ck_assert_ptr_ne(slab_of(heap_alloc(third, 3, NULL)), slab);
  ck_assert(slab->rest == NULL && slab->rest_count == 0 && slab->used == slab->capacity);
}
END_TEST

START_TEST(blocks_that_came_back_meanwhile_are_taken_with_the_slab) {
  unsigned capacity = size_classes[31].capacity;
  struct slab *slab = fill(31, capacity);
  heap_close(heap);
  for (unsigned i = 0; i < 20; i++) give(i);
  struct heap *other = open_another();
  for (unsigned i = 0; i < 20; i++) ck_assert_ptr_eq(slab_of(heap_alloc(other, 31, NULL)), slab);
  ck_assert_ptr_ne(slab_of(heap_alloc(other, 31, NULL)), slab);
  ck_assert_int_eq(slab->state, SLAB_FULL);
  ck_assert_uint_eq(slab->used, capacity);
}
END_TEST

START_TEST(slabs_with_room_are_adopted_before_full_ones) {
  unsigned capacity = size_classes[31].capacity;
  fill(31, 5 * capacity + 3);   /* five full ones, one with room */
  struct slab *with_room = slab_of(block[5 * capacity]);
  heap_close(heap);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 6);
  ck_assert_ptr_eq(slab_of(heap_alloc(open_another(), 31, NULL)), with_room);
  ck_assert_uint_eq(counter_get(COUNT_ADOPTIONS), 1);
}
END_TEST

START_TEST(only_a_few_full_slabs_are_tried) {
  fill(31, 40 * size_classes[31].capacity);
  heap_close(heap);
  ck_assert_ptr_nonnull(heap_alloc(open_another(), 31, NULL));
  ck_assert_uint_le(counter_get(COUNT_ADOPTIONS), 4);
  ck_assert_uint_ge(counter_get(COUNT_ABANDONED), 36);
}
END_TEST

START_TEST(a_slab_is_adopted_for_its_class_alone) {
  struct slab *slab = fill(15, 10);
  heap_close(heap);
  struct heap *other = open_another();
  for (unsigned class = 0; class < CLASS_COUNT; class++)
    if (class != 15) ck_assert_ptr_ne(slab_of(heap_alloc(other, class, NULL)), slab);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 1);
  ck_assert_ptr_eq(abandoned_adopt(other, 15), slab);
  ck_assert_ptr_null(abandoned_adopt(other, 15));
}
END_TEST

START_TEST(what_is_whole_in_a_forked_child_goes) {
  struct slab *slab = fill(15, 10);
  fill(16, 10);
  heap_close(heap);
  /* All blocks are on the list, and whoever pushed the last one is gone. */
  slab->abandoned_used = 4;
  abandoned_fork_child();
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 2);
  slab->abandoned_used = 0;
  abandoned_fork_child();
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 1);
  ck_assert_int_eq(slab->state, SLAB_NONE);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), UNIT_SIZE);
}
END_TEST

UNIT_MAIN_WITH("abandoned", start, NULL, a_slab_with_blocks_is_abandoned, the_count_is_right_in_every_state,
               a_slab_whose_blocks_have_all_come_back_is_not_abandoned, the_last_block_takes_the_slab_away,
               a_batch_can_bring_the_last_blocks, pushes_to_an_abandoned_slab_set_no_pending,
               a_reference_to_an_abandoned_slab_ends, a_closed_heap_takes_no_reference,
               references_on_a_closing_heaps_stack_are_not_lost,
               a_heap_adopts_before_it_grows, the_list_of_the_dead_is_not_walked_again,
               blocks_of_the_dead_are_local_frees_of_the_adopter,
               blocks_that_came_back_meanwhile_are_taken_with_the_slab,
               slabs_with_room_are_adopted_before_full_ones, only_a_few_full_slabs_are_tried,
               a_slab_is_adopted_for_its_class_alone, what_is_whole_in_a_forked_child_goes)
