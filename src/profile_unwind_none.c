/* profile_unwind_none.c - there is no unwinder: samples have a size, but no callers. */
#include <config.h>
#include "profile_unwind.h"

void profile_unwind(bool (*visit)(void *context, const struct profile_frame *frame), void *context) {
  (void)visit;
  (void)context;
}
