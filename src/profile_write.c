/* profile_write.c - what has been sampled, as files. */
#include <config.h>
#include "profile_write.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include "message.h"
#include "os.h"
#include "profile.h"
#include "profile_draw.h"
#include "profile_file.h"
#include "profile_table.h"
#include "thread.h"

enum { NAME_MAX_BYTES = 400, PATIENCE_MS = 10000 };
static uintptr_t writer;   /* atomic: the thread that writes one, 0: nobody */

/* For %llu on all machines. */
static unsigned long long wide(uint64_t value) { return value; }

static void put_figures(struct profile_file *file, const char *before, const struct profile_figures *figures) {
  profile_file_put(file, "%s%llu: %llu [%llu: %llu] @", before, wide(figures->live_count), wide(figures->live_bytes),
                   wide(figures->total_count), wide(figures->total_bytes));
}

/* One line for each site. A site has blocks of one size: so its samples all stand for as many requests, and what
   readers make of their average is exact. */
static int put_heap(struct profile_file *file, bool try) {
  struct profile_totals totals;
  struct profile_figures figures;
  struct profile_stack stack;
  if (!profile_table_totals(&totals, try)) return EAGAIN;
  put_figures(file, "heap profile: ", &totals.figures);
  profile_file_put(file, " heap_v2/%llu\n", wide(profile_rate()));
  uint32_t i = 0;
  for (; profile_table_site(i, &figures, &stack, try); i++) {
    put_figures(file, "", &figures);
    for (unsigned j = 0; j < stack.depth; j++) profile_file_put(file, " 0x%llx", wide(stack.frame[j]));
    profile_file_put(file, "%s\n", stack.depth == 0 ? " 0x1" : "");
  }
  profile_file_put(file, "\nMAPPED_LIBRARIES:\n");
  profile_file_copy(file, "/proc/self/maps");
  return i < totals.sites ? EAGAIN : 0;
}

/* What is behind the last slash. */
static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

void profile_name(char *text, size_t size, uintptr_t address) {
  Dl_info info;
  address--;   /* of the call */
  if (dladdr((void *)address, &info) == 0 || info.dli_fname == NULL)
    message_format(text, size, "0x%llx", wide(address));
  else if (info.dli_sname != NULL)
    message_format(text, size, "%s", info.dli_sname);
  else
    message_format(text, size, "%s+0x%llx", base_name(info.dli_fname), wide(address - (uintptr_t)info.dli_fbase));
}

/* The outermost frame first, and what is live now, in bytes. */
static int put_folded(struct profile_file *file) {
  struct profile_figures figures;
  struct profile_stack stack;
  char name[NAME_MAX_BYTES];
  for (uint32_t i = 0; profile_table_site(i, &figures, &stack, false); i++) {
    if (figures.live_count == 0) continue;
    for (unsigned j = stack.depth; j-- > 0;) {
      profile_name(name, sizeof name, stack.frame[j]);
      profile_file_put(file, "%s%s", name, j > 0 ? ";" : " ");
    }
    profile_file_put(file, "%s%llu\n", stack.depth == 0 ? "(other) " : "",
                     wide(profile_scale(figures.live_bytes, figures.live_count, figures.live_bytes, profile_rate())));
  }
  return 0;
}

static bool is_folded(const char *path) {
  static const char suffix[] = ".folded";
  size_t length = strlen(path);
  return length >= sizeof suffix - 1 && strcmp(path + length - (sizeof suffix - 1), suffix) == 0;
}

static int write_it(const char *path, enum profile_wait wait) {
  struct profile_file file;
  if (!profile_file_open(&file, path)) return file.error;
  int error = is_folded(path) ? put_folded(&file) : put_heap(&file, wait == PROFILE_IN_HANDLER);
  if (error != 0) file.error = error;
  return profile_file_close(&file);
}

/* Nobody waits for ever: who writes may be what a handler of a signal interrupted here, or left for good, or may wait for
   the reader of a pipe. */
static int take_turn(enum profile_wait wait) {
  uintptr_t me = thread_id(), other = 0;
  if (profile_is_here()) return wait == PROFILE_WAITS ? EDEADLK : EAGAIN;
  uint64_t until = 0;
  while (!__atomic_compare_exchange_n(&writer, &other, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    if (wait != PROFILE_WAITS) return EAGAIN;
    if (other == me) return EDEADLK;
    if (until == 0) until = os_now_ms() + PATIENCE_MS;
    else if (os_now_ms() >= until) return EBUSY;
    other = 0;
    os_yield();
  }
  return 0;
}

int profile_write(const char *path, enum profile_wait wait) {
  if (wait == PROFILE_IN_HANDLER && is_folded(path)) return EAGAIN;   /* the loader may be what was interrupted */
  int error = take_turn(wait);
  if (error != 0) return error;
  error = write_it(path, wait);
  __atomic_store_n(&writer, 0, __ATOMIC_RELEASE);
  return error;
}

/* Who was at it is not here, its file is the parent's. */
void profile_write_fork_child(void) { __atomic_store_n(&writer, 0, __ATOMIC_RELAXED); }
