/* profile_unwind.c - who called, by the unwinder of gcc's library. */
#include <config.h>
#include "profile_unwind.h"

#include <unwind.h>

/* The register of the frame pointer, by its number in the tables. */
#if defined(__x86_64__)
enum { POINTER = 6 };
#elif defined(__i386__)
enum { POINTER = 5 };
#elif defined(__aarch64__)
enum { POINTER = 29 };
#else
enum { POINTER = -1 };
#endif

struct walk {
  bool (*visit)(void *context, const struct profile_frame *frame);
  void *context;
};

static _Unwind_Reason_Code each(struct _Unwind_Context *context, void *argument) {
  struct walk *walk = argument;
  int before = 0;   /* the instruction there has not been executed: a signal came */
  uintptr_t address = _Unwind_GetIPInfo(context, &before);
  if (address == 0) return _URC_END_OF_STACK;
  struct profile_frame frame = { address + (before != 0), _Unwind_GetCFA(context),
                                 POINTER < 0 ? 0 : (uintptr_t)_Unwind_GetGR(context, POINTER < 0 ? 0 : POINTER),
                                 before != 0 };
  return walk->visit(walk->context, &frame) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void profile_unwind(bool (*visit)(void *context, const struct profile_frame *frame), void *context) {
  struct walk walk = { visit, context };
  _Unwind_Backtrace(each, &walk);
}
