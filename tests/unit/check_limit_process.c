/* check_limit_process.c - the library with a memory limit: what fits, what fails, what goes back. */
#include <config.h>

#include "align.h"
#include "core.h"
#include "hakmem.h"
#include "limit.h"
#include "thread.h"

enum { LIMIT_MIB = 32 };
static const size_t limit = LIMIT_MIB * MIB;

/* The library starts at its first call, in the child that each test is. */
static void start_with(const char *mib, bool hard) {
  setenv("HAKMEM_MEMORY_LIMIT_MB", mib, 1);
  setenv("HAKMEM_MEMORY_LIMIT_HARD", hard ? "1" : "0", 1);
  core_watch_process();
  hak_free(hak_malloc(1));
}
static void soft(void) { start_with("32", false); }
static void hard(void) { start_with("32", true); }

static struct hak_stats stats(void) {
  struct hak_stats now;
  hak_stats_get(&now, sizeof now);
  return now;
}

/* As the limit counts. */
static size_t held(void) {
  return (size_t)(counter_get(COUNT_SPAN_BYTES) - counter_get(COUNT_PARKED_BYTES) + counter_get(COUNT_DIRTY_BYTES) +
                  counter_get(COUNT_HUGE_LIVE_BYTES) + counter_get(COUNT_BIGCACHE_BYTES) + counter_get(COUNT_WHALE_BYTES)) +
         (size_t)stats().metadata_bytes;
}

enum { BLOCKS = 1 << 20 };
static void *block[BLOCKS];
static unsigned count;

/* Blocks of a size until one is refused, or so many bytes. */
static void fill(size_t size, size_t bytes) {
  for (size_t got = 0; got < bytes && count < BLOCKS; got += size) {
    errno = 0;
    void *p = hak_malloc(size);
    if (p == NULL) {
      ck_assert_int_eq(errno, ENOMEM);
      return;
    }
    memset(p, (int)(count % 251), size);
    block[count++] = p;
  }
}
/* All but every keep-th; 0: all. */
static void empty(size_t size, unsigned keep) {
  unsigned left = 0;
  for (unsigned i = 0; i < count; i++) {
    require(all_bytes(block[i], size, (int)(i % 251)));
    if (keep != 0 && i % keep == 0) block[left++] = block[i];
    else hak_free(block[i]);
  }
  count = left;
}

START_TEST(a_hard_limit_is_enomem_for_every_way_to_ask) {
  hard();
  fill(100000, SIZE_MAX / 2);
  ck_assert_uint_le(held(), limit);
  ck_assert_uint_ge(count, (unsigned)(limit / 100000 * 3 / 4));
  void *p = NULL;
#define FAILS(call) do { errno = 0; ck_assert_ptr_null(call); ck_assert_int_eq(errno, ENOMEM); } while (0)
  FAILS(hak_malloc(5 * MIB));
  FAILS(hak_calloc(5, MIB));
  FAILS(hak_aligned_alloc(65536, 5 * MIB));
  FAILS(hak_realloc(NULL, 5 * MIB));
  FAILS(hak_malloc(MIB));
  errno = 0;
  ck_assert_int_eq(hak_posix_memalign(&p, 64, 5 * MIB), ENOMEM);
  ck_assert(errno == 0 && p == NULL);
  ck_assert_uint_gt(stats().limit_refused, 5);
  ck_assert_uint_eq(stats().limit_bytes, limit);
  empty(100000, 0);
  p = hak_malloc(20 * MIB);   /* and it recovers */
  ck_assert_ptr_nonnull(p);
  hak_free(p);
}
END_TEST

START_TEST(realloc_that_fails_keeps_the_block) {
  hard();
  static const size_t sizes[] = { 100, 5000, 60000, 600000, 3 * MIB };
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    unsigned char *p = hak_malloc(sizes[i]);
    memset(p, 77, sizes[i]);
    fill(50000, SIZE_MAX / 2);
    errno = 0;
    ck_assert_ptr_null(hak_realloc(p, 40 * MIB));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(hak_realloc(p, sizes[i] + 4 * MIB));
    ck_assert(all_bytes(p, sizes[i], 77));
    p = hak_realloc(p, sizes[i] / 2);   /* smaller always works */
    ck_assert_ptr_nonnull(p);
    ck_assert(all_bytes(p, sizes[i] / 2, 77));
    empty(50000, 0);
    p = hak_realloc(p, 9 * MIB);
    ck_assert_ptr_nonnull(p);
    ck_assert(all_bytes(p, sizes[i] / 2, 77));
    hak_free(p);
  }
}
END_TEST

/* Each size is to find what the last one left: caches, free pages, EMPTY slabs. */
START_TEST(within_a_hard_limit_one_size_gets_what_another_gave) {
  hard();
  static const size_t sizes[] = { 48, 700, 3000, 20000, 200000, 1000000, 3 * MIB };
  for (unsigned round = 0; round < 3; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      fill(sizes[i], SIZE_MAX / 2);
      ck_assert_uint_le(held(), limit);
      ck_assert_msg(count * sizes[i] >= limit / 3 * 2, "%u blocks of %zu bytes", count, sizes[i]);
      empty(sizes[i], 0);
    }
}
END_TEST

/* Of a peak each tenth block stays: its slabs are packed for another size. */
START_TEST(slabs_in_use_are_packed) {
  hard();
  fill(512, SIZE_MAX / 2);
  unsigned peak = count;
  /* Runs of 128 blocks, 64 KiB, of which every tenth stays. */
  unsigned left = 0;
  for (unsigned i = 0; i < count; i++) {
    if (i / 128 % 10 == 0) block[left++] = block[i];
    else hak_free(block[i]);
  }
  count = left;
  unsigned small = count;
  fill(300000, SIZE_MAX / 2);
  ck_assert_uint_le(held(), limit);
  ck_assert_msg((count - small) * (size_t)300000 >= limit / 2, "%u of %u blocks stay; %u of 300000 bytes", small, peak, count - small);
}
END_TEST

START_TEST(a_soft_limit_keeps_what_is_free_small) {
  soft();
  /* Waves of different sizes, live 20 MiB at most. */
  static const size_t sizes[] = { 100, 3 * MIB, 2000, 100000, 5 * MIB, 500 };
  for (unsigned round = 0; round < 4; round++)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      fill(sizes[i], 20 * MIB);
      ck_assert_msg(held() <= limit, "%zu KiB are held in a wave of %zu bytes", held() / KIB, sizes[i]);
      empty(sizes[i], 0);
    }
  ck_assert_uint_gt(stats().limit_passes, 0);
  ck_assert_uint_eq(stats().limit_refused, 0);
}
END_TEST

START_TEST(a_soft_limit_refuses_nothing) {
  soft();
  fill(30000, 3 * limit);
  ck_assert_uint_ge(count * (size_t)30000, 3 * limit);
  fill(MIB, limit);
  void *huge = hak_malloc(4 * limit);
  ck_assert_ptr_nonnull(huge);
  huge = hak_realloc(huge, 5 * limit);
  ck_assert_ptr_nonnull(huge);
  hak_free(huge);
  ck_assert_uint_gt(stats().limit_passes, 3);
  ck_assert_uint_lt(stats().limit_passes, 200);
}
END_TEST

START_TEST(caches_keep_within_the_limit) {
  soft();
  void *large[12];
  void *live = hak_malloc(24 * MIB);
  for (unsigned round = 0; round < 3; round++) {
    for (unsigned i = 0; i < 3; i++) large[i] = hak_malloc((2 + i) * MIB);
    for (unsigned i = 0; i < 3; i++) hak_free(large[i]);
  }
  ck_assert_uint_le(stats().bigcache_bytes + stats().whale_bytes, 4 * MIB);
  hak_free(live);
}
END_TEST

/* Pages that went back out of slabs in use are held again when their blocks are: the limit is asked. */
START_TEST(parked_pages_are_asked_for) {
  hard();
  fill(1000, 24 * MIB);
  unsigned peak = count;
  empty(1000, 64);
  hak_trim(0);
  ck_assert_uint_ge(counter_get(COUNT_PARKED_BYTES), 16 * MIB);
  void *mapping = hak_malloc(24 * MIB);
  ck_assert_ptr_nonnull(mapping);
  unsigned before = count;
  for (; count < peak; count++) {
    block[count] = hak_malloc(1000);
    if (block[count] == NULL) break;
    memset(block[count], (int)(count % 251), 1000);
    require(count % 64 != 0 || held() <= limit);
  }
  ck_assert_uint_le(held(), limit);
  ck_assert_uint_lt(count, peak);                                  /* refused */
  ck_assert_uint_gt((count - before) * (size_t)1000, 2 * MIB);     /* of about six */
  hak_free(mapping);
  fill(1000, 16 * MIB);
  ck_assert_uint_ge(count * (size_t)1000, 16 * MIB);
  ck_assert_uint_le(held(), limit);
}
END_TEST

/* One that asks for too much again and again does not empty the caches of those that do not. */
START_TEST(hopeless_requests_leave_the_caches) {
  hard();
  void *live = hak_malloc(20 * MIB);
  hak_free(hak_malloc(3 * MIB));
  uint64_t kept = stats().bigcache_bytes + stats().whale_bytes, passes = stats().limit_passes;
  ck_assert_uint_ge(kept, 3 * MIB);
  for (unsigned i = 0; i < 1000; i++) {
    ck_assert_ptr_null(hak_malloc(13 * MIB));
    ck_assert_ptr_null(hak_malloc(100 * MIB));
  }
  ck_assert_uint_eq(stats().bigcache_bytes + stats().whale_bytes, kept);
  ck_assert_uint_eq(stats().limit_passes, passes);
  ck_assert_uint_eq(stats().limit_refused, 2000);
  hak_free(live);
}
END_TEST

/* ---- other threads ---- */

static uint32_t step;   /* atomic */
static void wait_for(uint32_t wanted) {
  while (__atomic_load_n(&step, __ATOMIC_ACQUIRE) < wanted) usleep(100);
}
static void reach(uint32_t now) { __atomic_store_n(&step, now, __ATOMIC_RELEASE); }

/* Has blocks, frees them, and sleeps with what its heap keeps. */
static void *sleeper(void *unused) {
  (void)unused;
  enum { MINE = 100 };
  void *mine[MINE];
  for (unsigned i = 0; i < MINE; i++) mine[i] = hak_malloc(60000);
  for (unsigned i = 0; i < MINE; i++) hak_free(mine[i]);
  reach(1);
  wait_for(2);
  for (unsigned i = 0; i < MINE; i++) mine[i] = hak_malloc(60000);   /* its lists are whole */
  for (unsigned i = 0; i < MINE; i++) hak_free(mine[i]);
  return NULL;
}

START_TEST(empty_slabs_of_a_sleeping_thread_go_back) {
  hard();
  pthread_t thread;
  require(pthread_create(&thread, NULL, sleeper, NULL) == 0);
  wait_for(1);
  size_t before = held();
  ck_assert_uint_gt(before, 3 * MIB);
  fill(3 * MIB, SIZE_MAX / 2);
  ck_assert_uint_ge(count, 9);   /* of ten that the limit has room for */
  ck_assert_uint_le(held(), limit);
  empty(3 * MIB, 0);
  reach(2);
  require(pthread_join(thread, NULL) == 0);
}
END_TEST

/* A thread ends and leaves a tenth of what it had, in every slab. */
static void *leaver(void *unused) {
  (void)unused;
  fill(512, 16 * MIB);
  unsigned left = 0;
  for (unsigned i = 0; i < count; i++) {
    if (i / 128 % 10 == 0) block[left++] = block[i];
    else hak_free(block[i]);
  }
  count = left;
  return NULL;
}

START_TEST(slabs_of_a_thread_that_has_ended_are_packed) {
  hard();
  in_thread(leaver, NULL);
  unsigned small = count;
  fill(200000, SIZE_MAX / 2);
  ck_assert_uint_le(held(), limit);
  ck_assert_msg((count - small) * (size_t)200000 >= limit / 10 * 7, "%u blocks of 200000 bytes", count - small);
  for (unsigned i = 0; i < count; i++) hak_free(block[i]);
  ck_assert_uint_eq(stats().tier[HAK_TIER_TINY].live_blocks, 0);
}
END_TEST

/* More slabs than one go takes, full when their thread ended, and nearly all of it freed by another afterwards. */
static void *full_leaver(void *unused) {
  (void)unused;
  fill(1000, 24 * MIB);
  return NULL;
}

START_TEST(any_number_of_slabs_of_ended_threads_goes_back_for_one_request) {
  hard();
  in_thread(full_leaver, NULL);
  empty(1000, 64);
  errno = 0;
  void *p = hak_malloc(27 * MIB);
  ck_assert_msg(p != NULL, "%zu KiB are held", held() / KIB);
  ck_assert_uint_le(held(), limit);
  hak_free(p);
  for (unsigned i = 0; i < count; i++) hak_free(block[i]);
}
END_TEST

/* Random sizes; blocks handed from thread to thread; refusals under a hard limit, none under a soft one. */
enum { THREADS = 4, SHARED = 256 };
static void *shared[SHARED];
static uint32_t refused;

static void *stress(void *argument) {
  uint64_t seed = (uintptr_t)argument;
  for (unsigned i = 0; i < CORE_ROUNDS(40000); i++) {
    size_t size = core_random(&seed) % ((size_t)1 << (4 + core_random(&seed) % 18)) + 2 * sizeof(size_t);
    size_t *p = core_random(&seed) % 8 == 0 ? hak_calloc(1, size) : hak_malloc(size);
    if (p == NULL) {
      require(errno == ENOMEM);
      __atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
    } else {
      *p = size;
      ((unsigned char *)p)[size - 1] = 1;
      size_t *bigger = core_random(&seed) % 16 == 0 ? hak_realloc(p, size + size / 2) : p;
      if (bigger != NULL) p = bigger;
      require(*p == size);
    }
    size_t *old = __atomic_exchange_n(&shared[core_random(&seed) % SHARED], p, __ATOMIC_ACQ_REL);
    require(old == NULL || (*old != 0 && *old <= hak_usable_size(old)));
    hak_free(old);
    if (i % 1000 == 0) require(!option.memory_limit_hard || held() <= limit + THREADS * SUPERSLAB_SIZE);
  }
  return NULL;
}

static void run_stress(void) {
  pthread_t thread[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++) require(pthread_create(&thread[i], NULL, stress, (void *)(i + 1)) == 0);
  for (unsigned i = 0; i < THREADS; i++) require(pthread_join(thread[i], NULL) == 0);
  for (unsigned i = 0; i < SHARED; i++) hak_free(shared[i]);
  heap_adopt_idle(thread_heap(), UINT32_MAX);   /* what others freed in slabs that are nobody's counts as live until then */
  hak_trim(0);
  struct hak_stats now = stats();
  for (unsigned tier = 0; tier < HAK_TIER_COUNT; tier++) ck_assert_uint_eq(now.tier[tier].live_bytes, 0);
  void *p = hak_malloc(limit / 2);   /* what all had is free again */
  ck_assert_ptr_nonnull(p);
  hak_free(p);
}

START_TEST(threads_near_a_hard_limit) {
  hard();
  run_stress();
  ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(threads_near_a_soft_limit) {
  soft();
  run_stress();
  ck_assert_uint_eq(refused, 0);
  ck_assert_uint_gt(stats().limit_passes, 0);
}
END_TEST

/* ---- a kernel that refuses ---- */

START_TEST(passes_that_get_nothing_back_lose_nothing) {
  hard();
  fill(512, 20 * MIB);
  kernel.refuse_madvise = true;
  for (unsigned i = 0; i < count; i++)
    if (i / 128 % 10 != 0) {
      hak_free(block[i]);
      block[i] = NULL;
    }
  void *p = hak_malloc(25 * MIB);   /* what is free cannot go */
  ck_assert_ptr_null(p);
  ck_assert_uint_le(held(), limit);
  kernel.refuse_madvise = false;
  usleep(1100000);                  /* the kernel is asked again after a second */
  p = hak_malloc(20 * MIB);
  ck_assert_ptr_nonnull(p);
  hak_free(p);
  for (unsigned i = 0; i < count; i++) {
    require(block[i] == NULL || all_bytes(block[i], 512, (int)(i % 251)));
    hak_free(block[i]);
  }
}
END_TEST

START_TEST(any_call_may_fail_during_a_pass) {
  for (unsigned call = 1; call < 60; call += CORE_ASAN || CORE_TSAN ? 13 : 3) {
    pid_t child = fork();
    require(child >= 0);
    if (child == 0) {
      hard();
      fill(512, 24 * MIB);
      empty(512, 7);
      unsigned small = count;
      kernel_fail(call);
      fill(3 * MIB, SIZE_MAX / 2);
      kernel_fail(0);
      require(held() <= limit);
      for (unsigned i = 0; i < count; i++) hak_free(block[i]);
      require(small > 0 && stats().tier[HAK_TIER_HUGE].live_bytes == 0 && stats().tier[HAK_TIER_TINY].live_bytes == 0);
      void *p = hak_malloc(24 * MIB);
      require(p != NULL);
      hak_free(p);
      _exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child);
    ck_assert_msg(status == 0, "status %#x, call %u", (unsigned)status, call);
  }
}
END_TEST

/* ---- a child ---- */

static void in_the_child(void) {
  errno = 0;
  require(hak_malloc(2 * limit) == NULL && errno == ENOMEM);
  empty(100000, 0);
  void *p = hak_malloc(20 * MIB);
  require(p != NULL);
  hak_free(p);
}

START_TEST(a_child_has_the_limit_too) {
  hard();
  fill(100000, SIZE_MAX / 2);
  ck_assert_int_eq(in_child(in_the_child), 0);
  empty(100000, 0);
}
END_TEST

START_TEST(a_limit_of_one_mib_is_survived) {
  start_with("1", true);
  void *p = hak_malloc(2 * MIB);
  ck_assert_ptr_null(p);
  fill(100, SIZE_MAX / 2);
  empty(100, 0);
}
END_TEST

UNIT_MAIN("limit_process", a_hard_limit_is_enomem_for_every_way_to_ask, realloc_that_fails_keeps_the_block,
          within_a_hard_limit_one_size_gets_what_another_gave, slabs_in_use_are_packed, a_soft_limit_keeps_what_is_free_small,
          a_soft_limit_refuses_nothing, caches_keep_within_the_limit, parked_pages_are_asked_for, hopeless_requests_leave_the_caches,
          any_number_of_slabs_of_ended_threads_goes_back_for_one_request, empty_slabs_of_a_sleeping_thread_go_back,
          slabs_of_a_thread_that_has_ended_are_packed, threads_near_a_hard_limit, threads_near_a_soft_limit,
          passes_that_get_nothing_back_lose_nothing, any_call_may_fail_during_a_pass, a_child_has_the_limit_too,
          a_limit_of_one_mib_is_survived)
