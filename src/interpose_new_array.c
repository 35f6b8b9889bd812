/* interpose_new_array.c - the C++ operators new[] and delete[]. Layer 11.

   They end in what new and delete mean in the process (interpose_new.h says why). */
#include <config.h>

#include "interpose_new.h"

INTERPOSED void *new_array(size_t size) { return new_plain(size); }
INTERPOSED void *new_array_aligned(size_t size, size_t alignment) { return new_aligned(size, alignment); }
INTERPOSED void delete_array(void *p) { delete_plain(p); }
INTERPOSED void delete_array_aligned(void *p, size_t alignment) { delete_aligned(p, alignment); }

void *interpose_own_new_array(size_t size) __attribute__((alias(CXX_TEXT("_Zna", ""))));
void *interpose_own_new_array_aligned(size_t size, size_t alignment)
    __attribute__((alias(CXX_TEXT("_Zna", "St11align_val_t"))));
