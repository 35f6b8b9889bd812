/* check_thread.c - thread-local state: heaps of threads, their ends, what outlives them. */
#include <config.h>

#include <elf.h>
#include <errno.h>
#include <link.h>

#include "align.h"
#include "core.h"
#include "fast_path.h"
#include "hakmem.h"

static void start(void) {
  core_watch_process();
  hak_free(hak_malloc(1));   /* the main thread has its heap */
}

enum { BLOCKS = 2000 };
static char *shared_block[BLOCKS];
static size_t size_at(int i) { return 1 + (size_t)i * 31 % 3000; }

static void *fill(void *unused) {
  for (int i = 0; i < BLOCKS; i++) {
    shared_block[i] = hak_malloc(size_at(i));
    require(shared_block[i] != NULL);
    memset(shared_block[i], i & 0x7f, size_at(i));
  }
  return unused;
}
static void *empty(void *unused) {
  for (int i = 0; i < BLOCKS; i++) {
    require(all_bytes(shared_block[i], size_at(i), i & 0x7f));
    hak_free(shared_block[i]);
  }
  return unused;
}
static void give_everything_back(void) { hak_trim(0); }

/* ---- one heap each ---- */

static struct heap *heap_seen[2];
static uintptr_t id_seen[2];
static void *look(void *place) {
  int i = *(int *)place;
  require(thread_heap() == NULL && !thread_is_late());
  hak_free(hak_malloc(10));
  heap_seen[i] = thread_heap();
  id_seen[i] = thread_id();
  require(heap_seen[i] != NULL && heap_seen[i]->owner == id_seen[i]);
  require(heap_find(id_seen[i]) == heap_seen[i]);
  return NULL;
}
START_TEST(a_thread_has_a_heap_of_its_own_that_serves_the_next_one) {
  int zero = 0, one = 1;
  struct heap *mine = thread_heap();
  ck_assert_ptr_nonnull(mine);
  in_thread(look, &zero);
  ck_assert_ptr_ne(heap_seen[0], mine);
  ck_assert_uint_ne(id_seen[0], thread_id());
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), 1);
  in_thread(look, &one);
  ck_assert_ptr_eq(heap_seen[1], heap_seen[0]);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_MADE), 2);
  ck_assert_ptr_eq(thread_heap(), mine);
}
END_TEST

static void *only_free(void *block) {
  hak_free(block);
  hak_free(NULL);
  require(thread_heap() == NULL);
  return NULL;
}
START_TEST(a_thread_that_frees_a_block_opens_no_heap) {
  void *block = hak_malloc(100);
  in_thread(only_free, block);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_MADE), 1);
  ck_assert_ptr_eq(thread_heap()->pending, slab_of(block));   /* it came back at once */
}
END_TEST

/* Many go in batches, and not by counters that all threads share. */
static uint64_t batches_sent;
static void *free_all_of_them(void *unused) {
  enum { MANY = 1000 };
  errno = 77;
  for (int i = 0; i < MANY; i++) hak_free(shared_block[i]);
  require(thread_heap() != NULL && errno == 77);
  for (int tier = 0; tier < SLAB_TIERS; tier++) batches_sent += thread_heap()->remote_pushes[tier];
  require(counter_get(COUNT_REMOTE_FREES) <= 32 && batches_sent <= MANY / 8);
  for (int i = MANY; i < BLOCKS; i++) hak_free(shared_block[i]);
  return unused;
}
START_TEST(a_thread_that_frees_many_blocks_gets_a_heap) {
  for (int i = 0; i < BLOCKS; i++) shared_block[i] = hak_malloc(64);
  in_thread(free_all_of_them, NULL);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_MADE), 2);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), 1);   /* it has ended, and left nothing */
  hak_trim(0);
  struct hak_stats now;
  hak_stats_get(&now, sizeof now);
  ck_assert_uint_eq(now.tier[HAK_TIER_TINY].live_blocks, 0);
}
END_TEST

static void *free_without_memory(void *unused) {
  kernel_refuse_all(true);
  for (int i = 0; i < BLOCKS; i++) hak_free(shared_block[i]);
  kernel_refuse_all(false);
  return unused;
}
START_TEST(a_thread_without_memory_for_a_heap_frees_all_the_same) {
  for (int i = 0; i < BLOCKS; i++) shared_block[i] = hak_malloc(64);
  in_thread(free_without_memory, NULL);
  hak_trim(0);
  struct hak_stats now;
  hak_stats_get(&now, sizeof now);
  ck_assert_uint_eq(now.tier[HAK_TIER_TINY].live_blocks, 0);
}
END_TEST

static void *ask_without_memory(void *unused) {
  kernel_refuse_all(true);
  void *last = NULL;
  for (int i = 0; i < 200; i++) last = hak_malloc(100000);
  kernel_refuse_all(false);
  require(last == NULL);
  void *block = hak_malloc(100000);
  require(block != NULL);
  hak_free(block);
  return unused;
}
START_TEST(a_thread_without_memory_for_a_heap_gets_null) {
  in_thread(ask_without_memory, NULL);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), 1);
}
END_TEST

/* ---- what outlives a thread ---- */

START_TEST(blocks_outlive_their_thread) {
  in_thread(fill, NULL);
  ck_assert_uint_gt(counter_get(COUNT_ABANDONED), 0);
  for (int i = 0; i < BLOCKS; i++) {
    ck_assert(hak_owns(shared_block[i]));
    ck_assert_uint_ge(hak_usable_size(shared_block[i]), size_at(i));
  }
  empty(NULL);
  give_everything_back();
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
}
END_TEST

START_TEST(slabs_of_the_dead_are_adopted) {
  in_thread(fill, NULL);
  uint64_t abandoned = counter_get(COUNT_ABANDONED), spans = counter_get(COUNT_SPAN_BYTES);
  static char *first[BLOCKS];
  memcpy(first, shared_block, sizeof first);
  in_thread(fill, NULL);
  ck_assert_uint_gt(counter_get(COUNT_ADOPTIONS), 0);
  ck_assert_uint_lt(counter_get(COUNT_SPAN_BYTES), 2 * spans);
  ck_assert_uint_ge(abandoned, 1);
  empty(NULL);
  memcpy(shared_block, first, sizeof first);
  empty(NULL);
  give_everything_back();
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
}
END_TEST

/* Many threads, one after the other, each leaving blocks that the next one frees. */
static void *free_and_fill(void *unused) {
  if (shared_block[0] != NULL) empty(NULL);
  return fill(unused);
}
START_TEST(nothing_leaks_over_many_threads) {
  give_everything_back();
  uint64_t held = counter_get(COUNT_SPAN_BYTES), most = 0;
  for (int i = 0; i < 60; i++) {
    in_thread(free_and_fill, NULL);
    if (i == 5) most = counter_get(COUNT_SPAN_BYTES);
    if (i > 5) ck_assert_uint_le(counter_get(COUNT_SPAN_BYTES), most * 2);
  }
  in_thread(empty, NULL);
  give_everything_back();
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), held);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_HEAPS_LIVE), 1);
  ck_assert_uint_le(counter_get(COUNT_HEAPS_MADE), 3);
}
END_TEST

/* A dead thread's batches are sent when it ends. */
static void *free_some(void *unused) {
  hak_free(hak_malloc(10));   /* with a heap: so they go to a batch */
  for (int i = 0; i < 5; i++) hak_free(shared_block[i]);
  return unused;
}
START_TEST(open_batches_are_sent_when_a_thread_ends) {
  for (int i = 0; i < 5; i++) shared_block[i] = hak_malloc(48);
  struct slab *slab = slab_of(shared_block[0]);
  in_thread(free_some, NULL);
  ck_assert_ptr_eq(thread_heap()->pending, slab);
  heap_drain_pending(thread_heap(), 10);
  if (CHECKS)
    for (int i = 0; i < 5; i++) ck_assert(!hak_owns(shared_block[i]));
  ck_assert_uint_eq(slab->remote, 0);
}
END_TEST

START_TEST(trim_gives_back_what_a_thread_keeps) {
  fill(NULL);
  empty(NULL);
  in_thread(fill, NULL);
  empty(NULL);   /* remote: the last of them wait in batches */
  hak_trim(0);
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(thread_heap()->kept_units, 0);
  ck_assert_uint_eq(counter_get(COUNT_DIRTY_BYTES), 0);
}
END_TEST

/* ---- threads at the same time ---- */

enum { THREADS = 4, SLOTS = 512 };
static void *slot[SLOTS];   /* atomic: who swaps a block in owns what was there */
static void *trade(void *number) {
  uint64_t seed = *(unsigned *)number;
  for (int round = 0; round < CORE_ROUNDS(60000); round++) {
    size_t size = 32 + core_random(&seed) % (core_random(&seed) % 64 == 0 ? 40000 : 300);
    char *block = hak_malloc(size);
    require(block != NULL);
    memcpy(block, &size, sizeof size);   /* both ends tell the size */
    memcpy(block + size - sizeof size, &size, sizeof size);
    block = __atomic_exchange_n(&slot[core_random(&seed) % SLOTS], block, __ATOMIC_ACQ_REL);
    if (block == NULL) continue;
    memcpy(&size, block, sizeof size);
    require(size >= 32 && size < 40032 && memcmp(block + size - sizeof size, &size, sizeof size) == 0);
    hak_free(block);
  }
  return NULL;
}
static void trade_in_threads(void) {
  static unsigned number[THREADS] = { 1, 2, 3, 4 };
  pthread_t thread[THREADS];
  for (int i = 0; i < THREADS; i++) require(pthread_create(&thread[i], NULL, trade, &number[i]) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
}
START_TEST(threads_trade_blocks_and_nothing_is_left) {
  give_everything_back();
  uint64_t held = counter_get(COUNT_SPAN_BYTES);
  for (int i = 0; i < 3; i++) trade_in_threads();
  for (int i = 0; i < SLOTS; i++) hak_free(slot[i]);
  give_everything_back();
  ck_assert_uint_eq(counter_get(COUNT_ABANDONED), 0);
  ck_assert_uint_eq(counter_get(COUNT_INVALID_FREES), 0);
  ck_assert_uint_eq(counter_get(COUNT_SPAN_BYTES), held);
}
END_TEST

/* ---- what it costs each thread ---- */

/* Bytes of TLS of an ELF file, -1 when there is none. */
static long tls_of(const char *path) {
  FILE *file = path == NULL ? NULL : fopen(path, "rb");
  if (file == NULL) return -1;
  ElfW(Ehdr) header;
  long found = fread(&header, sizeof header, 1, file) == 1 ? 0 : -1;
  for (unsigned i = 0; found == 0 && i < header.e_phnum; i++) {
    ElfW(Phdr) segment;
    if (fseek(file, (long)(header.e_phoff + (size_t)i * header.e_phentsize), SEEK_SET) != 0) break;
    if (fread(&segment, sizeof segment, 1, file) == 1 && segment.p_type == PT_TLS)
      found = (long)segment.p_memsz;
  }
  fclose(file);
  return found;
}
START_TEST(the_library_keeps_16_bytes_in_tls) {
  long size = tls_of(getenv("HAK_TEST_LIBRARY"));
  skip_if(size < 0, "no library");
  ck_assert_int_ge(size, (long)sizeof(void *));
  ck_assert_int_le(size, 16);
}
END_TEST
START_TEST(the_interposer_keeps_a_kib_in_tls) {
  long size = tls_of(getenv("HAK_TEST_PRELOAD"));
  skip_if(size < 0, "no interposer in this build");
  ck_assert_int_le(size, 1024 + 16);
}
END_TEST

UNIT_MAIN_WITH("thread", start, NULL, a_thread_has_a_heap_of_its_own_that_serves_the_next_one,
               a_thread_that_frees_a_block_opens_no_heap, a_thread_that_frees_many_blocks_gets_a_heap,
               a_thread_without_memory_for_a_heap_frees_all_the_same, a_thread_without_memory_for_a_heap_gets_null,
               blocks_outlive_their_thread, slabs_of_the_dead_are_adopted, nothing_leaks_over_many_threads,
               open_batches_are_sent_when_a_thread_ends, trim_gives_back_what_a_thread_keeps,
               threads_trade_blocks_and_nothing_is_left, the_library_keeps_16_bytes_in_tls,
               the_interposer_keeps_a_kib_in_tls)
