/* publish.c - see publish.h. */
#include <config.h>
#include "publish.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include "figures.h"
#include "heap.h"
#include "message.h"
#include "options.h"
#include "os.h"
#include "os_file.h"
#include "thread.h"

enum {
  INTERVAL_MS = 100,
  /* A large heap takes long to walk: a millisecond more between two walks for each so many slabs. */
  SLABS_PER_MS = 100,
  /* Up to here also each time that the count of slow paths has doubled: a process may sleep for ever after a few. */
  EARLY_EVENTS = 1 << 16
};
_Static_assert((int)FIGURES_TIERS == (int)TIER_COUNT, "the file has all tiers");
_Static_assert((int)CLASS_COUNT <= (int)FIGURES_CLASSES_MAX, "the file has all classes");
_Static_assert((int)COUNT_END <= (int)FIGURES_COUNTERS_MAX, "the file has all counters");
_Static_assert((int)PLACE_COUNT == (int)FIGURES_PLACES && (int)TALLY_END <= (int)FIGURES_TALLIES_MAX, "the file has all tallies");

static HAK_CONSTANT struct figures_file *file;   /* the mapping; NULL: nothing is published */
/* The word of the slot that is ours, NULL: none. Atomic: changes in the child of fork and at exit. */
static uint32_t *own_owner;
static uint32_t own_process;   /* its value; changes in the child of fork */
static uint64_t next_ms;       /* racy: a stale value costs a walk too many */
static uint32_t events;        /* racy: a lost one does not matter */
static uint32_t busy;          /* atomic, 1: a thread has collected and filling in its hands */
static HAK_SPARSE struct figures collected;
static HAK_SPARSE struct figures_slot filling;

/* ---- slots */

/* A free word, else (may_ask) that of a process that is gone. */
static uint32_t *claim(uint32_t process, bool may_ask) {
  for (unsigned round = 0; round < (may_ask ? 2 : 1); round++)
    for (uint32_t i = 0; i < FIGURES_SLOTS; i++) {
      uint32_t *owner = &file->owner[(process + i) % FIGURES_SLOTS];
      uint32_t found = __atomic_load_n(owner, __ATOMIC_RELAXED);
      if (found != 0 && (round == 0 || os_process_exists((int)found))) continue;
      if (__atomic_compare_exchange_n(owner, &found, process, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return owner;
    }
  return NULL;
}

/* What a program that this one has replaced by execve(2) has left behind. */
static uint32_t *find_left_behind(uint32_t process) {
  for (uint32_t i = 0; i < FIGURES_SLOTS; i++)
    if (__atomic_load_n(&file->owner[i], __ATOMIC_RELAXED) == process) return &file->owner[i];
  return NULL;
}

static uint32_t *own_word(void) { return __atomic_load_n(&own_owner, __ATOMIC_ACQUIRE); }

struct figures_slot *publish_slot(void) {
  uint32_t *owner = own_word();
  if (owner == NULL || __atomic_load_n(owner, __ATOMIC_RELAXED) != own_process) return NULL;
  return &file->slot[owner - file->owner];
}

/* Copies filling, all but the sequence. Readers see all of it or try again. */
static void write_slot(struct figures_slot *slot) {
  enum { WORDS = sizeof *slot / sizeof(uint32_t) };
  uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) | 1, from[WORDS];
  memcpy(from, &filling, sizeof from);
  __atomic_store_n(&slot->sequence, sequence, __ATOMIC_RELAXED);
  /* Release, each of them: whoever sees one (acquire) sees the odd sequence too. A fence would do, but ThreadSanitizer
     knows none. */
  for (unsigned i = 1; i < WORDS; i++) __atomic_store_n((uint32_t *)slot + i, from[i], __ATOMIC_RELEASE);
  __atomic_store_n(&slot->sequence, sequence + 1, __ATOMIC_RELEASE);
}

/* ---- figures */

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static void fill(const struct figures *figures) {
  filling.live_bytes = 0;
  filling.held_bytes = filling.metadata_bytes = figures->metadata_bytes;
  for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
    filling.tier[tier].requests = figures->requests[tier];
    filling.tier[tier].live_blocks = figures->live_blocks[tier];
    filling.tier[tier].live_bytes = figures->live_bytes[tier];
    filling.tier[tier].held_bytes = figures->held_bytes[tier];
    filling.live_bytes += figures->live_bytes[tier];
    filling.held_bytes += figures->held_bytes[tier];
  }
  filling.live_peak = larger(filling.live_peak, filling.live_bytes);
  filling.held_peak = larger(filling.held_peak, filling.held_bytes);
  for (unsigned class = 0; class < CLASS_COUNT; class++) {
    uint64_t live = figures->class[class].live;
    filling.class_live[class] = live > UINT32_MAX ? UINT32_MAX : (uint32_t)live;
  }
  memcpy(filling.counter, figures->counter, sizeof figures->counter);
  for (unsigned place = 0; place < PLACE_COUNT; place++)
    memcpy(filling.tally[place], figures->tally[place], sizeof figures->tally[place]);
  memcpy(filling.steering, figures->steering, sizeof figures->steering);
}

static uint64_t slabs_of(const struct figures *figures) {
  uint64_t slabs = 0;
  for (unsigned class = 0; class < CLASS_COUNT; class++) slabs += figures->class[class].slabs;
  return slabs;
}

static void publish(uint64_t now_ms) {
  if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE) != 0) return;
  struct figures_slot *slot = publish_slot();
  if (slot != NULL && figures_try_collect(&collected)) {
    fill(&collected);
    filling.updated_ms = now_ms;
    write_slot(slot);
    store_racy(&next_ms, now_ms + INTERVAL_MS + slabs_of(&collected) / SLABS_PER_MS);
  }
  __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

/* heap_publish: on each slow path. */
void publish_now_and_then(void) {
  uint32_t count = load_racy(&events);
  bool early = false;
  if (count < EARLY_EVENTS) {
    store_racy(&events, count + 1);
    early = (count & (count + 1)) == 0;   /* 1, 2, 4, 8, ... */
  }
  uint64_t now_ms = os_now_ms();
  if (early || now_ms >= load_racy(&next_ms)) publish(now_ms);
}

/* ---- start, fork, end */

/* The errors that say something of this process and its surroundings, not of the folder. The folder that the file names
   for all programs may not be there yet: those that start a machine are among them, and whoever runs in a root of
   its own. */
static bool is_restriction(int error) {
  if (error == ENOENT || error == ENOTDIR) return option_stats_dir_from_file;
  return error == EPERM || error == EACCES || error == EROFS || error == ENOSYS || error == EMFILE ||
         error == ENFILE || error == EFBIG;
}

static void complain(const char *path, const char *problem, int error) {
  message_print(is_restriction(error) ? MESSAGE_INFO : MESSAGE_ERROR,
                "%s: %s (errno %d); no figures are published",
                path, problem, error);
}

/* Ours alone, of the right size with all its blocks there: neither a link that somebody has put in a folder
   where all may write, nor a full file system, can make a store into it fail. */
static void *open_file(const char *path) {
  struct os_file_status status;
  int error, fd = os_open_own(path);
  void *mapping = NULL;
  if (fd < 0) {
    complain(path, "cannot be opened", -fd);
    return NULL;
  }
  if (!os_file_status(fd, &status) || !status.regular || status.links != 1 ||
      status.owner != getauxval(AT_EUID) || (status.permissions & 077) != 0)
    complain(path, "is not a file of this user's alone", 0);
  else if (status.size > sizeof *file)
    complain(path, "is not a file of this version", 0);
  else if (!os_may_be_so_large(sizeof *file))
    complain(path, "is larger than this process may write", EFBIG);
  else if ((error = os_allocate(fd, sizeof *file)) != 0)
    complain(path, "has no room", error);
  else if ((mapping = os_map_file(fd, sizeof *file)) == NULL)
    complain(path, "cannot be mapped", ENOMEM);
  os_close(fd);
  return mapping;
}

/* Those who find a new file all write the same. */
static bool is_this_version(struct figures_file *mapping) {
  if (__atomic_load_n(&mapping->magic, __ATOMIC_ACQUIRE) == 0) {
    mapping->version = FIGURES_VERSION;
    mapping->slots = FIGURES_SLOTS;
    mapping->tiers = TIER_COUNT;
    mapping->classes = CLASS_COUNT;
    mapping->counters = COUNT_END;
    __atomic_store_n(&mapping->magic, FIGURES_MAGIC, __ATOMIC_RELEASE);
  }
  return mapping->magic == FIGURES_MAGIC && mapping->version == FIGURES_VERSION &&
         mapping->slots == FIGURES_SLOTS && mapping->tiers == TIER_COUNT && mapping->classes == CLASS_COUNT && mapping->counters == COUNT_END;
}

/* With own_process set. The first entry of the slot tells who it is. */
static void take_slot(uint32_t *owner) {
  __atomic_store_n(&own_owner, owner, __ATOMIC_RELEASE);
  if (owner == NULL) return;
  filling.process = own_process;
  filling.started_ms = filling.updated_ms = os_now_ms();
  write_slot(&file->slot[owner - file->owner]);
}

void publish_start(void) {
  char path[OPTION_PATH_MAX + sizeof FIGURES_FILE_NAME + 20];
  if (option_stats_dir[0] == '\0') return;
  message_format(path, sizeof path, "%s/" FIGURES_FILE_NAME "%lu", option_stats_dir, getauxval(AT_EUID));
  file = open_file(path);
  if (file == NULL) return;
  if (!is_this_version(file)) {
    complain(path, "is not a file of this version", 0);
    return;
  }
  message_format(filling.program, sizeof filling.program, "%s", message_program());
  message_format(filling.release, sizeof filling.release, "%s", PACKAGE_VERSION);
  own_process = (uint32_t)os_getpid();
  uint32_t *owner = find_left_behind(own_process);
  if (owner == NULL) owner = claim(own_process, true);
  if (owner == NULL) message_print(MESSAGE_INFO, "%s: all places are taken; no figures are published", path);
  take_slot(owner);
  heap_publish = publish_now_and_then;
}

/* A new process has a new id, and asking for it would be a system call, which a filter may answer with death.
   But glibc knows it, and says so to whoever locks a mutex that remembers its owner. */
static uint32_t process_after_fork(void) {
#ifdef __GLIBC__
  pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  pthread_mutex_lock(&mutex);
  uint32_t process = (uint32_t)mutex.__data.__owner;
  pthread_mutex_unlock(&mutex);
  return process;
#else
  return (uint32_t)os_getpid();
#endif
}

/* What the parent has published is a good guess: its memory is the child's too. */
void publish_fork_child(void) {
  if (heap_publish == NULL) return;
  __atomic_store_n(&busy, 0, __ATOMIC_RELAXED);
  own_process = process_after_fork();
  events = 0;
  take_slot(own_process == 0 ? NULL : claim(own_process, false));
}

/* Not after execve(2) or a signal: what is left behind then is taken over. */
__attribute__((destructor)) static void publish_end(void) {
  uint32_t *owner = own_word(), process = own_process;
  __atomic_store_n(&own_owner, NULL, __ATOMIC_RELEASE);
  if (owner == NULL) return;
  __atomic_compare_exchange_n(owner, &process, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}
