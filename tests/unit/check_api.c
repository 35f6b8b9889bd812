/* Tests of hak_api.c: everything that hakmem.h promises. */
#include <config.h>
#include "hakmem.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "compiler.h"
#include "unit.h"

/* Around every limit of a tier or of a class, and where alignment matters. */
static const size_t sizes[] = {
  0, 1, 15, 16, 17, 64, 127, 128, 129, 1000, 1024, 1025, 2047, 4096, 5000, 8192, 8193,
  32768, 32769, 65536, 100000, 262144, 262145, 500000, 1048576, 1048577, 3000000
};
enum { SIZES = sizeof sizes / sizeof sizes[0], KEPT = 1234 };

/* volatile: the compiler would warn of what it knows to be impossible. */
static volatile size_t too_large = (size_t)PTRDIFF_MAX + 1, everything = SIZE_MAX, half = SIZE_MAX / 2 + 1;

static unsigned char pattern(size_t i) { return (unsigned char)(i * 7 + (i >> 8)); }

static void fill(void *block, size_t size) {
  for (size_t i = 0; i < size; i++) ((unsigned char *)block)[i] = pattern(i);
}
static bool filled(const void *block, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (((const unsigned char *)block)[i] != pattern(i)) return false;
  }
  return true;
}

/* The call fails with that errno. */
#define FAILS(call, error)         \
  do {                             \
    errno = 0;                     \
    ck_assert_ptr_null((call));    \
    ck_assert_int_eq(errno, error); \
  } while (0)

START_TEST(test_malloc_of_all_sizes) {
  void *block[SIZES];
  errno = KEPT;
  for (int i = 0; i < SIZES; i++) {
    block[i] = hak_malloc(sizes[i]);
    ck_assert_ptr_nonnull(block[i]);
    ck_assert_uint_eq((uintptr_t)block[i] % 16, 0);
    fill(block[i], sizes[i]);
  }
  for (int i = 0; i < SIZES; i++) ck_assert(filled(block[i], sizes[i]));
  for (int i = 0; i < SIZES; i++) hak_free(block[i]);
  ck_assert_int_eq(errno, KEPT);
}
END_TEST

START_TEST(test_zero_bytes_are_a_block) {
  void *a = hak_malloc(0), *b = hak_malloc(0), *c = hak_calloc(0, 5), *d = hak_realloc(NULL, 0);
  void *e = hak_aligned_alloc(64, 0), *f = hak_reallocarray(NULL, 0, 7);
  void *all[] = { a, b, c, d, e, f };
  for (int i = 0; i < 6; i++) {
    ck_assert_ptr_nonnull(all[i]);
    ck_assert(hak_owns(all[i]));
    for (int k = 0; k < i; k++) ck_assert_ptr_ne(all[i], all[k]);
  }
  for (int i = 0; i < 6; i++) hak_free(all[i]);
}
END_TEST

START_TEST(test_impossible_sizes) {
  void *block = NULL, *keep = hak_malloc(100);
  fill(keep, 100);
  FAILS(hak_malloc(too_large), ENOMEM);
  FAILS(hak_malloc(everything), ENOMEM);
  FAILS(hak_malloc((size_t)PTRDIFF_MAX - 5 + too_large * 0), ENOMEM);
  FAILS(hak_calloc(too_large, 1), ENOMEM);
  FAILS(hak_calloc(half, 2), ENOMEM);
  FAILS(hak_calloc(everything, everything), ENOMEM);
  FAILS(hak_realloc(NULL, everything), ENOMEM);
  FAILS(hak_realloc(keep, too_large), ENOMEM);
  FAILS(hak_reallocarray(keep, half, 2), ENOMEM);
  FAILS(hak_reallocarray(keep, everything / 3, 4), ENOMEM);
  FAILS(hak_aligned_alloc(64, everything), ENOMEM);
  FAILS(hak_aligned_alloc(half, 1), ENOMEM);
  FAILS(hak_memalign(4096, everything - 4000), ENOMEM);
  ck_assert_int_eq(hak_posix_memalign(&block, 64, everything), ENOMEM);
  ck_assert_ptr_null(block);
  ck_assert_msg(filled(keep, 100), "a realloc that failed changed the block");
  hak_free(keep);
}
END_TEST

START_TEST(test_calloc_is_zero_where_blocks_were_used) {
  for (int i = 1; i < SIZES; i++) {
    for (int round = 0; round < 3; round++) {
      void *used = hak_malloc(sizes[i]);
      memset(used, 0xff, hak_usable_size(used));
      hak_free(used);
      unsigned char *block = hak_calloc(1, sizes[i]);
      /* All bytes are like the first. */
      ck_assert(block[0] == 0 && memcmp(block, block + 1, sizes[i] - 1) == 0);
      memset(block, 0xff, sizes[i]);
      hak_free(block);
    }
  }
}
END_TEST

START_TEST(test_calloc_multiplies) {
  unsigned char *block = hak_calloc(300, 7);
  ck_assert_uint_ge(hak_usable_size(block), 2100);
  hak_free(block);
}
END_TEST

START_TEST(test_realloc_keeps_contents) {
  for (int from = 0; from < SIZES; from += 2) {
    for (int to = 1; to < SIZES; to++) {
      void *block = hak_malloc(sizes[from]);
      fill(block, sizes[from]);
      errno = KEPT;
      block = hak_realloc(block, sizes[to]);
      ck_assert_ptr_nonnull(block);
      ck_assert_int_eq(errno, KEPT);
      ck_assert_uint_ge(hak_usable_size(block), sizes[to]);
      ck_assert(filled(block, sizes[from] < sizes[to] ? sizes[from] : sizes[to]));
      fill(block, sizes[to]);
      hak_free(block);
    }
  }
}
END_TEST

START_TEST(test_realloc_to_zero_frees) {
  void *block = hak_malloc(100), *huge = hak_malloc(5 << 20);
  void *volatile freed = block, *volatile freed_huge = huge;
  errno = KEPT;
  ck_assert_ptr_null(hak_realloc(block, 0));
  ck_assert_ptr_null(hak_reallocarray(huge, 0, 9));
  ck_assert_int_eq(errno, KEPT);
  ck_assert(!CHECKS || !hak_owns(freed));
  ck_assert(!hak_owns(freed_huge));
}
END_TEST

START_TEST(test_realloc_of_a_bad_pointer) {
  char *block = hak_malloc(200);
  if (CHECKS) FAILS(hak_realloc(block + 16, 300), EINVAL);
  FAILS(hak_realloc(&block, 300), EINVAL);
  ck_assert(hak_owns(block));
  hak_free(block);
}
END_TEST

START_TEST(test_reallocarray) {
  void *block = hak_reallocarray(NULL, 10, 30);
  ck_assert_uint_ge(hak_usable_size(block), 300);
  fill(block, 300);
  block = hak_reallocarray(block, 100, 50);
  ck_assert_uint_ge(hak_usable_size(block), 5000);
  ck_assert(filled(block, 300));
  hak_free(block);
}
END_TEST

START_TEST(test_alignments) {
  for (size_t alignment = 1; alignment <= 16 << 20; alignment *= 2) {
    for (int i = 0; i < SIZES; i += 3) {
      errno = KEPT;
      void *a = hak_aligned_alloc(alignment, sizes[i]), *b = hak_memalign(alignment, sizes[i]);
      ck_assert_ptr_nonnull(a);
      ck_assert_ptr_nonnull(b);
      ck_assert_int_eq(errno, KEPT);
      ck_assert_uint_eq(((uintptr_t)a | (uintptr_t)b) % alignment, 0);
      ck_assert_uint_eq(((uintptr_t)a | (uintptr_t)b) % 16, 0);
      fill(a, sizes[i]);
      fill(b, sizes[i]);
      ck_assert(filled(a, sizes[i]));
      ck_assert(hak_owns(a) && hak_owns(b));
      hak_free(a);
      hak_free_aligned_sized(b, alignment, sizes[i]);
    }
  }
}
END_TEST

START_TEST(test_bad_alignments) {
  static const size_t bad[] = { 0, 3, 5, 24, 100, 4095, SIZE_MAX };
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    void *volatile alignment = (void *)(uintptr_t)bad[i];
    FAILS(hak_aligned_alloc((size_t)(uintptr_t)alignment, 10), EINVAL);
    FAILS(hak_memalign((size_t)(uintptr_t)alignment, 10), EINVAL);
  }
}
END_TEST

START_TEST(test_posix_memalign) {
  static const size_t bad[] = { 0, 1, 2, 3, sizeof(void *) / 2, 3 * sizeof(void *), 24, 4095, SIZE_MAX };
  void *block = &block;
  errno = KEPT;
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    ck_assert_int_eq(hak_posix_memalign(&block, bad[i], 10), EINVAL);
  }
  ck_assert_int_eq(hak_posix_memalign(&block, sizeof(void *), everything), ENOMEM);
  ck_assert_ptr_eq(block, &block);
  for (size_t alignment = sizeof(void *); alignment <= 1 << 20; alignment *= 2) {
    ck_assert_int_eq(hak_posix_memalign(&block, alignment, 1000), 0);
    ck_assert_uint_eq((uintptr_t)block % alignment, 0);
    hak_free(block);
  }
  ck_assert_int_eq(errno, KEPT);
}
END_TEST

START_TEST(test_free_keeps_errno) {
  errno = KEPT;
  hak_free(NULL);
  hak_free_sized(NULL, 0);
  hak_free_aligned_sized(NULL, 64, 0);
  for (int i = 0; i < SIZES; i++) {
    void *block = hak_malloc(sizes[i]), *sized = hak_malloc(sizes[i]);
    errno = i;
    hak_free(block);
    hak_free_sized(sized, sizes[i]);
    ck_assert_int_eq(errno, i);
  }
}
END_TEST

START_TEST(test_freed_blocks_are_used_again) {
  struct hak_stats before, after;
  for (int i = 0; i < 1000; i++) hak_free(hak_malloc(48));
  hak_stats_get(&before, sizeof before);
  for (int i = 0; i < 300000; i++) {
    hak_free(hak_malloc(48));
    hak_free_sized(hak_malloc(48), 48);
    hak_free_aligned_sized(hak_aligned_alloc(64, 48), 64, 48);
  }
  hak_stats_get(&after, sizeof after);
  ck_assert_uint_le(after.committed_bytes, before.committed_bytes + (1 << 20));
}
END_TEST

START_TEST(test_usable_size) {
  ck_assert_uint_eq(hak_usable_size(NULL), 0);
  for (int i = 0; i < SIZES; i++) {
    void *block = hak_malloc(sizes[i]);
    size_t usable = hak_usable_size(block);
    ck_assert_uint_ge(usable, sizes[i]);
    fill(block, usable);
    void *other = hak_malloc(sizes[i]);
    memset(other, 0, hak_usable_size(other));
    ck_assert(filled(block, usable));
    ck_assert_uint_eq(hak_usable_size(block), usable);
    hak_free(block);
    hak_free(other);
  }
}
END_TEST

START_TEST(test_usable_size_of_a_bad_pointer) {
  char *block = hak_malloc(200);
  int local;
  if (CHECKS) ck_assert_uint_eq(hak_usable_size(block + 16), 0);
  ck_assert_uint_eq(hak_usable_size(&local), 0);
  hak_free(block);
}
END_TEST

START_TEST(test_owns) {
  int local = 0;
  void *foreign = malloc(100), *volatile low = (void *)(uintptr_t)0x1000;
  void *hole = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert(!hak_owns(NULL));
  ck_assert(!hak_owns(&local));
  ck_assert(!hak_owns(foreign));
  for (int i = 0; i < SIZES; i++) {
    char *block = hak_malloc(sizes[i]), *volatile freed = block;
    ck_assert_int_eq(hak_owns(block), 1);
    for (int at = 1; at <= (CHECKS ? 8 : 0); at += 7) ck_assert_int_eq(hak_owns(block + at), 0);
    if (CHECKS && sizes[i] > 5000) ck_assert_int_eq(hak_owns(block + 4096), 0);
    hak_free(block);
    ck_assert(!CHECKS || !hak_owns(freed));
  }
  ck_assert(!hak_owns(low));
  ck_assert(!hak_owns(hole));
  ck_assert(!hak_owns((void *)(UINTPTR_MAX - 15)));
  ck_assert(!hak_owns((void *)(UINTPTR_MAX / 2 + 1)));
  free(foreign);
  munmap(hole, 1 << 20);
}
END_TEST

START_TEST(test_trim_gives_back) {
  enum { BLOCKS = 300 };
  void *block[BLOCKS];
  struct hak_stats before, after;
  for (int i = 0; i < BLOCKS; i++) {
    block[i] = hak_malloc(60000);
    memset(block[i], 1, 60000);
  }
  void *big = hak_malloc(5 << 20);
  memset(big, 1, 5 << 20);
  hak_free(big);
  for (int i = 0; i < BLOCKS; i++) hak_free(block[i]);
  hak_stats_get(&before, sizeof before);
  ck_assert_uint_ge(before.bigcache_bytes, 5 << 20);
  errno = KEPT;
  ck_assert_int_eq(hak_trim(0), 1);
  ck_assert_int_eq(errno, KEPT);
  hak_stats_get(&after, sizeof after);
  ck_assert_uint_eq(after.bigcache_bytes + after.whale_bytes, 0);
  ck_assert_uint_le(after.dirty_bytes, 256 << 10);
  ck_assert_int_eq(hak_trim(0), 0);
}
END_TEST

START_TEST(test_stats_count) {
  struct hak_stats before, after;
  void *block[100], *huge = NULL;
  ck_assert_uint_eq(hak_stats_get(&before, sizeof before), sizeof before);
  for (int i = 0; i < 100; i++) block[i] = hak_malloc(500);
  void *mid = hak_malloc(20000), *large = hak_malloc(400000);
  huge = hak_malloc(3 << 20);
  hak_stats_get(&after, sizeof after);
  ck_assert_uint_eq(after.tier[HAK_TIER_TINY].requests - before.tier[HAK_TIER_TINY].requests, 100);
  ck_assert_uint_eq(after.tier[HAK_TIER_TINY].live_blocks - before.tier[HAK_TIER_TINY].live_blocks, 100);
  ck_assert_uint_ge(after.tier[HAK_TIER_TINY].live_bytes - before.tier[HAK_TIER_TINY].live_bytes, 50000);
  ck_assert_uint_ge(after.tier[HAK_TIER_TINY].held_bytes, after.tier[HAK_TIER_TINY].live_bytes);
  ck_assert_uint_eq(after.tier[HAK_TIER_MID].requests - before.tier[HAK_TIER_MID].requests, 1);
  ck_assert_uint_eq(after.tier[HAK_TIER_L25].requests - before.tier[HAK_TIER_L25].requests, 1);
  ck_assert_uint_ge(after.tier[HAK_TIER_L25].live_bytes - before.tier[HAK_TIER_L25].live_bytes, 400000);
  ck_assert_uint_eq(after.tier[HAK_TIER_HUGE].requests - before.tier[HAK_TIER_HUGE].requests, 1);
  ck_assert_uint_ge(after.tier[HAK_TIER_HUGE].live_bytes - before.tier[HAK_TIER_HUGE].live_bytes, 3 << 20);
  ck_assert_uint_gt(after.metadata_bytes, 0);
  ck_assert_uint_gt(after.committed_bytes, 0);
  ck_assert_uint_eq(after.heaps, 1);
  for (int i = 0; i < 100; i++) hak_free(block[i]);
  hak_free(mid);
  hak_free(large);
  hak_free(huge);
  hak_stats_get(&after, sizeof after);
  for (int tier = 0; tier < HAK_TIER_COUNT; tier++) {
    ck_assert_uint_eq(after.tier[tier].live_blocks, before.tier[tier].live_blocks);
  }
}
END_TEST

START_TEST(test_stats_of_another_version) {
  struct {
    struct hak_stats stats;
    unsigned char more[32];
  } newer, older;
  memset(&newer, 0xee, sizeof newer);
  memset(&older, 0xee, sizeof older);
  ck_assert_uint_eq(hak_stats_get(&newer.stats, sizeof newer.stats + 16), sizeof newer.stats);
  for (int i = 0; i < 16; i++) ck_assert_uint_eq(newer.more[i], 0);
  ck_assert_uint_eq(newer.more[16], 0xee);
  ck_assert_uint_eq(hak_stats_get(&older.stats, 16), sizeof older.stats);
  ck_assert_uint_eq(((unsigned char *)&older)[15], 0);
  ck_assert_uint_eq(((unsigned char *)&older)[16], 0xee);
  ck_assert_uint_eq(hak_stats_get(NULL, 0), sizeof(struct hak_stats));
}
END_TEST

struct text {
  size_t length;
  char text[65536];
};

/* May allocate, as hakmem.h says. */
static void collect(void *context, const char *piece, size_t size) {
  struct text *text = context;
  ck_assert_uint_lt(text->length + size, sizeof text->text);
  void *copy = hak_malloc(size);
  memcpy(copy, piece, size);
  memcpy(text->text + text->length, copy, size);
  hak_free(copy);
  text->length += size;
  text->text[text->length] = '\0';
}

static struct text printed;

START_TEST(test_print_formats) {
  printed.length = 0;
  ck_assert_int_eq(hak_stats_print(HAK_FORMAT_TEXT, collect, &printed), 0);
  ck_assert_ptr_nonnull(strstr(printed.text, "libhakmem " HAKMEM_VERSION "\n"));
  printed.length = 0;
  ck_assert_int_eq(hak_stats_print(HAK_FORMAT_JSON, collect, &printed), 0);
  ck_assert_int_eq(printed.text[0], '{');
  ck_assert_str_eq(printed.text + printed.length - 2, "}\n");
  printed.length = 0;
  ck_assert_int_eq(hak_stats_print(HAK_FORMAT_XML, collect, &printed), 0);
  ck_assert_ptr_eq(strstr(printed.text, "<malloc version=\"1\">"), printed.text);
  printed.length = 0;
  ck_assert_int_eq(hak_stats_print((enum hak_format)3, collect, &printed), EINVAL);
  ck_assert_int_eq(hak_stats_print((enum hak_format)-1, collect, &printed), EINVAL);
  ck_assert_uint_eq(printed.length, 0);
}
END_TEST

START_TEST(test_print_to_standard_error) {
  char text[32] = "";
  FILE *file = tmpfile();
  int saved = dup(2);
  dup2(fileno(file), 2);
  ck_assert_int_eq(hak_stats_print(HAK_FORMAT_JSON, NULL, NULL), 0);
  dup2(saved, 2);
  close(saved);
  ck_assert_int_gt(pread(fileno(file), text, 11, 0), 0);
  ck_assert_str_eq(text, "{\"version\":");
  fclose(file);
}
END_TEST

START_TEST(test_option_get) {
  char text[256] = "untouched";
  errno = KEPT;
  ck_assert_ptr_eq(hak_option_get("MODE", text, sizeof text), text);
  ck_assert_str_eq(text, "balanced");
  ck_assert_str_eq(hak_option_get("HAKMEM_INVALID_FREE", text, sizeof text), "skip");
  ck_assert_int_eq(errno, KEPT);
  ck_assert_ptr_eq(hak_option_get("MODE", text, 9), text);
  strcpy(text, "untouched");
  FAILS(hak_option_get("MODE", text, 8), ERANGE);
  FAILS(hak_option_get("MODE", NULL, 0), ERANGE);
  FAILS(hak_option_get("NO_SUCH_OPTION", text, sizeof text), EINVAL);
  FAILS(hak_option_get("", text, sizeof text), EINVAL);
  FAILS(hak_option_get(NULL, text, sizeof text), EINVAL);
  ck_assert_str_eq(text, "untouched");
}
END_TEST

START_TEST(test_version) {
  ck_assert_str_eq(hak_version(), HAKMEM_VERSION);
  ck_assert_str_eq(hak_version(), PACKAGE_VERSION);
}
END_TEST

static void *free_all(void *blocks) {
  for (int i = 0; i < SIZES; i++) hak_free(((void **)blocks)[i]);
  return hak_malloc(777);
}

START_TEST(test_blocks_travel_between_threads) {
  pthread_t thread;
  void *block[SIZES], *result = NULL;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < SIZES; i++) block[i] = hak_malloc(sizes[i]);
    ck_assert_int_eq(pthread_create(&thread, NULL, free_all, block), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    for (int i = 0; i < SIZES; i++) ck_assert(!CHECKS || !hak_owns(block[i]));
    ck_assert(hak_owns(result));
    fill(result, 777);
    hak_free(result);
  }
}
END_TEST

START_TEST(test_child_of_fork) {
  void *block = hak_malloc(1000);
  fill(block, 1000);
  pid_t child = fork();
  if (child == 0) {
    block = hak_realloc(block, 100000);
    bool right = block != NULL && filled(block, 1000);
    hak_free(block);
    _exit(right && hak_malloc(50) != NULL ? 0 : 1);
  }
  int status = -1;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  ck_assert(filled(block, 1000));
  hak_free(block);
}
END_TEST

UNIT_MAIN("api", test_malloc_of_all_sizes, test_zero_bytes_are_a_block, test_impossible_sizes,
          test_calloc_is_zero_where_blocks_were_used, test_calloc_multiplies, test_realloc_keeps_contents,
          test_realloc_to_zero_frees, test_realloc_of_a_bad_pointer, test_reallocarray, test_alignments,
          test_bad_alignments, test_posix_memalign, test_free_keeps_errno, test_freed_blocks_are_used_again,
          test_usable_size, test_usable_size_of_a_bad_pointer, test_owns, test_trim_gives_back,
          test_stats_count,
          test_stats_of_another_version, test_print_formats, test_print_to_standard_error, test_option_get,
          test_version, test_blocks_travel_between_threads, test_child_of_fork)
