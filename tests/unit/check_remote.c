/* check_remote.c - frees by threads that do not own the slab: batches, the remote word, hand-over. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "remote.h"

static struct heap *owner, *other;

static void start(void) {
  core_start(true);
  option.purge_delay_ms = 1000000;
  knobs_init();
  owner = heap_open(0x1230);
  other = heap_open(0x4560);
  require(owner != NULL && other != NULL);
  owner->shared_spent = other->shared_spent = 0xff;
}

enum { MANY = 5200 };
static struct block *block[MANY];

/* count blocks of the owner in block[0...]. */
static struct slab *fill(size_t size, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    block[i] = heap_alloc(owner, class_for(size), NULL);
    require(block[i] != NULL);
  }
  return slab_of(block[0]);
}
static void give(unsigned i) { require(remote_free(other, slab_of(block[i]), block[i]) == REMOTE_FREED); }

static uint64_t sum_of(const uint64_t by_tier[SLAB_TIERS]) { return by_tier[TIER_TINY] + by_tier[TIER_MID] + by_tier[TIER_L25]; }

static unsigned stack_length(const struct slab *top) {
  unsigned length = 0;
  for (; top != NULL && length < 1000; top = top->pending_next) length++;
  return length;
}

/* ---- batches ---- */

START_TEST(thirty_two_blocks_are_sent_together) {
  struct slab *slab = fill(64, 70);
  for (unsigned i = 0; i < BATCH_BLOCKS - 1; i++) give(i);
  ck_assert_uint_eq(remote_count(slab->remote), 0);
  ck_assert_uint_eq(sum_of(other->remote_pushes), 0);
  give(BATCH_BLOCKS - 1);
  ck_assert_uint_eq(remote_count(slab->remote), BATCH_BLOCKS);
  ck_assert_uint_eq(sum_of(other->remote_pushes), 1);
  give(BATCH_BLOCKS);
  ck_assert_uint_eq(remote_count(slab->remote), BATCH_BLOCKS);
  ck_assert_uint_eq(sum_of(other->remote_frees), BATCH_BLOCKS + 1);
}
END_TEST

START_TEST(a_batch_is_four_kib_at_most) {
  struct slab *slab = fill(512, 40);
  for (unsigned i = 0; i < 7; i++) give(i);
  ck_assert_uint_eq(remote_count(slab->remote), 0);
  give(7);
  ck_assert_uint_eq(remote_count(slab->remote), 8);
  slab = fill(2048, 10);
  give(0);
  ck_assert_uint_eq(remote_count(slab->remote), 0);
  give(1);
  ck_assert_uint_eq(remote_count(slab->remote), 2);
}
END_TEST

START_TEST(larger_blocks_are_sent_one_by_one) {
  static const size_t sizes[] = { 2500, 5000, 40000, 200000, 300000, MIB };
  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    struct slab *slab = fill(sizes[i], 1);
    give(0);
    ck_assert_uint_eq(remote_count(slab->remote), 1);
    ck_assert_ptr_eq(remote_head(slab, slab->remote), block[0]);
  }
}
END_TEST

START_TEST(flushing_sends_every_batch) {
  struct slab *slab[5];
  for (unsigned class = 0; class < 5; class++) {
    block[class] = heap_alloc(owner, class, NULL);
    slab[class] = slab_of(block[class]);
  }
  /* Only now: one that throws out another's batch would bring it to the owner, whose next request takes it in. */
  for (unsigned class = 0; class < 5; class++) give(class);
  remote_flush(other);
  for (unsigned class = 0; class < 5; class++) {
    ck_assert_uint_eq(remote_count(slab[class]->remote), 1);
    ck_assert_ptr_eq(remote_head(slab[class], slab[class]->remote), block[class]);
  }
  uint64_t pushes = sum_of(other->remote_pushes);
  remote_flush(other);
  ck_assert_uint_eq(sum_of(other->remote_pushes), pushes);
}
END_TEST

/* A batch of another slab is sent before its place is taken. */
START_TEST(a_batch_that_is_in_the_way_is_sent) {
  enum { SLABS = 40 };
  static struct slab *slab[SLABS];
  unsigned waiting = 0, sent = 0;
  const unsigned worth = size_classes[class_for(1024)].capacity;
  fill(1024, SLABS * worth);
  for (unsigned i = 0; i < SLABS; i++) {
    slab[i] = slab_of(block[i * worth]);
    give(i * worth);
  }
  for (unsigned i = 0; i < BATCH_COUNT; i++) waiting += other->batch[i].count;
  for (unsigned i = 0; i < SLABS; i++) sent += remote_count(slab[i]->remote);
  ck_assert_uint_eq(waiting + sent, SLABS);
  ck_assert_uint_le(waiting, BATCH_COUNT);
}
END_TEST

/* Random targets: batches hold one block each and only cost, so blocks are sent directly for a while. */
START_TEST(batches_that_do_not_pay_are_left_out) {
  enum { SLABS = 64, BLOCKS = 128 };
  static struct block *far[SLABS][BLOCKS];
  ck_assert_uint_eq(size_classes[31].capacity, BLOCKS);
  for (unsigned i = 0; i < SLABS; i++)
    for (unsigned k = 0; k < BLOCKS; k++) far[i][k] = heap_alloc(owner, 31, NULL);
  unsigned freed = 0;
  for (unsigned k = 0; k < BLOCKS && other->batch_direct == 0; k++)
    for (unsigned i = 0; i < SLABS; i++, freed++)
      require(remote_free(other, slab_of(far[i][k]), far[i][k]) == REMOTE_FREED);
  ck_assert_uint_gt(other->batch_direct, 0);
  ck_assert_uint_le(freed, 1024);
  uint64_t pushes = sum_of(other->remote_pushes);
  struct slab *slab = slab_of(far[0][BLOCKS - 1]);
  uint32_t count = remote_count(slab->remote);
  require(remote_free(other, slab, far[0][BLOCKS - 1]) == REMOTE_FREED);
  ck_assert_uint_eq(sum_of(other->remote_pushes), pushes + 1);
  ck_assert_uint_eq(remote_count(slab->remote), count + 1);
  other->batch_direct = 1;   /* the last of them */
  require(remote_free(other, slab, far[0][62]) == REMOTE_FREED);
  pushes = sum_of(other->remote_pushes);
  remote_flush(other);
  pushes = sum_of(other->remote_pushes);
  require(remote_free(other, slab, far[0][61]) == REMOTE_FREED);
  ck_assert_uint_eq(sum_of(other->remote_pushes), pushes);   /* in a batch again */
}
END_TEST

START_TEST(without_a_heap_a_block_is_sent_at_once) {
  struct slab *slab = fill(64, 3);
  ck_assert_int_eq(remote_free(NULL, slab, block[1]), REMOTE_FREED);
  ck_assert_uint_eq(remote_count(slab->remote), 1);
  ck_assert_uint_eq(counter_get(COUNT_REMOTE_FREES), 1);
  ck_assert_uint_eq(counter_get(COUNT_REMOTE_BATCHES), 1);
}
END_TEST

/* ---- what is no live block ---- */

START_TEST(a_block_in_a_batch_or_on_the_list_is_free) {
  skip_if(!CHECKS, "built without checks");
  struct slab *slab = fill(64, 100);
  give(0);
  ck_assert_int_eq(remote_free(other, slab, block[0]), REMOTE_DOUBLE);
  ck_assert_int_eq(remote_free(NULL, slab, block[0]), REMOTE_DOUBLE);
  remote_flush(other);
  ck_assert_int_eq(remote_free(other, slab, block[0]), REMOTE_DOUBLE);
  ck_assert_uint_eq(remote_count(slab->remote), 1);
  heap_drain_pending(owner, 1);
  ck_assert_int_eq(remote_free(other, slab, block[0]), REMOTE_DOUBLE);
  ck_assert_uint_eq(sum_of(other->remote_frees), 1);
}
END_TEST

START_TEST(what_is_no_block_is_refused) {
  skip_if(!CHECKS, "built without checks");
  struct slab *slab = fill(64, 2);
  ck_assert_int_eq(remote_free(other, slab, (char *)block[0] + 1), REMOTE_NOT_A_BLOCK);
  ck_assert_int_eq(remote_free(other, slab, (char *)block[0] + 16), REMOTE_NOT_A_BLOCK);
  ck_assert_int_eq(remote_free(other, slab, (char *)block[0] + 63), REMOTE_NOT_A_BLOCK);
  ck_assert_int_eq(remote_free(other, slab, slab->start + (size_t)slab->carved * 64), REMOTE_NOT_A_BLOCK);
  ck_assert_int_eq(remote_free(other, slab, slab->start + UNIT_SIZE - 64), REMOTE_NOT_A_BLOCK);
  ck_assert_uint_eq(sum_of(other->remote_frees), 0);
  ck_assert_uint_eq(slab->remote, 0);
}
END_TEST

/* ---- the remote word ---- */

START_TEST(one_push_sets_pending_and_brings_the_slab_to_its_owner_once) {
  struct slab *slab = fill(2500, 20);
  for (unsigned i = 0; i < 10; i++) give(i);
  ck_assert((slab->remote & REMOTE_PENDING) != 0 && (slab->remote & REMOTE_ABANDONED) == 0);
  ck_assert_uint_eq(remote_count(slab->remote), 10);
  ck_assert_ptr_eq(owner->pending, slab);
  ck_assert_uint_eq(stack_length(owner->pending), 1);
  ck_assert_ptr_null(other->pending);
}
END_TEST

START_TEST(the_owner_takes_the_blocks_in) {
  struct slab *slab = fill(2500, size_classes[class_for(2500)].capacity + 1);
  uint32_t used = slab->used;
  for (unsigned i = 0; i < 10; i++) give(i);
  heap_drain_pending(owner, 1);
  ck_assert_uint_eq(slab->remote, 0);
  ck_assert_uint_eq(slab->used, used - 10);
  ck_assert_uint_eq(slab_count_free(slab), 10);
  ck_assert_int_eq(slab->state, SLAB_PARTIAL);
  ck_assert_ptr_null(owner->pending);
  give(10);   /* and PENDING is set anew */
  ck_assert_ptr_eq(owner->pending, slab);
}
END_TEST

/* Takes what the current slab has left. */
static void leave_others_out(struct slab *current, unsigned class) {
  while (current->free != NULL || current->carved < current->capacity) require(heap_alloc(owner, class, NULL) != NULL);
}

/* One list after the other, taken in apart: each block is there once, and the slab ends empty. */
START_TEST(lists_that_come_one_after_the_other_are_all_taken_in) {
  enum { LISTS = 3, EACH = 4 };
  unsigned class = class_for(2500), capacity = size_classes[class].capacity;
  ck_assert_uint_ge(capacity, LISTS * EACH);
  struct slab *slab = fill(2500, capacity + 1);   /* it is full, not current */
  uint32_t used = slab->used;
  for (unsigned list = 0; list < LISTS; list++) {
    for (unsigned i = 0; i < EACH; i++) give(list * EACH + i);
    heap_drain_pending(owner, 1);
    ck_assert((slab->rest != NULL) == (list > 0));   /* no walk to the end of the second */
    ck_assert_uint_eq(slab_count_free(slab), (list + 1) * EACH);
    ck_assert_uint_eq(slab->used, used - (list + 1) * EACH);
  }
  bool seen[LISTS * EACH] = { false };
  leave_others_out(slab_of(block[capacity]), class);
  for (unsigned n = 0; n < LISTS * EACH; n++) {
    struct block *taken = heap_alloc(owner, class, NULL);
    unsigned i = 0;
    while (i < LISTS * EACH && block[i] != taken) i++;
    ck_assert(i < LISTS * EACH && !seen[i]);
    seen[i] = true;
  }
  ck_assert_uint_eq(slab_count_free(slab), 0);
}
END_TEST

/* Each of several pushes, and joined to a list and a rest that are there. */
START_TEST(lists_of_several_pushes_are_joined_whole) {
  enum { BLOCKS = 200, PUSH = 7 };
  struct slab *slab = fill(64, BLOCKS);
  unsigned given = 0, before = slab_count_free(slab);
  require(slab->state == SLAB_CURRENT);
  for (unsigned list = 0; list < 6; list++) {
    for (unsigned pushes = 0; pushes <= list; pushes++) {
      for (unsigned i = 0; i < PUSH; i++) give(given++);
      remote_flush(other);
    }
    ck_assert_ptr_eq(remote_tail(slab, slab->remote), block[given - PUSH * (list + 1)]);
    ck_assert_uint_eq(remote_take(slab, true), PUSH * (list + 1));
    ck_assert_uint_eq(slab_count_free(slab), before + given);
  }
  ck_assert_ptr_nonnull(slab->rest);
  /* All of them come out again, each once. */
  static uint8_t seen[BLOCKS];
  unsigned again = 0;
  for (unsigned i = 0; i < before + given; i++) {
    struct block *p = heap_alloc(owner, class_for(64), NULL);
    require(slab_of(p) == slab);
    for (unsigned k = 0; k < given; k++)
      if (block[k] == p) {
        require(!seen[k]);
        seen[k] = 1;
        again++;
      }
  }
  ck_assert_uint_eq(again, given);
}
END_TEST

START_TEST(taking_keeps_pending_unless_the_reference_is_given_up) {
  struct slab *slab = fill(2500, 5);
  give(0);
  give(1);
  ck_assert_uint_eq(remote_take(slab, false), 2);
  ck_assert_uint_eq(slab->remote, REMOTE_PENDING);
  ck_assert_uint_eq(slab_count_free(slab), 2);
  give(2);
  ck_assert_uint_eq(stack_length(owner->pending), 1);
  owner->pending = NULL;
  ck_assert_uint_eq(remote_take(slab, true), 1);
  ck_assert_uint_eq(slab->remote, 0);
  ck_assert_uint_eq(slab_count_free(slab), 3);
  ck_assert_uint_eq(remote_take(slab, false), 0);
}
END_TEST

START_TEST(a_request_takes_the_remote_list_before_it_grows) {
  unsigned class = class_for(2500), capacity = size_classes[class].capacity;
  struct slab *slab = fill(2500, capacity);
  give(3);
  give(5);
  uint64_t spans = counter_get(COUNT_SPANS_MADE);
  struct block *first = heap_alloc(owner, class, NULL), *second = heap_alloc(owner, class, NULL);
  ck_assert((first == block[3] && second == block[5]) || (first == block[5] && second == block[3]));
  ck_assert_uint_eq(counter_get(COUNT_SPANS_MADE), spans);
  ck_assert_int_eq(slab->state, SLAB_CURRENT);
}
END_TEST

START_TEST(a_request_looks_at_other_slabs_of_its_own_before_it_grows) {
  unsigned class = class_for(2500), capacity = size_classes[class].capacity;
  struct slab *slab = fill(2500, 2 * capacity);   /* the first is full, the second is used up */
  for (unsigned i = 0; i < capacity; i++) give(i);
  uint64_t spans = counter_get(COUNT_SPANS_MADE);
  for (unsigned i = 0; i < capacity; i++) ck_assert_ptr_eq(slab_of(heap_alloc(owner, class, NULL)), slab);
  ck_assert_uint_eq(counter_get(COUNT_SPANS_MADE), spans);
}
END_TEST

START_TEST(the_word_holds_the_last_block_of_the_largest_slab) {
  static const unsigned classes[] = { 0, CLASS_L25_FIRST, CLASS_RUN_FIRST - 1, CLASS_COUNT - 1 };
  for (unsigned c = 0; c < 4; c++) {
    unsigned capacity = size_classes[classes[c]].capacity;
    for (unsigned i = 0; i < capacity; i++) block[i] = heap_alloc(owner, classes[c], NULL);
    struct slab *slab = slab_of(block[0]);
    for (unsigned i = 0; i < capacity; i++) require(remote_free(NULL, slab, block[i]) == REMOTE_FREED);
    ck_assert_uint_eq(remote_count(slab->remote), capacity);
    ck_assert_ptr_eq(remote_head(slab, slab->remote), block[capacity - 1]);
    heap_drain_pending(owner, 1);
    ck_assert_uint_eq(slab_count_free(slab), capacity);
  }
}
END_TEST

START_TEST(draining_is_bounded) {
  fill(300 * KIB, 10);
  for (unsigned i = 0; i < 10; i++) give(i);
  heap_drain_pending(owner, 4);
  unsigned taken = 0;
  for (unsigned i = 0; i < 10; i++) taken += slab_of(block[i])->remote == 0;
  ck_assert_uint_eq(taken, 4);
  heap_drain_pending(owner, 100);
  for (unsigned i = 0; i < 10; i++) ck_assert_uint_eq(slab_of(block[i])->remote, 0);
}
END_TEST

/* ---- references ---- */

START_TEST(a_reference_on_the_wrong_stack_is_handed_on) {
  struct slab *slab = fill(2500, 2);
  slab->remote = REMOTE_PENDING;
  slab->pending_next = NULL;
  other->pending = slab;   /* as if its heap's memory had been another's */
  heap_drain_pending(other, 1);
  ck_assert_ptr_null(other->pending);
  ck_assert_ptr_eq(owner->pending, slab);
  heap_drain_pending(owner, 1);
  ck_assert_uint_eq(slab->remote, 0);
}
END_TEST

/* A pusher has set PENDING and not come further; meanwhile the slab dies and is born again as the
   other heap's. */
START_TEST(a_reference_outlives_its_slab) {
  struct slab *slab = fill(300 * KIB, 1);
  slab->remote |= REMOTE_PENDING;
  heap_free_local(slab, block[0]);
  heap_close(owner);
  ck_assert_int_eq(slab->state, SLAB_NONE);
  struct block *again = heap_alloc(other, class_for(300 * KIB), NULL);
  ck_assert_ptr_eq(slab_of(again), slab);
  ck_assert_uint_eq(slab->remote, REMOTE_PENDING);
  /* its pusher need not, and does not, hand it over */
  require(remote_free(NULL, slab, again) == REMOTE_FREED);
  ck_assert_ptr_null(other->pending);
  remote_hand_over(slab);
  ck_assert_ptr_eq(other->pending, slab);
  heap_drain_pending(other, 1);
  ck_assert_uint_eq(slab->remote, 0);
}
END_TEST

START_TEST(a_reference_to_nobodys_slab_ends) {
  struct slab *slab = fill(300 * KIB, 1);
  slab->remote |= REMOTE_PENDING;
  heap_free_local(slab, block[0]);
  heap_close(owner);
  remote_hand_over(slab);
  ck_assert_uint_eq(slab->remote, 0);
  ck_assert_ptr_null(other->pending);
}
END_TEST

/* Blocks in the hands of a thread that fork() cut off in the middle: the chain counts, not the
   number beside it. */
START_TEST(a_batch_that_was_cut_off_is_counted_anew) {
  struct slab *slab = fill(64, 20);
  for (unsigned i = 0; i < 5; i++) give(i);
  struct batch *batch = NULL;
  for (unsigned i = 0; i < BATCH_COUNT; i++)
    if (other->batch[i].head != NULL) batch = &other->batch[i];
  ck_assert_uint_eq(batch->count, 5);
  batch->count = 4;
  remote_fork_flush(other);
  ck_assert_uint_eq(remote_count(slab->remote), 5);
  ck_assert_uint_eq(batch->count, 0);
  ck_assert_ptr_null(batch->head);
  heap_drain_pending(owner, 1);
  ck_assert_uint_eq(slab_count_free(slab), slab->carved - 15);
}
END_TEST

START_TEST(slow_paths_send_what_waits) {
  struct slab *slab = fill(64, 20);
  give(0);
  ck_assert_uint_eq(remote_count(slab->remote), 0);
  for (int i = 0; i < 64; i++) heap_tick(other);
  ck_assert_uint_eq(remote_count(slab->remote), 1);
}
END_TEST

UNIT_MAIN_WITH("remote", start, NULL, thirty_two_blocks_are_sent_together, a_batch_is_four_kib_at_most,
               larger_blocks_are_sent_one_by_one, flushing_sends_every_batch,
               a_batch_that_is_in_the_way_is_sent, batches_that_do_not_pay_are_left_out,
               without_a_heap_a_block_is_sent_at_once, a_block_in_a_batch_or_on_the_list_is_free,
               what_is_no_block_is_refused, one_push_sets_pending_and_brings_the_slab_to_its_owner_once,
               the_owner_takes_the_blocks_in, lists_that_come_one_after_the_other_are_all_taken_in,
               lists_of_several_pushes_are_joined_whole, taking_keeps_pending_unless_the_reference_is_given_up,
               a_request_takes_the_remote_list_before_it_grows,
               a_request_looks_at_other_slabs_of_its_own_before_it_grows,
               the_word_holds_the_last_block_of_the_largest_slab, draining_is_bounded,
               a_reference_on_the_wrong_stack_is_handed_on, a_reference_outlives_its_slab,
               a_reference_to_nobodys_slab_ends, a_batch_that_was_cut_off_is_counted_anew,
               slow_paths_send_what_waits)
