/* hak_api.c - the public functions. Layer 11; hakmem.h says what each promises.

   These, like the interposer's, are the only ones that set errno. hak_malloc and hak_free are leaves: what
   needs a frame is in functions that they end in. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "hakmem.h"
#include "allocator.h"
#include "fast_path.h"
#include "options.h"
#include "os.h"
#include "profile.h"
#include "profile_draw.h"
#include "profile_run.h"
#include "report.h"

static HAK_COLD void *fail(int error) {
  errno = error;
  return NULL;
}

/* What hak_malloc ends in when the fast path has no block. */
static HAK_NOINLINE void *malloc_slow(size_t size) {
  void *block = allocator_malloc(size);
  return likely(block != NULL) ? block : fail(ENOMEM);
}

void *hak_malloc(size_t size) { return fast_malloc(size, malloc_slow); }

void hak_free(void *p) { fast_free(p); }

void hak_free_sized(void *p, size_t size) {
  (void)size;
  fast_free(p);
}

void hak_free_aligned_sized(void *p, size_t alignment, size_t size) {
  (void)alignment;
  (void)size;
  fast_free(p);
}

void *hak_calloc(size_t count, size_t size) {
  void *block = allocator_calloc(count, size);
  return likely(block != NULL) ? block : fail(ENOMEM);
}

static void *resize(void *p, size_t size) {
  if (unlikely(size == 0) && p != NULL) {
    allocator_free(p);
    return NULL;
  }
  bool bad = false;
  void *block = allocator_realloc(p, size, &bad);
  return likely(block != NULL) ? block : fail(bad ? EINVAL : ENOMEM);
}

void *hak_realloc(void *p, size_t size) { return resize(p, size); }

void *hak_reallocarray(void *p, size_t count, size_t size) {
  size_t total;
  if (unlikely(__builtin_mul_overflow(count, size, &total))) return fail(ENOMEM);
  return resize(p, total);
}

static void *aligned(size_t alignment, size_t size) {
  if (unlikely(!is_power_of_two(alignment))) return fail(EINVAL);
  void *block = allocator_aligned(alignment, size);
  return likely(block != NULL) ? block : fail(ENOMEM);
}

void *hak_aligned_alloc(size_t alignment, size_t size) { return aligned(alignment, size); }
void *hak_memalign(size_t alignment, size_t size) { return aligned(alignment, size); }

int hak_posix_memalign(void **block, size_t alignment, size_t size) {
  if (unlikely(!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)) return EINVAL;
  /* With HAKMEM_FORCE_LIBC_ALLOC=1 it is the C library that fails, and sets errno. */
  int saved_errno = errno;
  void *found = allocator_aligned(alignment, size);
  errno = saved_errno;
  if (unlikely(found == NULL)) return ENOMEM;
  *block = found;
  return 0;
}

size_t hak_usable_size(const void *p) { return allocator_usable_size(p); }
int hak_owns(const void *p) { return allocator_owns(p); }
int hak_trim(size_t keep) { return allocator_trim(keep); }

static void stats_fill(struct hak_stats *stats, const struct figures *figures) {
  for (int tier = 0; tier < HAK_TIER_COUNT; tier++) {
    stats->tier[tier].requests = figures->requests[tier];
    stats->tier[tier].live_blocks = figures->live_blocks[tier];
    stats->tier[tier].live_bytes = figures->live_bytes[tier];
    stats->tier[tier].held_bytes = figures->held_bytes[tier];
  }
  const uint64_t *counter = figures->counter;
  stats->committed_bytes = counter[COUNT_COMMITTED_BYTES];
  stats->dirty_bytes = counter[COUNT_DIRTY_BYTES];
  stats->metadata_bytes = figures->metadata_bytes;
  stats->bigcache_bytes = counter[COUNT_BIGCACHE_BYTES];
  stats->bigcache_hits = counter[COUNT_BIGCACHE_HITS];
  stats->whale_bytes = counter[COUNT_WHALE_BYTES];
  stats->whale_hits = counter[COUNT_WHALE_HITS];
  stats->mappings_made = counter[COUNT_MAPPINGS_MADE];
  stats->mappings_gone = counter[COUNT_MAPPINGS_GONE];
  stats->purge_calls = counter[COUNT_PURGE_CALLS];
  stats->purged_bytes = counter[COUNT_PURGED_BYTES];
  stats->remote_frees = counter[COUNT_REMOTE_FREES];
  stats->remote_batches = counter[COUNT_REMOTE_BATCHES];
  stats->heaps = counter[COUNT_HEAPS_LIVE];
  stats->abandoned_slabs = counter[COUNT_ABANDONED];
  stats->foreign_frees = counter[COUNT_FOREIGN_FREES];
  stats->invalid_frees = counter[COUNT_INVALID_FREES];
  memcpy(stats->counts, figures->tally, sizeof stats->counts);
  stats->failed_requests = counter[COUNT_FAILED_REQUESTS];
  memcpy(&stats->limit_bytes, figures->steering, sizeof figures->steering);
}

#define STEERING_IS(member, figure) \
  _Static_assert(offsetof(struct hak_stats, member) == offsetof(struct hak_stats, limit_bytes) + (size_t)(figure) * sizeof(uint64_t), \
                 "members in the order of tally.h")
STEERING_IS(limit_mapped_bytes, STEERING_LIMIT_MAPPED_BYTES);
STEERING_IS(limit_passes, STEERING_LIMIT_PASSES);
STEERING_IS(limit_refused, STEERING_LIMIT_REFUSED);
STEERING_IS(ace_mode, STEERING_ACE_MODE);
STEERING_IS(ace_windows, STEERING_ACE_WINDOWS);
STEERING_IS(ace_trials, STEERING_ACE_TRIALS);
STEERING_IS(ace_stayed, STEERING_ACE_STAYED);
STEERING_IS(ace_purge_delay_ms, STEERING_ACE_PURGE_DELAY_MS);
STEERING_IS(ace_batch_flush_bytes, STEERING_ACE_BATCH_FLUSH_BYTES);
STEERING_IS(ace_empty_superslabs, STEERING_ACE_EMPTY_SUPERSLABS);
STEERING_IS(ace_cache_delay_ms, STEERING_ACE_CACHE_DELAY_MS);
STEERING_IS(ace_cache_floor_bytes, STEERING_ACE_CACHE_FLOOR_BYTES);

#define COUNT_IS(member, tally) \
  _Static_assert(offsetof(struct hak_counts, member) == (size_t)(tally) * sizeof(uint64_t), "members in the order of tally.h")
COUNT_IS(requests, TALLY_REQUESTS);
COUNT_IS(hits, TALLY_HITS);
COUNT_IS(misses, TALLY_MISSES);
COUNT_IS(refills, TALLY_REFILLS);
COUNT_IS(flushes, TALLY_FLUSHES);
COUNT_IS(remote_frees, TALLY_REMOTE_FREES);
COUNT_IS(remote_batches, TALLY_REMOTE_BATCHES);
COUNT_IS(adoptions, TALLY_ADOPTIONS);
COUNT_IS(made, TALLY_MADE);
COUNT_IS(kept, TALLY_KEPT);
COUNT_IS(kept_bytes, TALLY_KEPT_BYTES);
COUNT_IS(live_bytes, TALLY_LIVE_BYTES);
COUNT_IS(held_bytes, TALLY_HELD_BYTES);
COUNT_IS(purged_bytes, TALLY_PURGED_BYTES);
COUNT_IS(refaulted_bytes, TALLY_REFAULTED_BYTES);
_Static_assert(sizeof(struct hak_counts) == TALLY_END * sizeof(uint64_t) && (int)HAK_PLACE_COUNT == (int)PLACE_COUNT &&
               (int)HAK_PLACE_BIGCACHE == (int)PLACE_BIGCACHE, "all of them");

_Static_assert((int)HAK_TIER_TINY == (int)TIER_TINY && (int)HAK_TIER_MID == (int)TIER_MID &&
               (int)HAK_TIER_L25 == (int)TIER_L25 && (int)HAK_TIER_HUGE == (int)TIER_HUGE &&
               (int)HAK_TIER_COUNT == (int)TIER_COUNT, "the public tiers are the tiers");

size_t hak_stats_get(struct hak_stats *stats, size_t size) {
  struct figures figures;
  struct hak_stats known;
  if (size == 0) return sizeof known;
  allocator_start();
  figures_collect(&figures);
  stats_fill(&known, &figures);
  memset(stats, 0, size);
  memcpy(stats, &known, min_size(size, sizeof known));
  return sizeof known;
}

static void class_fill(struct hak_class_stats *stats, const struct class_figures *figures, unsigned class) {
  const struct size_class *row = &size_classes[class];
  *stats = (struct hak_class_stats){
    .block_size = row->block_size,
    .tier = (uint64_t)size_class_tier(class),
    .requests = figures->requests,
    .hits = figures->requests - figures->misses,
    .misses = figures->misses,
    .refills = figures->refills,
    .frees = figures->frees,
    .live_blocks = figures->live,
    .live_bytes = figures->live * row->block_size,
    .held_bytes = figures->slabs * row->units * UNIT_SIZE,
    .slabs = figures->slabs,
    .kept = figures->kept,
    .parked_bytes = figures->parked_bytes,
  };
}

size_t hak_stats_get_classes(struct hak_class_stats *stats, size_t size, size_t count) {
  struct figures figures;
  struct hak_class_stats known;
  if (size == 0 || count == 0) return CLASS_COUNT;
  allocator_start();
  figures_collect(&figures);
  for (unsigned class = 0; class < CLASS_COUNT && class < count; class++) {
    char *place = (char *)stats + class * size;
    class_fill(&known, &figures.class[class], class);
    memset(place, 0, size);
    memcpy(place, &known, min_size(size, sizeof known));
  }
  return CLASS_COUNT;
}

static void write_to_stderr(void *context, const char *text, size_t size) {
  (void)context;
  os_write(2, text, size);
}

_Static_assert((int)HAK_FORMAT_TEXT == (int)REPORT_TEXT && (int)HAK_FORMAT_JSON == (int)REPORT_JSON &&
               (int)HAK_FORMAT_XML == (int)REPORT_XML, "the public formats are the report's");

int hak_stats_print(enum hak_format format, void (*write)(void *, const char *, size_t), void *context) {
  if ((unsigned)format > HAK_FORMAT_XML) return EINVAL;
  allocator_start();
  report_write((enum report_format)format, write != NULL ? write : write_to_stderr, context);
  return 0;
}

int hak_profile_start(size_t rate) {
  allocator_start();
  if (allocator_is_libc()) return ENOTSUP;
  uint64_t wanted = rate != 0 ? rate : (uint64_t)option.profile_rate;
  if (wanted > (uint64_t)PROFILE_RATE_MAX) return EINVAL;
  return profile_start(wanted, 0) ? 0 : ENOMEM;
}

void hak_profile_stop(void) {
  allocator_start();
  profile_stop();
}

int hak_profile_dump(const char *path) {
  allocator_start();
  return profile_rate() == 0 ? ENODATA : profile_dump(path);
}

const char *hak_option_get(const char *name, char *buffer, size_t size) {
  char text[2 * OPTION_PATH_MAX];
  allocator_start();
  if (name == NULL || options_get_text(name, text, sizeof text) == NULL) return fail(EINVAL);
  size_t length = strlen(text);
  if (length >= size) return fail(ERANGE);
  return memcpy(buffer, text, length + 1);
}

const char *hak_version(void) { return PACKAGE_VERSION; }
