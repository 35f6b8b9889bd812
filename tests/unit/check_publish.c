/* check_publish.c - the file of figures: slots taken, given back and taken over; what is in them; files that are refused. */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "core.h"
#include "figures.h"
#include "hakmem.h"
#include "heap.h"
#include "message.h"
#include "os_file.h"
#include "process.h"
#include "publish.h"

/* The coarse clock goes on by so many milliseconds with each look at it; 0: it is the kernel's. */
static unsigned clock_step_ms;
int clock_gettime(clockid_t which, struct timespec *now) {
  static uint64_t ms = 1000;
  if (clock_step_ms == 0 || which != CLOCK_MONOTONIC_COARSE) return (int)syscall(SYS_clock_gettime, which, now);
  ms += clock_step_ms;
  *now = (struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
  return 0;
}

static char folder[sizeof "/tmp/hakmem-check_publish.XXXXXX"], path[100];
static void set_up(void) {
  strcpy(folder, "/tmp/hakmem-check_publish.XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/hakmem-figures.%lu", folder, (unsigned long)geteuid());
  setenv("HAKMEM_STATS_DIR", folder, 1);
}
static void tear_down(void) {
  unlink(path);
  rmdir(path);
  rmdir(folder);
}

static struct figures_file *map_file(void) {
  int fd = open(path, O_RDWR);
  ck_assert_int_ge(fd, 0);
  struct figures_file *file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ck_assert_ptr_ne(file, MAP_FAILED);
  close(fd);
  return file;
}
static unsigned slots_of(const struct figures_file *file, pid_t process) {
  unsigned count = 0;
  for (unsigned i = 0; i < FIGURES_SLOTS; i++) count += file->owner[i] == (uint32_t)process;
  return count;
}
static const struct figures_slot *slot_in(const struct figures_file *file, pid_t process) {
  for (unsigned i = 0; i < FIGURES_SLOTS; i++)
    if (file->owner[i] == (uint32_t)process) return &file->slot[i];
  ck_abort_msg("process %d has no slot", (int)process);
}
static void start(void) { require(hak_malloc(1) != NULL); }

START_TEST(nothing_is_published_by_default) {
  unsetenv("HAKMEM_STATS_DIR");
  start();
  ck_assert_ptr_null(publish_slot());
  ck_assert_ptr_null(heap_publish);
}
END_TEST

START_TEST(a_process_is_there_from_its_start) {
  start();
  struct stat status;
  ck_assert_int_eq(stat(path, &status), 0);
  ck_assert_uint_eq(status.st_mode, S_IFREG | 0600);
  ck_assert_uint_eq((uint64_t)status.st_size, sizeof(struct figures_file));
  ck_assert_uint_ge((uint64_t)status.st_blocks * 512, sizeof(struct figures_file));   /* a full disk is no matter later */
  struct figures_file *file = map_file();
  ck_assert(file->magic == FIGURES_MAGIC && file->version == FIGURES_VERSION && file->slots == FIGURES_SLOTS);
  ck_assert_uint_eq(slots_of(file, getpid()), 1);
  const struct figures_slot *slot = slot_in(file, getpid());
  ck_assert_uint_eq(slot->process, (uint32_t)getpid());
  ck_assert_str_eq(slot->program, "check_publish");
  ck_assert_str_eq(slot->release, PACKAGE_VERSION);
  ck_assert_uint_eq(slot->sequence % 2, 0);
  ck_assert(slot->started_ms != 0 && slot->started_ms <= os_now_ms());
}
END_TEST

START_TEST(the_figures_are_those_of_the_process) {
  start();
  clock_step_ms = 1000;   /* each slow path publishes */
  static void *block[3000];
  void *huge = hak_malloc(3 * MIB);
  for (unsigned i = 0; i < 3000; i++) block[i] = hak_malloc(5000);
  for (unsigned i = 0; i < 3000; i += 2) hak_free(block[i]);
  publish_now_and_then();
  static struct figures now;
  figures_collect(&now);
  const struct figures_slot *slot = publish_slot();
  uint64_t live = 0, held = now.metadata_bytes;
  for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
    ck_assert_uint_eq(slot->tier[tier].requests, now.requests[tier]);
    ck_assert_uint_eq(slot->tier[tier].live_blocks, now.live_blocks[tier]);
    ck_assert_uint_eq(slot->tier[tier].live_bytes, now.live_bytes[tier]);
    ck_assert_uint_eq(slot->tier[tier].held_bytes, now.held_bytes[tier]);
    live += now.live_bytes[tier];
    held += now.held_bytes[tier];
  }
  for (unsigned class = 0; class < CLASS_COUNT; class++) ck_assert_uint_eq(slot->class_live[class], now.class[class].live);
  for (unsigned c = 0; c < COUNT_END; c++) ck_assert_uint_eq(slot->counter[c], now.counter[c]);
  ck_assert_uint_eq(slot->live_bytes, live);
  ck_assert_uint_eq(slot->held_bytes, held);
  ck_assert_uint_ge(slot->live_peak, live + 1400 * (uint64_t)5000);   /* before half of them were freed */
  ck_assert_uint_ge(slot->held_peak, slot->held_bytes);
  hak_free(huge);
}
END_TEST

START_TEST(it_is_written_seldom) {
  start();
  static struct heap *heap;
  heap = heap_first();
  unsigned writes = 0;
  uint32_t sequence = publish_slot()->sequence;
  for (unsigned i = 0; i < 20000; i++) {
    heap_tick(heap);
    if (publish_slot()->sequence == sequence) continue;
    sequence = publish_slot()->sequence;
    writes++;
  }
  ck_assert_uint_ge(writes, 10);   /* when the count of slow paths doubles */
  ck_assert_uint_le(writes, 30);
}
END_TEST

/* ---- readers see whole sets */

static bool stop_reading;
static void *read_often(void *failures) {
  struct figures_slot *slot = publish_slot();
  static struct figures_slot copy;
  unsigned reads = 0, bad = 0;
  while (!__atomic_load_n(&stop_reading, __ATOMIC_RELAXED)) {
    uint32_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < sizeof copy / 4; i++)
      ((uint32_t *)&copy)[i] = __atomic_load_n((const uint32_t *)slot + i, __ATOMIC_RELAXED);
    /* As a load behind a fence, which ThreadSanitizer does not know: no load above comes after it. */
    if (before % 2 != 0 || __atomic_fetch_add(&slot->sequence, 0, __ATOMIC_RELEASE) != before) continue;
    uint64_t live = 0;
    for (unsigned tier = 0; tier < TIER_COUNT; tier++) live += copy.tier[tier].live_bytes;
    bad += live != copy.live_bytes;
    reads++;
  }
  require(reads > 0);
  *(unsigned *)failures = bad;
  return NULL;
}
START_TEST(what_is_read_is_one_set) {
  start();
  publish_now_and_then();
  clock_step_ms = 1000;
  pthread_t reader;
  unsigned failures = 1;
  ck_assert_int_eq(pthread_create(&reader, NULL, read_often, &failures), 0);
  static void *block[200];
  uint64_t state = 5;
  for (unsigned i = 0; i < CORE_ROUNDS(20000); i++) {
    unsigned at = core_random(&state) % 200;
    hak_free(block[at]);
    block[at] = hak_malloc(core_random(&state) % 200000);
  }
  __atomic_store_n(&stop_reading, true, __ATOMIC_RELAXED);
  pthread_join(reader, NULL);
  ck_assert_uint_eq(failures, 0);
}
END_TEST

/* A thread that holds the lock of its heap is not waited for. */
START_TEST(no_lock_is_waited_for) {
  start();
  clock_step_ms = 1000;
  publish_now_and_then();
  static struct figures figures;
  lock_acquire(&heap_first()->lock);
  uint32_t sequence = publish_slot()->sequence;
  publish_now_and_then();
  ck_assert(!figures_try_collect(&figures));
  ck_assert_uint_eq(publish_slot()->sequence, sequence);
  lock_release(&heap_first()->lock);
  ck_assert(figures_try_collect(&figures));
  publish_now_and_then();
  ck_assert_uint_ne(publish_slot()->sequence, sequence);
}
END_TEST

/* ---- children, ends, successors */

static struct figures_file *shared;
static void look_as_child(void) {
  require(publish_slot() != NULL);
  require(slots_of(shared, getpid()) == 1 && slots_of(shared, getppid()) == 1);
  require(publish_slot()->process == (uint32_t)getpid());
  hak_free(hak_malloc(100));
}
START_TEST(a_child_has_a_slot_of_its_own) {
  start();
  shared = map_file();
  for (unsigned i = 0; i < 20; i++) {
    pid_t child = fork();
    if (child == 0) {
      look_as_child();
      exit(0);   /* with its destructors: the slot is given back */
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(slots_of(shared, child), 0);
  }
  ck_assert_uint_eq(slots_of(shared, 0), FIGURES_SLOTS - 1);
}
END_TEST

static void be_there(void) { require(publish_slot() != NULL); }
static void be_nowhere(void) {
  require(publish_slot() == NULL);
  hak_free(hak_malloc(100000));
}

START_TEST(those_who_are_killed_stay_until_a_start_finds_no_other) {
  pid_t dead = fork();
  if (dead == 0) _exit(0);
  ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
  ck_assert_int_eq(in_child(start), 0);      /* makes the file */
  shared = map_file();
  for (unsigned i = 0; i < FIGURES_SLOTS; i++) shared->owner[i] = i % 2 ? (uint32_t)dead : 1;
  start();
  ck_assert_ptr_nonnull(publish_slot());
  ck_assert_uint_eq(slots_of(shared, dead), FIGURES_SLOTS / 2 - 1);
  ck_assert_uint_eq(slots_of(shared, 1), FIGURES_SLOTS / 2);
  /* A child takes none over: it would have to ask the kernel. */
  ck_assert_int_eq(in_child(be_nowhere), 0);
  ck_assert_uint_eq(slots_of(shared, dead), FIGURES_SLOTS / 2 - 1);
  shared->owner[7] = 0;
  ck_assert_int_eq(in_child(be_there), 0);
}
END_TEST

START_TEST(a_full_file_is_survived) {
  ck_assert_int_eq(in_child(start), 0);
  shared = map_file();
  for (unsigned i = 0; i < FIGURES_SLOTS; i++) shared->owner[i] = 1;
  start();
  be_nowhere();
  ck_assert_uint_eq(slots_of(shared, 1), FIGURES_SLOTS);
}
END_TEST

START_TEST(what_was_there_before_execve_is_used_again) {
  ck_assert_int_eq(in_child(start), 0);
  shared = map_file();
  shared->owner[500] = (uint32_t)getpid();
  start();
  ck_assert_uint_eq(slots_of(shared, getpid()), 1);
  ck_assert_ptr_nonnull(publish_slot());
  ck_assert_uint_eq(shared->slot[500].process, (uint32_t)getpid());
}
END_TEST

START_TEST(a_slot_that_was_lost_is_not_written_to) {
  start();
  shared = map_file();
  clock_step_ms = 1000;
  struct figures_slot *slot = publish_slot();
  for (unsigned i = 0; i < FIGURES_SLOTS; i++)
    if (shared->owner[i] == (uint32_t)getpid()) shared->owner[i] = 1;
  uint32_t sequence = slot->sequence;
  be_nowhere();
  publish_now_and_then();
  ck_assert_uint_eq(slot->sequence, sequence);
}
END_TEST

/* ---- files that are not to be trusted, or do not fit */

static void start_unpublished(void) {
  setenv("HAKMEM_DEBUG_LEVEL", "0", 1);
  start();
  be_nowhere();
}
static void make_file(mode_t mode, off_t size) {
  int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(ftruncate(fd, size) | fchmod(fd, mode), 0);
  close(fd);
}

START_TEST(other_files_are_refused) {
  char other[120];
  snprintf(other, sizeof other, "%s/other", folder);
  /* What others may read or write. */
  make_file(0644, 0);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  make_file(0622, 0);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  /* A link that somebody has put there: to a file that is to be overwritten. */
  ck_assert_int_eq(rename(path, other), 0);
  ck_assert_int_eq(symlink(other, path), 0);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  unlink(path);
  ck_assert_int_eq(chmod(other, 0600) | link(other, path), 0);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  unlink(path);
  /* What is no file. */
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  unlink(path);
  ck_assert_int_eq(mkdir(path, 0700), 0);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  rmdir(path);
  if (geteuid() == 0) {
    make_file(0600, 0);
    ck_assert_int_eq(chown(path, 65534, 65534), 0);
    ck_assert_int_eq(in_child(start_unpublished), 0);
    unlink(path);
  }
  struct stat status;
  ck_assert_int_eq(stat(other, &status), 0);
  ck_assert_int_eq((int)status.st_size, 0);
  unlink(other);
}
END_TEST

START_TEST(another_version_is_left_alone) {
  make_file(0600, (off_t)sizeof(struct figures_file) + 1);
  ck_assert_int_eq(in_child(start_unpublished), 0);
  make_file(0600, 0);
  ck_assert_int_eq(in_child(start), 0);
  shared = map_file();
  shared->version++;
  ck_assert_int_eq(in_child(start_unpublished), 0);
  shared->version--;
  shared->magic ^= 1;
  ck_assert_int_eq(in_child(start_unpublished), 0);
  shared->magic ^= 1;
  ck_assert_int_eq(in_child(start), 0);
}
END_TEST

static void start_with_small_files(void) {
  const struct rlimit small = { 1000, 1000 };
  require(setrlimit(RLIMIT_FSIZE, &small) == 0);
  start_unpublished();
}
static void start_without_folder(void) {
  setenv("HAKMEM_STATS_DIR", "/nowhere/at/all", 1);
  start_unpublished();
}
START_TEST(limits_are_survived) {
  ck_assert_int_eq(in_child(start_with_small_files), 0);
  ck_assert_int_eq(in_child(start_without_folder), 0);
}
END_TEST

UNIT_MAIN_WITH("publish", set_up, tear_down, nothing_is_published_by_default, a_process_is_there_from_its_start,
               the_figures_are_those_of_the_process, it_is_written_seldom, what_is_read_is_one_set,
               no_lock_is_waited_for, a_child_has_a_slot_of_its_own,
               those_who_are_killed_stay_until_a_start_finds_no_other, a_full_file_is_survived,
               what_was_there_before_execve_is_used_again, a_slot_that_was_lost_is_not_written_to,
               other_files_are_refused, another_version_is_left_alone, limits_are_survived)
