/* check_allocator_parked.c - allocator.c, remote.c: blocks whose pages have gone back while others of their
   slab are in use. */
#include <config.h>

#include <sys/syscall.h>

#include "align.h"
#include "core.h"
#include "hakmem.h"
#include "thread.h"

/* Through a volatile one: the compiler would warn of what is done here on purpose. */
static void (*volatile give)(void *) = hak_free;

enum { COUNT = 20000, SIZE = 200, KEPT_EACH = 512 };
static char *block[COUNT];   /* those that are freed, and parked, too */

static bool is_kept(unsigned i) { return i % KEPT_EACH == 0; }

/* Many blocks, nearly all of which are freed; their pages go back. */
static void park(void) {
  for (unsigned i = 0; i < COUNT; i++) {
    block[i] = hak_malloc(SIZE);
    require(block[i] != NULL);
    memset(block[i], 'x', SIZE);
  }
  for (unsigned i = 0; i < COUNT; i++)
    if (!is_kept(i)) give(block[i]);
  hak_trim(0);
}
static void start(void) {
  core_watch_process();
  park();
}

static bool is_parked(const char *p) {
  struct registry_entry entry = registry_lookup(p);
  return entry.owner != OWNER_NONE && slab_is_parked(entry.slab, p);
}
/* The next parked block from *i on; there must be one. */
static char *next_parked(unsigned *i) {
  while (*i < COUNT && (is_kept(*i) || !is_parked(block[*i]))) ++*i;
  require(*i < COUNT);
  return block[(*i)++];
}
static uint64_t invalid(void) { return counter_get(COUNT_INVALID_FREES); }

static void expect_double_frees(unsigned count) {
  unsigned i = 0;
  for (unsigned n = 0; n < count; n++) {
    char *p = next_parked(&i);
    uint64_t before = invalid();
    give(p);
    ck_assert_uint_eq(invalid(), before + 1);
    ck_assert_uint_eq(hak_usable_size(p), 0);
    ck_assert_ptr_null(hak_realloc(p, 2 * SIZE));
    ck_assert(!hak_owns(p));
  }
}

static void expect_whole(void) {
  for (unsigned i = 0; i < COUNT; i += KEPT_EACH) require(all_bytes(block[i], SIZE, 'x'));
  enum { NEXT = 12000 };
  static char *p[NEXT];
  for (unsigned i = 0; i < NEXT; i++) {
    p[i] = hak_malloc(SIZE);
    require(p[i] != NULL);
    memset(p[i], (int)(i % 251), SIZE);
  }
  for (unsigned i = 0; i < NEXT; i++) require(all_bytes(p[i], SIZE, (int)(i % 251)));
  for (unsigned i = 0; i < NEXT; i++) give(p[i]);
  for (unsigned i = 0; i < COUNT; i += KEPT_EACH) require(all_bytes(block[i], SIZE, 'x'));
}

START_TEST(a_second_free_by_the_owner_is_recognised) {
  skip_if(os_page_size >= UNIT_SIZE, "a slab of one unit is one page");
  skip_if(!CHECKS, "built without checks");
  expect_double_frees(1000);
  expect_whole();
}
END_TEST

static void *free_again(void *unused) {
  expect_double_frees(1000);
  return unused;
}
START_TEST(a_second_free_by_another_thread_is_recognised) {
  skip_if(os_page_size >= UNIT_SIZE, "a slab of one unit is one page");
  skip_if(!CHECKS, "built without checks");
  in_thread(free_again, NULL);
  expect_whole();
}
END_TEST

static void *park_and_end(void *unused) {
  park();
  return unused;
}
START_TEST(a_second_free_after_the_thread_s_end_is_recognised) {
  skip_if(os_page_size >= UNIT_SIZE, "a slab of one unit is one page");
  skip_if(!CHECKS, "built without checks");
  in_thread(park_and_end, NULL);
  expect_double_frees(500);
  expect_whole();   /* adopts them */
  unsigned i = 0;
  while (i < COUNT && (is_kept(i) || !is_parked(block[i]))) i++;
  if (i < COUNT) expect_double_frees(1);
}
END_TEST

START_TEST(the_page_of_a_parked_block_is_not_touched) {
  skip_if(os_page_size >= UNIT_SIZE, "a slab of one unit is one page");
  skip_if(!CHECKS, "built without checks");
  unsigned i = 0, pages = 0;
  unsigned char there;
  for (unsigned n = 0; n < 2000; n++) {
    char *page = (char *)align_down((uintptr_t)next_parked(&i), os_page_size);
    give(block[i - 1]);
    require(syscall(SYS_mincore, page, os_page_size, &there) == 0);
    pages += there & 1;
  }
  ck_assert_uint_eq(pages, 0);
}
END_TEST

START_TEST(calloc_of_what_was_parked_is_zero) {
  for (unsigned i = 0; i < COUNT; i++) {
    unsigned char *p = hak_calloc(1, SIZE);
    require(p != NULL && all_bytes(p, SIZE, 0));
    memset(p, 'y', SIZE);
  }
}
END_TEST

START_TEST(frees_of_blocks_beside_parked_pages_arrive) {
  for (unsigned i = 0; i < COUNT; i += KEPT_EACH) give(block[i]);
  ck_assert_uint_eq(invalid(), 0);
  hak_trim(0);
  ck_assert_uint_eq(counter_get(COUNT_PARKED_BYTES), 0);   /* the slabs have gone */
}
END_TEST

static void in_the_child(void) {
  if (CHECKS) expect_double_frees(100);
  expect_whole();
  for (unsigned i = 0; i < COUNT; i += KEPT_EACH) give(block[i]);
}
START_TEST(a_forked_child_has_them_too) {
  skip_if(os_page_size >= UNIT_SIZE, "a slab of one unit is one page");
  ck_assert_int_eq(in_child(in_the_child), 0);
  expect_whole();
}
END_TEST

/* A thread parks and takes again without end while children are forked: their copies are whole wherever it is
   cut off. */
static bool enough;
static char *theirs[COUNT];
static void *park_for_ever(void *unused) {
  uint64_t seed = 5;
  while (!__atomic_load_n(&enough, __ATOMIC_RELAXED)) {
    for (unsigned i = 0; i < 3000; i++)
      if (theirs[i] == NULL) theirs[i] = hak_malloc(SIZE);
    for (unsigned i = 0; i < 3000; i++)
      if (core_random(&seed) % 64 != 0) {
        give(theirs[i]);
        theirs[i] = NULL;
      }
    hak_trim(0);
  }
  return unused;
}
START_TEST(children_are_forked_while_a_thread_parks) {
  skip_if(CORE_TSAN, "threads of a forked child under ThreadSanitizer");
  pthread_t thread;
  require(pthread_create(&thread, NULL, park_for_ever, NULL) == 0);
  for (int i = 0; i < CORE_ROUNDS(100); i++) ck_assert_int_eq(in_child(expect_whole), 0);
  __atomic_store_n(&enough, true, __ATOMIC_RELAXED);
  require(pthread_join(thread, NULL) == 0);
}
END_TEST

UNIT_MAIN_WITH("allocator_parked", start, NULL, a_second_free_by_the_owner_is_recognised,
               a_second_free_by_another_thread_is_recognised,
               a_second_free_after_the_thread_s_end_is_recognised, the_page_of_a_parked_block_is_not_touched,
               calloc_of_what_was_parked_is_zero, frees_of_blocks_beside_parked_pages_arrive,
               a_forked_child_has_them_too, children_are_forked_while_a_thread_parks)
