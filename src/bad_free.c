/* bad_free.c - see bad_free.h. */
#include <config.h>

#include "bad_free.h"

#include <errno.h>

#include "counters.h"
#include "huge.h"
#include "libc_door.h"
#include "message.h"
#include "options.h"
#include "trace.h"

static const char *const interposer_calls[CALL_COUNT] = { "free", "realloc", "malloc_usable_size" };
static const char *const library_calls[CALL_COUNT] = { "hak_free", "hak_realloc", "hak_usable_size" };

static const char *const reasons[BAD_REASON_COUNT] = {
  "double free",
  "not the start of a block",
  "no block is allocated there",
  "not from this allocator"
};

static const char *call_name(enum bad_call call) {
  return libc_door_is_interposer ? interposer_calls[call] : library_calls[call];
}

/* The C library's blocks are named as such where the policy aborts for them too. */
static const char *reason_text(enum bad_reason reason, bool is_libc) {
  return is_libc ? "a block of the C library" : reasons[reason];
}

/* One line: abort's, or the first one's, or each one's in the log. */
static enum bad_verdict invalid(enum bad_call call, const void *p, const char *reason) {
  static uint32_t warned;   /* atomic, relaxed: which thread's line it is does not matter */
  counter_add(COUNT_INVALID_FREES, 1);
  if (option.invalid_free != INVALID_SKIP)
    message_fatal("invalid pointer in %s(): %p (%s)", call_name(call), p, reason);
  if (option.invalid_free_log)
    trace_line("invalid pointer in %s(): %p (%s), ignored", call_name(call), p, reason);
  else if (__atomic_exchange_n(&warned, 1, __ATOMIC_RELAXED) == 0)
    message_print(MESSAGE_ERROR, "invalid pointer in %s(): %p (%s), ignored; so are others, without a line",
                  call_name(call), p, reason);
  return VERDICT_IGNORE;
}

static enum bad_verdict forward(enum bad_call call, const void *p) {
  if (call != CALL_USABLE_SIZE)
    counter_add(COUNT_FOREIGN_FREES, 1);
  if (option.invalid_free_log)
    trace_line("foreign pointer in %s(): %p (%s), forwarded", call_name(call), p,
               reason_text(BAD_FOREIGN, true));
  return VERDICT_LIBC;
}

HAK_COLD enum bad_verdict bad_pointer_ours(enum bad_call call, const void *p, enum bad_reason reason) {
  int saved = errno;
  enum bad_verdict verdict = invalid(call, p, reasons[reason]);
  errno = saved;
  return verdict;
}

/* The probe comes before the list of what was unmapped last: the C library may have got that
   address since. */
HAK_COLD enum bad_verdict bad_pointer_unknown(enum bad_call call, const void *p) {
  int saved = errno;
  enum bad_reason reason = BAD_FOREIGN;
  bool is_libc = false;
  if (huge_find_inside(p) != NULL)   /* in a kept one: may have been joined to it when it was freed */
    reason = huge_was_freed(p) ? BAD_DOUBLE_FREE : BAD_INTERIOR;
  else if (foreign_is_libc(p))
    is_libc = true;
  else if (huge_was_freed(p))
    reason = BAD_DOUBLE_FREE;
  enum bad_verdict verdict = is_libc && option.invalid_free != INVALID_ABORT
                               ? forward(call, p)
                               : invalid(call, p, reason_text(reason, is_libc));
  errno = saved;
  return verdict;
}
