/* interpose_info.c - mallopt, mallinfo and the others that ask or advise. Layer 11.

   With HAKMEM_FORCE_LIBC_ALLOC=1 they ask and advise the C library. */
#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "allocator.h"
#include "interpose.h"
#include "os.h"
#include "report.h"

/* The C library's function of that name when it serves the requests, else NULL. */
static void *forwarded(void **found, const char *name) {
  allocator_start();
  return unlikely(allocator_is_libc()) ? interpose_next(found, name) : NULL;
}

enum { MXFAST_MAX = 80 * sizeof(size_t) / 4 };   /* what glibc takes */

/* What can be set here is set by HAKMEM_* options: every parameter is accepted and none has an effect. As
   in glibc 2.36 only M_MXFAST is checked, and unknown parameters are accepted too. */
INTERPOSED int mallopt(int parameter, int value) {
  static void *found;
  int (*next)(int, int) = (int (*)(int, int))forwarded(&found, "mallopt");
  if (next != NULL) return next(parameter, value);
  return parameter != M_MXFAST || (value >= 0 && value <= MXFAST_MAX);
}

INTERPOSED int malloc_trim(size_t keep) {
  static void *found;
  int (*next)(size_t) = (int (*)(size_t))forwarded(&found, "malloc_trim");
  return next != NULL ? next(keep) : allocator_trim(keep);
}

/* Blocks that are free in slabs: what glibc calls ordinary ones. */
static uint64_t free_blocks(const struct figures *figures) {
  uint64_t blocks = 0;
  for (int class = 0; class < CLASS_COUNT; class++) {
    uint64_t capacity = figures->class[class].slabs * size_classes[class].capacity;
    if (capacity > figures->class[class].live) blocks += capacity - figures->class[class].live;
  }
  return blocks;
}

/* arena: held for Tiny, Mid and L2.5 blocks, uordblks of them in use, fordblks not. hblks and hblkhd: huge
   blocks. keepcost: what malloc_trim would give back. */
static struct mallinfo2 collect(void) {
  struct figures figures;
  figures_collect(&figures);
  uint64_t held = 0, live = 0;
  for (int tier = TIER_TINY; tier < TIER_HUGE; tier++) {
    held += figures.held_bytes[tier];
    live += figures.live_bytes[tier];
  }
  const uint64_t *counter = figures.counter;
  return (struct mallinfo2){
    .arena = (size_t)held,
    .ordblks = (size_t)free_blocks(&figures),
    .hblks = (size_t)figures.live_blocks[TIER_HUGE],
    .hblkhd = (size_t)figures.live_bytes[TIER_HUGE],
    .uordblks = (size_t)live,
    .fordblks = (size_t)(held > live ? held - live : 0),
    .keepcost =
      (size_t)(counter[COUNT_DIRTY_BYTES] + counter[COUNT_BIGCACHE_BYTES] + counter[COUNT_WHALE_BYTES]),
  };
}

INTERPOSED struct mallinfo2 mallinfo2(void) {
  static void *found;
  struct mallinfo2 (*next)(void) = (struct mallinfo2 (*)(void))forwarded(&found, "mallinfo2");
  return next != NULL ? next() : collect();
}

/* Wraps at 2^32, as glibc's. */
INTERPOSED struct mallinfo mallinfo(void) {
  struct mallinfo2 wide = mallinfo2();
  return (struct mallinfo){
    .arena = (int)wide.arena,
    .ordblks = (int)wide.ordblks,
    .smblks = (int)wide.smblks,
    .hblks = (int)wide.hblks,
    .hblkhd = (int)wide.hblkhd,
    .usmblks = (int)wide.usmblks,
    .fsmblks = (int)wide.fsmblks,
    .uordblks = (int)wide.uordblks,
    .fordblks = (int)wide.fordblks,
    .keepcost = (int)wide.keepcost,
  };
}

static void to_stderr(void *context, const char *text, size_t size) {
  (void)context;
  os_write(2, text, size);
}

INTERPOSED void malloc_stats(void) {
  static void *found;
  void (*next)(void) = (void (*)(void))forwarded(&found, "malloc_stats");
  if (next != NULL) {
    next();
  } else {
    report_write(REPORT_TEXT, to_stderr, NULL);
  }
}

static void to_stream(void *context, const char *text, size_t size) { fwrite(text, 1, size, context); }

/* The stream is the caller's, and may allocate; the figures were collected before. */
INTERPOSED int malloc_info(int options, FILE *stream) {
  static void *found;
  int (*next)(int, FILE *) = (int (*)(int, FILE *))forwarded(&found, "malloc_info");
  if (next != NULL) return next(options, stream);
  if (options != 0) return EINVAL;
  report_write(REPORT_XML, to_stream, stream);
  return 0;
}
