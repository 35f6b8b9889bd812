/* profile_leaks.c - the report of what is live at exit. */
#include <config.h>
#include "message.h"
#include "os.h"
#include "profile.h"
#include "profile_draw.h"
#include "profile_table.h"
#include "profile_write.h"
#include "trace.h"

enum { REPORTED_MAX = 100, FRAMES_SHOWN = 16 };

/* The estimates for a site. */
struct leak {
  uint32_t site;
  uint64_t bytes, blocks, samples;
};

static bool read_leak(uint32_t i, struct leak *leak, struct profile_stack *stack) {
  struct profile_figures figures;
  if (!profile_table_site(i, &figures, stack, false)) return false;
  leak->site = i;
  leak->samples = figures.live_count;
  leak->bytes = profile_scale(figures.live_bytes, figures.live_count, figures.live_bytes, profile_rate());
  leak->blocks = profile_scale(figures.live_count, figures.live_count, figures.live_bytes, profile_rate());
  return true;
}

/* Is a listed before b? */
static bool is_before(const struct leak *a, const struct leak *b) {
  return a->bytes != b->bytes ? a->bytes > b->bytes : a->site < b->site;
}

/* The first one after last in that order; false: none. Nothing is sorted, since nothing is allocated. */
static bool find_next(const struct leak *last, uint64_t at_least, struct leak *next, struct profile_stack *stack) {
  struct leak leak;
  bool found = false;
  for (uint32_t i = 0; read_leak(i, &leak, stack); i++) {
    if (leak.samples == 0 || leak.bytes < at_least || (last != NULL && !is_before(last, &leak))) continue;
    if (found && is_before(next, &leak)) continue;
    *next = leak;
    found = true;
  }
  return found && read_leak(next->site, next, stack);
}

static void report(const struct leak *leak, const struct profile_stack *stack) {
  char name[MESSAGE_MAX / 2];
  bool exact = profile_rate() == 1;
  trace_line("%s%llu bytes in %llu block%s (%llu sample%s) from", exact ? "" : "about ", (unsigned long long)leak->bytes,
             (unsigned long long)leak->blocks, leak->blocks == 1 ? "" : "s", (unsigned long long)leak->samples,
             leak->samples == 1 ? "" : "s");
  for (unsigned i = 0; i < stack->depth && i < FRAMES_SHOWN; i++) {
    profile_name(name, sizeof name, stack->frame[i]);
    trace_line("  #%u 0x%llx %s", i, (unsigned long long)stack->frame[i], name);
  }
  if (stack->depth > FRAMES_SHOWN) trace_line("  and %u more", stack->depth - FRAMES_SHOWN);
  if (stack->depth == 0) trace_line("  callers that are not known");
}

bool profile_report_leaks(uint64_t at_least) {
  struct profile_stack stack;
  struct profile_totals totals;
  struct leak leak, sum = { 0, 0, 0, 0 };
  unsigned sites = 0;
  if (!profile_table_totals(&totals, false)) return false;
  for (uint32_t i = 0; read_leak(i, &leak, &stack); i++) {
    if (leak.samples == 0 || leak.bytes < at_least) continue;
    sites++;
    sum.bytes += leak.bytes;
    sum.blocks += leak.blocks;
  }
  if (sites == 0) return false;
  trace_line("hakmem: %s[%d]: live at exit: %llu bytes in %llu blocks of %u sites, one sample in %llu bytes", message_program(),
             os_getpid(), (unsigned long long)sum.bytes, (unsigned long long)sum.blocks, sites,
             (unsigned long long)profile_rate());
  struct leak last;
  for (unsigned i = 0; i < REPORTED_MAX && find_next(i == 0 ? NULL : &last, at_least, &leak, &stack); i++) {
    report(&leak, &stack);
    last = leak;
  }
  if (sites > REPORTED_MAX) trace_line("%u more sites have less each", sites - REPORTED_MAX);
  if (totals.untracked_count != 0)
    trace_line("%llu samples more were not followed, since there are too many", (unsigned long long)totals.untracked_count);
  return true;
}
