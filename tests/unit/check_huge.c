/* check_huge.c - blocks with a mapping each: requests, frees, realloc, refusals. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "align.h"
#include "counters.h"
#include "huge.h"
#include "knobs.h"
#include "options.h"
#include "os.h"
#include "registry.h"
#include "unit.h"

/* ---- a kernel that counts, and fails when told ---- */

static unsigned calls, fail_at;      /* fail_at: number of the call that fails, 0 none */
static bool refuse_mmap, refuse_munmap, refuse_mremap, refuse_in_place;
static unsigned mmaps, munmaps;
static size_t mapped_bytes;

static bool fails_now(void) { return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) == fail_at; }

static long test_mmap(void *hint, size_t size, int prot, int flags) {
  if (fails_now() || refuse_mmap) return -ENOMEM;
  long result = os_kernel.mmap(hint, size, prot, flags);
  if ((unsigned long)result <= -4096UL) {
    __atomic_fetch_add(&mmaps, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&mapped_bytes, size, __ATOMIC_RELAXED);
  }
  return result;
}
static long test_munmap(void *start, size_t size) {
  if (fails_now() || refuse_munmap) return -ENOMEM;
  __atomic_fetch_add(&munmaps, 1, __ATOMIC_RELAXED);
  __atomic_fetch_sub(&mapped_bytes, size, __ATOMIC_RELAXED);
  return os_kernel.munmap(start, size);
}
static long test_madvise(void *start, size_t size, int advice) {
  return fails_now() ? -ENOMEM : os_kernel.madvise(start, size, advice);
}
static long test_mremap(void *start, size_t old_size, size_t new_size, int flags, void *target) {
  bool in_place = !(flags & MREMAP_FIXED);
  if (refuse_mremap) return -EPERM;   /* before the kernel has taken the target away, unlike ENOMEM */
  if (fails_now() || (refuse_in_place && in_place)) return -ENOMEM;
  long result = os_kernel.mremap(start, old_size, new_size, flags, target);
  if ((unsigned long)result > -4096UL) return result;
  /* A move takes the old place away, and the target was counted when it was mapped. */
  __atomic_fetch_add(&mapped_bytes, in_place ? new_size - old_size : -old_size, __ATOMIC_RELAXED);
  return result;
}
static const struct os_ops test_ops = { test_mmap, test_munmap, NULL, test_madvise, test_mremap };

static void start(void) {
  static struct os_ops ops;
  ops = test_ops;
  ops.mprotect = os_kernel.mprotect;
  os_init();
  options_init(NULL, NULL, false, false);
  knobs_init();
  registry_init(1, false);
  os_ops = &ops;
  calls = fail_at = mmaps = munmaps = 0;
  mapped_bytes = 0;
}

static void no_caches(void) { option.bigcache = option.whale = 0; }

/* ---- shorthands ---- */

static char *request(size_t size, size_t alignment) {
  bool zeroed = false;
  char *p = huge_alloc(size, alignment, &zeroed);
  ck_assert_ptr_nonnull(p);
  ck_assert(is_aligned(p, UNIT_SIZE) && is_aligned(p, alignment));
  if (zeroed)
    for (size_t i = 0; i < size; i += 509) ck_assert_int_eq(p[i], 0);
  return p;
}

static struct huge *record_of(const void *p) {
  struct registry_entry entry = registry_lookup(p);
  return entry.kind == REGISTRY_HUGE ? entry.huge : NULL;
}

static void release(void *p) {
  struct huge *huge = record_of(p);
  ck_assert_ptr_nonnull(huge);
  ck_assert_ptr_eq(huge->start, p);
  ck_assert_int_eq(huge_free(huge, huge->start), HUGE_FREED);
}

static void fill(char *p, size_t size) {
  for (size_t i = 0; i < size; i += 512) p[i] = (char)(i / 512 % 251);
}
static void check_filled(const char *p, size_t size) {
  for (size_t i = 0; i < size; i += 512) ck_assert_int_eq(p[i], (char)(i / 512 % 251));
}

/* ---- requests and frees ---- */

START_TEST(blocks_are_zeroed_registered_and_writable) {
  start();
  bool zeroed = false;
  char *p = huge_alloc(5 * MIB + 1, 16, &zeroed);
  ck_assert_ptr_nonnull(p);
  ck_assert(zeroed);
  ck_assert_uint_eq(record_of(p)->size, 5 * MIB + os_page_size);
  fill(p, 5 * MIB + os_page_size);
  check_filled(p, 5 * MIB + os_page_size);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_REQUESTS), 1);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 5 * MIB + os_page_size);
  release(p);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_FREES), 1);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 0);
}
END_TEST

START_TEST(alignments_up_to_a_gib) {
  start();
  no_caches();
  size_t last = sizeof(void *) == 8 ? (size_t)1 << 30 : (size_t)1 << 27;
  for (size_t alignment = 16; alignment <= last; alignment *= 4) {
    char *p = request(100 * KIB, alignment);
    p[0] = p[100 * KIB - 1] = 1;
    release(p);
  }
  ck_assert_uint_le(mapped_bytes, 2 * MIB);   /* the registry's leaves */
}
END_TEST

START_TEST(impossible_requests_are_null) {
  start();
  bool zeroed;
  char *kept = request(3 * MIB, 16);
  release(kept);
  ck_assert_ptr_null(huge_alloc(SIZE_MAX, 16, &zeroed));
  ck_assert_ptr_null(huge_alloc((size_t)PTRDIFF_MAX, 16, &zeroed));
  if (sizeof(void *) == 8) ck_assert_ptr_null(huge_alloc((size_t)PTRDIFF_MAX - 70000, 16, &zeroed));
  ck_assert_ptr_null(huge_alloc(0, 16, &zeroed));
  ck_assert_uint_eq(mapping_cache_bytes(), 3 * MIB);   /* not worth emptying the caches for */
  if (sizeof(void *) == 8) ck_assert_ptr_null(huge_alloc(4096, (SIZE_MAX >> 1) + 1, &zeroed));
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 0);
}
END_TEST

START_TEST(second_free_is_recognised) {
  start();
  char *p = request(3 * MIB, 16);
  struct huge *huge = record_of(p);
  release(p);
  ck_assert_ptr_eq(record_of(p), huge);                /* kept: still known */
  ck_assert_int_eq(huge_free(huge, huge->start), HUGE_NOT_LIVE);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_FREES), 1);
  ck_assert_uint_eq(mapping_cache_bytes(), 3 * MIB);
  huge_trim();
  ck_assert_int_eq(huge_free(huge, huge->start), HUGE_NOT_LIVE);
  ck_assert_ptr_null(record_of(p));
  ck_assert(huge_was_freed(p));
  ck_assert(!huge_was_freed(p + 65536));
  ck_assert(!huge_was_freed(NULL));
}
END_TEST

START_TEST(unmapped_starts_are_forgotten_after_64) {
  start();
  no_caches();
  char *first = request(2 * MIB, 16);
  char *other[64];
  for (int i = 0; i < 64; i++) other[i] = request(MIB, 16);
  release(first);
  for (int i = 0; i < 63; i++) release(other[i]);
  ck_assert(huge_was_freed(first));
  release(other[63]);
  ck_assert(!huge_was_freed(first));
}
END_TEST

static unsigned pairs_system_calls(size_t size, int pairs) {
  unsigned before = mmaps + munmaps;
  for (int i = 0; i < pairs; i++) {
    char *p = request(size, 16);
    p[0] = 1;
    release(p);
  }
  return mmaps + munmaps - before;
}

START_TEST(caches_save_system_calls) {
  start();
  option.purge_delay_ms = 3600000;
  knobs_init();
  option.whale = 0;
  ck_assert_uint_le(pairs_system_calls(3 * MIB, 100), 6);
  ck_assert_uint_ge(counter_get(COUNT_BIGCACHE_HITS), 98);
  ck_assert_uint_ge(pairs_system_calls(1228800, 100), 200);
  option.bigcache = 0;
  option.whale = 1;
  ck_assert_uint_le(pairs_system_calls(1228800, 100), 6);
  ck_assert_uint_ge(counter_get(COUNT_WHALE_HITS), 98);
  option.whale = 0;
  ck_assert_uint_ge(pairs_system_calls(3 * MIB, 100), 198);
}
END_TEST

START_TEST(kept_memory_is_not_called_zeroed) {
  start();
  char *p = request(3 * MIB, 16);
  fill(p, 3 * MIB);
  release(p);
  bool zeroed = true;
  ck_assert_ptr_eq(huge_alloc(3 * MIB, 16, &zeroed), p);
  ck_assert(!zeroed);
}
END_TEST

/* A quarter larger at most, and the whole of it is the block's. */
START_TEST(usable_size_is_the_mappings) {
  start();
  char *p = request(5 * MIB - 64 * KIB, 16);
  release(p);
  ck_assert_ptr_eq(request(4 * MIB, 16), p);
  ck_assert_uint_eq(record_of(p)->size, 5 * MIB - 64 * KIB);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 5 * MIB - 64 * KIB);
}
END_TEST

/* More than that is split off, serves others, and comes together again. */
START_TEST(large_ones_are_split_and_joined) {
  start();
  char *p = request(6 * MIB, 16);
  fill(p, 6 * MIB);
  release(p);
  unsigned mapped = mmaps;
  ck_assert_ptr_eq(request(2 * MIB + 4096, 16), p);
  ck_assert_uint_eq(record_of(p)->size, 2 * MIB + 64 * KIB);
  ck_assert_uint_eq(mapping_cache_bytes(), 4 * MIB - 64 * KIB);
  char *q = request(2 * MIB, 16), *r = request(2 * MIB - 64 * KIB, 16);
  ck_assert_ptr_eq(q, p + 2 * MIB + 64 * KIB);
  ck_assert_ptr_eq(r, p + 4 * MIB + 64 * KIB);
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
  fill(q, 2 * MIB);
  release(p);
  release(r);
  check_filled(q, 2 * MIB);
  release(q);
  ck_assert_ptr_null(record_of(q));
  ck_assert(huge_was_freed(q));
  ck_assert_uint_eq(mapping_cache_bytes(), 6 * MIB);
  ck_assert_ptr_eq(request(6 * MIB, 16), p);
  ck_assert_uint_eq(record_of(p)->size, 6 * MIB);
  ck_assert_uint_eq(mmaps, mapped);
  /* Several mappings, for all that is known: realloc copies it. */
  refuse_in_place = true;
  ck_assert_ptr_null(huge_resize(record_of(p), 7 * MIB));
  ck_assert_uint_eq(mmaps, mapped);
  release(p);
  ck_assert_uint_eq(huge_trim(), 6 * MIB);
}
END_TEST

/* Where nothing that is kept is large enough: in place, or by a move; its pages come along. */
START_TEST(a_smaller_one_is_made_larger) {
  start();
  refuse_in_place = true;
  char *p = request(4 * MIB, 16);
  fill(p, 4 * MIB);
  release(p);
  unsigned unmapped = munmaps;
  bool zeroed = true;
  char *q = huge_alloc(6 * MIB, 16, &zeroed);
  ck_assert(!zeroed);
  check_filled(q, 4 * MIB);
  fill(q, 6 * MIB);
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
  ck_assert_uint_eq(munmaps, unmapped);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 6 * MIB);
  ck_assert_ptr_eq(record_of(q)->start, q);
  ck_assert_ptr_null(record_of(p));
  release(q);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 0);
  ck_assert_uint_eq(huge_trim(), 6 * MIB);
}
END_TEST

START_TEST(a_smaller_one_that_cannot_grow_stays_kept) {
  start();
  release(request(4 * MIB, 16));
  refuse_mremap = true;
  char *p = request(6 * MIB, 16);
  ck_assert_uint_eq(mapping_cache_bytes(), 4 * MIB);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 6 * MIB);
  release(p);
}
END_TEST

START_TEST(old_ones_leave_at_later_events) {
  start();
  option.purge_delay_ms = 20;
  knobs_init();
  char *p = request(3 * MIB, 16);
  release(p);
  ck_assert_uint_eq(mapping_cache_bytes(), 3 * MIB);
  huge_tick(os_now_ms());
  ck_assert_uint_eq(mapping_cache_bytes(), 3 * MIB);
  usleep(60000);
  char *q = request(4 * MIB, 16);
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
  ck_assert(!os_readable_mincore(p, 1));
  ck_assert_ptr_null(record_of(p));
  release(q);
}
END_TEST

START_TEST(trim_gives_everything_back) {
  start();
  char *p = request(3 * MIB, 16), *q = request(MIB + os_page_size, 16);
  release(p);
  release(q);
  size_t before = mapped_bytes;
  ck_assert_uint_eq(huge_trim(), 4 * MIB + os_page_size);
  ck_assert_uint_eq(before - mapped_bytes, 4 * MIB + os_page_size);
  ck_assert_uint_eq(huge_trim(), 0);
}
END_TEST

START_TEST(records_are_used_again) {
  start();
  no_caches();
  struct huge *first = record_of(request(MIB, 16));
  release(first->start);
  ck_assert_ptr_eq(record_of(request(3 * MIB, 16)), first);
}
END_TEST

START_TEST(insides_are_found) {
  start();
  char *p = request(3 * MIB, 16), *q = request(2 * MIB, 16);
  ck_assert_ptr_eq(huge_find_inside(p + 1), record_of(p));
  ck_assert_ptr_eq(huge_find_inside(p + 65536), record_of(p));
  ck_assert_ptr_eq(huge_find_inside(q + 2 * MIB - 1), record_of(q));
  ck_assert_ptr_null(huge_find_inside(p));
  ck_assert_ptr_null(huge_find_inside(&p));
  release(q);
  ck_assert_ptr_eq(huge_find_inside(q + 16), record_of(q));   /* kept */
  huge_trim();
  ck_assert_ptr_null(huge_find_inside(q + 16));
}
END_TEST

START_TEST(transparent_huge_pages_as_the_option_says) {
  start();
  no_caches();
  release(request(3 * MIB, 16));
  unsigned before = calls;
  release(request(3 * MIB, 16));
  unsigned without = calls - before;
  option.thp = THP_NEVER;
  before = calls;
  release(request(3 * MIB, 16));
  ck_assert_uint_eq(calls - before, without + 1);
}
END_TEST

/* ---- realloc ---- */

START_TEST(growth_keeps_contents_and_registry) {
  start();
  for (int in_place = 0; in_place < 2; in_place++) {
    refuse_in_place = !in_place;
    size_t size = 2 * MIB;
    char *p = request(size, 16);
    for (int i = 0; i < 7; i++) {
      fill(p, size);
      char *old = p;
      p = huge_resize(record_of(p), size * 2);
      ck_assert_ptr_nonnull(p);
      ck_assert(is_aligned(p, UNIT_SIZE));
      check_filled(p, size);
      ck_assert_uint_ge(record_of(p)->size, size * 2);
      ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), record_of(p)->size);
      for (size_t k = size; k < size * 2; k += 4096) ck_assert_int_eq(p[k], 0);
      if (!in_place) {
        ck_assert_ptr_ne(p, old);
        ck_assert_ptr_null(record_of(old));
        ck_assert(!os_readable_mincore(old, 1));
      }
      size *= 2;
    }
    release(p);
    huge_trim();
  }
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_MAPPINGS_MADE), counter_get(COUNT_MAPPINGS_GONE));
  ck_assert_uint_le(mapped_bytes, 4 * MIB);   /* leaves, metadata */
}
END_TEST

/* A page more each time: an eighth of slack makes the number of moves logarithmic. */
START_TEST(slow_growth_moves_seldom) {
  start();
  refuse_in_place = true;
  char *p = request(2 * MIB, 16);
  unsigned moves = 0, resizes = 0;
  for (size_t size = 2 * MIB; size < 16 * MIB; size += 4 * KIB) {
    if (record_of(p)->size >= size) continue;
    char *q = huge_resize(record_of(p), size);
    ck_assert_ptr_nonnull(q);
    moves += q != p;
    resizes++;
    p = q;
  }
  ck_assert_uint_le(moves, 24);
  ck_assert_uint_eq(moves, resizes);
}
END_TEST

START_TEST(first_growth_is_exact) {
  start();
  char *p = request(2 * MIB, 16);
  p = huge_resize(record_of(p), 3 * MIB);
  ck_assert_uint_eq(record_of(p)->size, 3 * MIB);
  p = huge_resize(record_of(p), 4 * MIB);
  ck_assert_uint_eq(record_of(p)->size, 4 * MIB + 512 * KIB);
  release(p);
  p = request(4 * MIB + 512 * KIB, 16);   /* another block's life */
  p = huge_resize(record_of(p), 5 * MIB);
  ck_assert_uint_eq(record_of(p)->size, 5 * MIB);
}
END_TEST

START_TEST(shrinking_gives_the_tail_back_when_it_is_worth_it) {
  start();
  char *p = request(4 * MIB, 16);
  fill(p, 4 * MIB);
  ck_assert_ptr_eq(huge_resize(record_of(p), 4 * MIB - 256 * KIB), p);
  ck_assert_uint_eq(record_of(p)->size, 4 * MIB);
  ck_assert_ptr_eq(huge_resize(record_of(p), 3 * MIB), p);
  ck_assert_uint_eq(record_of(p)->size, 3 * MIB);
  ck_assert(!os_readable_mincore(p + 3 * MIB, 1));
  check_filled(p, 3 * MIB);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 3 * MIB);
  refuse_mremap = true;
  ck_assert_ptr_eq(huge_resize(record_of(p), 2 * MIB), p);
  ck_assert_uint_eq(record_of(p)->size, 3 * MIB);
}
END_TEST

START_TEST(failed_growth_changes_nothing) {
  start();
  char *p = request(2 * MIB, 16);
  fill(p, 2 * MIB);
  refuse_mremap = true;
  /* The first try may be the first mapping in its 4 GiB: the registry's words for them stay. */
  ck_assert_ptr_null(huge_resize(record_of(p), 4 * MIB));
  size_t before = mapped_bytes;
  ck_assert_ptr_null(huge_resize(record_of(p), 4 * MIB));
  ck_assert_ptr_null(huge_resize(record_of(p), (size_t)PTRDIFF_MAX));
  ck_assert_ptr_null(huge_resize(record_of(p), SIZE_MAX));
  ck_assert_uint_eq(mapped_bytes, before);
  ck_assert_uint_eq(record_of(p)->size, 2 * MIB);
  check_filled(p, 2 * MIB);
  refuse_mmap = true;
  ck_assert_ptr_null(huge_resize(record_of(p), 4 * MIB));
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 2 * MIB);
  refuse_mmap = refuse_mremap = false;
  release(p);
}
END_TEST

/* The program has split the mapping: it cannot be moved as one. */
START_TEST(split_mappings_stay_where_they_are) {
  start();
  char *p = request(2 * MIB, 16);
  fill(p, 2 * MIB);
  refuse_in_place = true;
  ck_assert_int_eq(mprotect(p + MIB, os_page_size, PROT_READ), 0);
  ck_assert_ptr_null(huge_resize(record_of(p), 4 * MIB));
  check_filled(p, 2 * MIB);
  ck_assert_uint_eq(record_of(p)->size, 2 * MIB);
}
END_TEST

START_TEST(a_freed_block_is_not_resized) {
  start();
  char *p = request(2 * MIB, 16);
  struct huge *huge = record_of(p);
  release(p);
  ck_assert_ptr_null(huge_resize(huge, 4 * MIB));
  ck_assert_uint_eq(huge->state, HUGE_KEPT);
}
END_TEST

/* ---- refusals ---- */

static unsigned reclaims;
static size_t reclaim(void) {
  reclaims++;
  refuse_mmap = false;
  return 1;
}

START_TEST(a_refused_mapping_gives_all_back_and_tries_again) {
  start();
  huge_reclaim = reclaim;
  release(request(3 * MIB, 16));
  refuse_mmap = true;
  ck_assert_ptr_nonnull(request(6 * MIB, 16));
  ck_assert_uint_eq(reclaims, 1);
  ck_assert_uint_eq(mapping_cache_bytes(), 0);
  huge_reclaim = NULL;
  bool zeroed;
  refuse_mmap = true;
  ck_assert_ptr_null(huge_alloc(6 * MIB, 16, &zeroed));
}
END_TEST

/* munmap would have to split a mapping and there are too many: the memory serves again. */
START_TEST(memory_that_cannot_be_unmapped_is_purged_and_used_again) {
  start();
  no_caches();
  char *p = request(3 * MIB, 16);
  fill(p, 3 * MIB);
  refuse_munmap = true;
  release(p);
  ck_assert_int_eq(p[512], 0);
  ck_assert(huge_was_freed(p));
  ck_assert_ptr_eq(huge_find_inside(p + 1)->start, p);
  bool zeroed = false;
  ck_assert_ptr_eq(huge_alloc(3 * MIB, 16, &zeroed), p);
  ck_assert(zeroed);
  ck_assert_ptr_eq(record_of(p)->start, p);
  release(p);
  refuse_munmap = false;
  huge_tick(os_now_ms());
  ck_assert(!os_readable_mincore(p, 1));
}
END_TEST

/* What each step of a small life does, in a process of its own: 0 all well. */
static int live_with_failure(unsigned number) {
  start();
  fail_at = number;
  bool zeroed;
  size_t size = 3 * MIB;
  char *p = huge_alloc(size, 16, &zeroed);
  if (p == NULL) return 2;     /* one failure must be survived by the second try */
  fill(p, size);
  refuse_in_place = true;
  char *q = huge_resize(record_of(p), 2 * size);
  if (q != NULL) p = q;
  for (size_t i = 0; i < size; i += 512)
    if (p[i] != (char)(i / 512 % 251)) return 3;
  struct huge *huge = record_of(p);
  if (huge == NULL || huge->start != p || huge->state != HUGE_LIVE) return 4;
  char *other = huge_alloc(MIB + 4096, 4 * MIB, &zeroed);
  if (other == NULL) return 5;
  if (huge_free(huge, huge->start) != HUGE_FREED || huge_free(record_of(other), other) != HUGE_FREED) return 6;
  unsigned reached = calls;
  huge_trim();
  huge_trim();
  if (counter_get(COUNT_HUGE_LIVE_BYTES) != 0 || mapping_cache_bytes() != 0) return 7;
  return reached >= number ? 0 : 1;
}

START_TEST(each_single_failure_is_survived) {
  int status = 0;
  unsigned number = 0;
  while (number < 200 && status == 0) {
    pid_t child = fork();
    if (child == 0) _exit(live_with_failure(++number));
    number++;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "call %u fails: status %#x", number, status);
  }
  ck_assert_uint_gt(number, 5);
  ck_assert_uint_lt(number, 200);
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 3000 };
static struct huge *contested;
static uint32_t winners, gate;

static void *free_contested(void *unused) {
  __atomic_fetch_sub(&gate, 1, __ATOMIC_ACQ_REL);
  while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) != 0)
    ;
  if (huge_free(contested, contested->start) == HUGE_FREED) __atomic_fetch_add(&winners, 1, __ATOMIC_RELAXED);
  return unused;
}

START_TEST(one_of_racing_frees_wins) {
  start();
  for (int round = 0; round < 200; round++) {
    pthread_t thread[THREADS];
    contested = record_of(request(2 * MIB, 16));
    winners = 0;
    gate = THREADS;
    for (int i = 0; i < THREADS; i++)
      ck_assert_int_eq(pthread_create(&thread[i], NULL, free_contested, NULL), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    ck_assert_uint_eq(winners, 1);
  }
}
END_TEST

static void *churn(void *number) {
  unsigned seed = *(unsigned *)number;
  char *block[4] = { NULL };
  for (int i = 0; i < ROUNDS; i++) {
    seed = seed * 1103515245 + 12345;
    unsigned k = seed >> 16 & 3;
    size_t size = MIB + (seed >> 18 & 1023) * 4096;
    bool zeroed;
    if (block[k] == NULL) {
      block[k] = huge_alloc(size, 16, &zeroed);
      ck_assert_ptr_nonnull(block[k]);
      if (zeroed) ck_assert_int_eq(block[k][size - 1], 0);
      *(char **)(void *)block[k] = block[k];
    } else {
      ck_assert_ptr_eq(*(char **)(void *)block[k], block[k]);
      char *moved = seed >> 30 & 1 ? huge_resize(record_of(block[k]), size) : NULL;
      if (moved != NULL) {
        ck_assert_ptr_eq(*(char **)(void *)moved, block[k]);
        *(char **)(void *)moved = moved;
        block[k] = moved;
      } else {
        release(block[k]);
        block[k] = NULL;
      }
    }
  }
  for (int k = 0; k < 4; k++)
    if (block[k] != NULL) release(block[k]);
  return NULL;
}

START_TEST(threads_live_side_by_side) {
  start();
  option.purge_delay_ms = 1;
  knobs_init();
  pthread_t thread[THREADS];
  unsigned number[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    number[i] = i + 1;
    ck_assert_int_eq(pthread_create(&thread[i], NULL, churn, &number[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  huge_trim();
  ck_assert_uint_eq(counter_get(COUNT_HUGE_LIVE_BYTES), 0);
  ck_assert_uint_eq(counter_get(COUNT_HUGE_REQUESTS), counter_get(COUNT_HUGE_FREES));
  ck_assert_uint_lt(mapped_bytes, 2 * MIB);   /* metadata and leaves of the registry */
}
END_TEST

START_TEST(fork_keeps_the_lock_whole) {
  start();
  huge_fork_prepare();
  pid_t child = fork();
  huge_fork_release(child == 0);
  char *p = request(2 * MIB, 16);
  release(p);
  if (child == 0) _exit(0);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

UNIT_MAIN("huge", blocks_are_zeroed_registered_and_writable, alignments_up_to_a_gib,
          impossible_requests_are_null, second_free_is_recognised, unmapped_starts_are_forgotten_after_64,
          caches_save_system_calls, kept_memory_is_not_called_zeroed, usable_size_is_the_mappings, large_ones_are_split_and_joined,
          a_smaller_one_is_made_larger, a_smaller_one_that_cannot_grow_stays_kept,
          old_ones_leave_at_later_events, trim_gives_everything_back, records_are_used_again,
          insides_are_found, transparent_huge_pages_as_the_option_says, growth_keeps_contents_and_registry,
          slow_growth_moves_seldom, first_growth_is_exact, shrinking_gives_the_tail_back_when_it_is_worth_it,
          failed_growth_changes_nothing, split_mappings_stay_where_they_are, a_freed_block_is_not_resized,
          a_refused_mapping_gives_all_back_and_tries_again,
          memory_that_cannot_be_unmapped_is_purged_and_used_again, each_single_failure_is_survived,
          one_of_racing_frees_wins, threads_live_side_by_side, fork_keeps_the_lock_whole)
