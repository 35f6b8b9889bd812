/* check_realloc.c - allocator_realloc.c: in place where it can be, contents kept always. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"

static void start(void) {
  core_watch_process();
  hak_free(hak_malloc(L25_MAX));       /* a run: no slab is shared yet */
  heap_first()->shared_spent = 0xff;   /* exact classes from the start */
}

static void *take(size_t size) {
  void *p = hak_malloc(size);
  require(p != NULL);
  return p;
}
static void *resize(void *p, size_t size) {
  bool refused = true;
  void *result = allocator_realloc(p, size, &refused);
  require(!refused);
  return result;
}

/* Bytes that tell their place. */
static void fill(void *p, size_t size) {
  for (size_t i = 0; i < size; i += 61) ((unsigned char *)p)[i] = (unsigned char)(i % 251);
}
static bool filled(const void *p, size_t size) {
  for (size_t i = 0; i < size; i += 61)
    if (((const unsigned char *)p)[i] != i % 251) return false;
  return true;
}

/* ---- contents ---- */

START_TEST(contents_survive_every_pair_of_sizes) {
  static const size_t sizes[] = { 1, 15, 16, 17, 32, 63, 64, 65, 100, 256, 1000, 1024, 1025, 2048, 3000,
                                  4096, 5000,
                                  8192, 12000, 32768, 32769, 50000, 65536, 100000, 200000, 262144, 262145,
                                  400000,
                                  600000, 1048576, 1048577, 2000000, 3000000, 5000000 };
  enum { COUNT = sizeof sizes / sizeof sizes[0] };
  for (int from = 0; from < COUNT; from++)
    for (int to = 0; to < COUNT; to++) {
      void *p = take(sizes[from]);
      fill(p, sizes[from]);
      p = resize(p, sizes[to]);
      require(p != NULL && is_aligned(p, GRANULE) && hak_usable_size(p) >= sizes[to]);
      require(filled(p, min_size(sizes[from], sizes[to])));
      memset(p, 'x', sizes[to]);
      hak_free(p);
    }
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

START_TEST(contents_survive_growth_byte_by_byte) {
  unsigned char *p = NULL;
  for (size_t size = 1; size < 20000; size++) {
    p = resize(p, size);
    require(p != NULL);
    p[size - 1] = (unsigned char)(size % 255);
    if (size % 97 == 0)
      for (size_t i = 0; i < size; i++) require(p[i] == (i + 1) % 255);
  }
  for (size_t size = 20000; size > 0; size--) {
    p = resize(p, size);
    require(p[0] == 1 && (size == 20000 || p[size - 1] == size % 255));
  }
  hak_free(p);
}
END_TEST

START_TEST(contents_survive_random_changes) {
  enum { BLOCKS = 200 };
  static unsigned char *p[BLOCKS];
  static size_t size[BLOCKS];
  uint64_t seed = 11;
  for (int round = 0; round < CORE_ROUNDS(30000); round++) {
    unsigned i = core_random(&seed) % BLOCKS;
    size_t new_size = 1 + core_random(&seed) % ((size_t)1 << (1 + core_random(&seed) % 22));
    unsigned char *q = resize(p[i], new_size);
    require(q != NULL && filled(q, min_size(size[i], new_size)));
    if (new_size > size[i]) fill(q, new_size);
    p[i] = q;
    size[i] = new_size;
  }
  for (int i = 0; i < BLOCKS; i++) hak_free(p[i]);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

/* ---- in place ---- */

/* Twelve classes and more lie between; one that is in the way each time, so that nothing grows in place but by its room. */
START_TEST(what_grows_and_grows_moves_seldom) {
  enum { FIRST = 64 << 10, STEP = 4096, MOVES = 8 };
  unsigned char *p = take(FIRST), *behind[MOVES + 1];
  ck_assert_uint_lt(hak_usable_size(p), FIRST + FIRST / 4);   /* nobody has said that it grows */
  fill(p, FIRST);
  unsigned moves = 0;
  for (size_t size = FIRST + STEP; size <= L25_MAX; size += STEP) {
    unsigned char *q = resize(p, size);
    require(q != NULL && filled(q, FIRST));
    if (q == p) continue;
    ck_assert_uint_lt(moves, MOVES);
    behind[moves++] = take(256 << 10);
    p = q;
  }
  hak_free(p);
  while (moves > 0) hak_free(behind[--moves]);
}
END_TEST

START_TEST(a_size_of_the_same_class_stays) {
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    size_t block = size_classes[class].block_size;
    size_t least = class == 0 ? 1 : size_classes[class - 1].block_size + 1;
    void *p = take(block), *q = resize(p, least);
    require(q == p);
    q = resize(p, block);
    require(q == p);
    hak_free(p);
  }
}
END_TEST

START_TEST(down_to_half_a_block_stays) {
  for (unsigned class = 1; class < CLASS_COUNT; class++) {
    size_t block = size_classes[class].block_size;
    void *p = take(block);
    require(resize(p, block / 2) == p);
    hak_free(p);
  }
}
END_TEST

START_TEST(less_than_half_a_block_moves_to_a_smaller_one) {
  for (unsigned class = 4; class < CLASS_COUNT; class++) {
    size_t block = size_classes[class].block_size;
    void *p = resize(take(block), block / 2 - 1);
    require(p != NULL && hak_usable_size(p) < block);
    hak_free(p);
  }
}
END_TEST

START_TEST(one_byte_more_than_the_block_moves) {
  for (unsigned class = 0; class < CLASS_RUN_FIRST; class++) {
    size_t block = size_classes[class].block_size;
    void *p = take(block), *q = resize(p, block + 1);
    require(q != NULL && q != p && hak_usable_size(q) > block);
    hak_free(q);
  }
}
END_TEST

/* Runs in one SuperSlab, side by side: the first grows into the place of the second. */
START_TEST(a_run_grows_where_it_is) {
  void *run = take(300 * KIB), *behind = take(500 * KIB), *last = take(500 * KIB);
  require(superslab_of(slab_of(run)) == superslab_of(slab_of(behind)));
  hak_free(behind);
  hak_trim(0);
  fill(run, 300 * KIB);
  void *volatile grown = resize(run, 700 * KIB);   /* or the compiler thinks of the old size */
  ck_assert_ptr_eq(grown, run);
  ck_assert_uint_ge(hak_usable_size(run), 700 * KIB);
  ck_assert(filled(run, 300 * KIB));
  memset(grown, 'x', 700 * KIB);
  for (size_t at = 16; at < 700 * KIB; at += 4096) require(!CHECKS || !hak_owns((char *)grown + at));
  hak_free(grown);
  hak_free(last);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

START_TEST(pages_of_huge_blocks_are_moved_not_copied) {
  void *p = take(8 * MIB), *wall;
  fill(p, 8 * MIB);
  wall = mmap((char *)p + 8 * MIB, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned moves = kernel.mremaps;
  p = resize(p, 16 * MIB);
  ck_assert(filled(p, 8 * MIB));
  ck_assert_uint_gt(kernel.mremaps, moves);
  hak_free(p);
  if (wall != MAP_FAILED) munmap(wall, 4096);
}
END_TEST

/* ---- edges ---- */

START_TEST(null_is_malloc_and_zero_is_a_block_here) {
  void *p = resize(NULL, 100);
  ck_assert(hak_owns(p));
  p = resize(p, 0);   /* the public functions free it; see there */
  ck_assert_ptr_nonnull(p);
  ck_assert(hak_owns(p));
  hak_free(p);
}
END_TEST

START_TEST(a_size_too_large_is_refused_and_the_block_stays) {
  char *p = take(100);
  memset(p, 'x', 100);
  static volatile size_t large = (size_t)PTRDIFF_MAX + 1, most = SIZE_MAX, edge = PTRDIFF_MAX;
  ck_assert_ptr_null(resize(p, large));
  ck_assert_ptr_null(resize(p, most));
  ck_assert_ptr_null(resize(p, edge));
  ck_assert(hak_owns(p) && all_bytes(p, 100, 'x'));
  hak_free(p);
}
END_TEST

START_TEST(without_memory_growth_fails_and_shrinking_does_not) {
  static const size_t sizes[] = { 3000, 40000, 300000, 3000000 };
  for (int i = 0; i < 4; i++) {
    void *p = take(sizes[i]);
    fill(p, sizes[i]);
    kernel_refuse_all(true);
    bool refused = false;
    void *larger = allocator_realloc(p, sizes[i] * 20, &refused);
    kernel_refuse_all(false);
    if (larger != NULL) p = larger;   /* mremap was not refused */
    require(!refused && hak_owns(p) && filled(p, sizes[i]));
    kernel_refuse_all(true);
    void *smaller = allocator_realloc(p, 10, &refused);
    kernel_refuse_all(false);
    require(smaller != NULL && filled(smaller, 10));
    hak_free(smaller);
  }
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

/* Each call that a change of size makes fails in turn: the old block is whole, or the new one is. */
START_TEST(each_refusal_in_turn_loses_nothing) {
  static const size_t from[] = { 100, 300000, 900000, 3000000, 8000000 }, to[] = { 3000000, 2000000,
                                 9000000, 100, 500000 };
  for (int f = 0; f < 5; f++)
    for (int t = 0; t < 5; t++)
      for (unsigned call = 1; call < 12; call++) {
        void *p = take(from[f]);
        fill(p, from[f]);
        kernel_fail(call);
        void *q = resize(p, to[t]);
        kernel_fail(0);
        require(q != NULL || to[t] > from[f]);
        size_t size = min_size(from[f], q == NULL ? from[f] : to[t]);
        if (q == NULL) q = p;
        require(hak_owns(q) && hak_usable_size(q) >= size && filled(q, size));
        hak_free(q);
      }
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

START_TEST(what_is_no_block_is_refused_and_said_so) {
  static char a_static[64];
  char *p = take(100);
  void *volatile bad[] = { p + 1, p + 16, a_static, &p };
  for (int i = 0; i < (CHECKS ? 4 : 0); i++) {
    bool refused = false;
    ck_assert_ptr_null(allocator_realloc(bad[i], 200, &refused));
    ck_assert(refused);
  }
  ck_assert(hak_owns(p));
  hak_free(p);
}
END_TEST

/* ---- blocks of other threads ---- */

static void *resize_theirs(void *block) {
  void **place = block;
  for (size_t size = 10; size < 3 * MIB; size = size * 7 / 3) {
    *place = resize(*place, size);
    require(*place != NULL && filled(*place, 10));
  }
  return NULL;
}
START_TEST(another_thread_may_resize_a_block) {
  static const size_t sizes[] = { 10, 2000, 50000, 300000, 2000000 };
  for (int i = 0; i < 5; i++) {
    void *p = take(sizes[i]);
    fill(p, sizes[i]);
    in_thread(resize_theirs, &p);
    require(hak_owns(p));
    p = resize(p, 20);
    require(filled(p, 10));
    hak_free(p);
  }
  hak_trim(0);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

UNIT_MAIN_WITH("realloc", start, NULL, contents_survive_every_pair_of_sizes,
               contents_survive_growth_byte_by_byte, contents_survive_random_changes,
               what_grows_and_grows_moves_seldom, a_size_of_the_same_class_stays, down_to_half_a_block_stays,
               less_than_half_a_block_moves_to_a_smaller_one, one_byte_more_than_the_block_moves,
               a_run_grows_where_it_is, pages_of_huge_blocks_are_moved_not_copied,
               null_is_malloc_and_zero_is_a_block_here, a_size_too_large_is_refused_and_the_block_stays,
               without_memory_growth_fails_and_shrinking_does_not, each_refusal_in_turn_loses_nothing,
               what_is_no_block_is_refused_and_said_so, another_thread_may_resize_a_block)
