/* fork.c - handlers that keep every lock consistent over fork(). */
#include <config.h>
#include <pthread.h>
#include "fork.h"
#include "ace.h"
#include "heap.h"
#include "huge.h"
#include "limit.h"
#include "mapping_cache.h"
#include "metadata.h"
#include "os.h"
#include "profile.h"
#include "profile_table.h"
#include "publish.h"
#include "superslab.h"
#include "thread.h"
#include "trace.h"

/* In order of rank; released in the opposite one. */
static const struct {
  void (*prepare)(void);
  void (*release)(bool child);
} modules[] = {
  { profile_fork_prepare, profile_fork_release },
  { heap_fork_prepare, heap_fork_release },           { abandoned_fork_prepare, abandoned_fork_release },
  { superslab_fork_prepare, superslab_fork_release }, { huge_fork_prepare, huge_fork_release },
  { mapping_cache_fork_prepare, mapping_cache_fork_release },
  { registry_fork_prepare, registry_fork_release },   { metadata_fork_prepare, metadata_fork_release },
  { os_fork_prepare, os_fork_release },
  { profile_table_fork_prepare, profile_table_fork_release },
};
enum { MODULE_COUNT = sizeof modules / sizeof modules[0] };

static void prepare(void) {
  for (unsigned i = 0; i < MODULE_COUNT; i++) modules[i].prepare();
}

static void release(bool child) {
  for (unsigned i = MODULE_COUNT; i-- > 0;) modules[i].release(child);
}

static void in_parent(void) { release(false); }

static void in_child(void) {
  release(true);
  limit_fork_child();
  ace_fork_child();
  trace_fork_child();
  thread_fork_child();
  publish_fork_child();
}

/* Ours are registered first, so that prepare runs last and the others first: handlers of the program may allocate. */
bool fork_register(void) { return pthread_atfork(prepare, in_parent, in_child) == 0; }
