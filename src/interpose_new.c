/* interpose_new.c - the C++ operators new and delete that the others are defined by. Layer 11.

   In C, under their mangled names. Without memory they end in the next operator new, the
   C++ library's: it tries again (through malloc, that is here), runs the new-handler and
   throws as that library means it. Compiled with -fexceptions, so that what it throws passes through. */
#include <config.h>

#include <dlfcn.h>

#include "align.h"
#include "allocator.h"
#include "fast_path.h"
#include "interpose_new.h"
#include "message.h"

/* A C++ library that was loaded for a plug-in only is not among the next objects: ask for it by name, without
   loading it. */
void *interpose_next_operator(void **found, const char *name) {
  static const char *const libraries[] = { "libstdc++.so.6", "libc++.so.1" };
  void *next = interpose_next(found, name);
  for (size_t i = 0; next == NULL && i < sizeof libraries / sizeof *libraries; i++) {
    void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
    next = library != NULL ? dlsym(library, name) : NULL;
    __atomic_store_n(found, next, __ATOMIC_RELAXED);
  }
  return next;
}

static HAK_COLD void *new_failed(size_t size) {
  static void *found;
  void *(*next)(size_t) = (void *(*)(size_t))interpose_next_operator(&found, CXX_TEXT("_Znw", ""));
  if (next == NULL) message_fatal("operator new: no memory for %zu bytes, and no C++ library to throw", size);
  return next(size);
}

static HAK_NOINLINE void *new_slow(size_t size) {
  void *block = allocator_malloc(size);
  return likely(block != NULL) ? block : new_failed(size);
}

INTERPOSED void *new_plain(size_t size) { return fast_malloc(size, new_slow); }

static HAK_COLD void *new_aligned_failed(size_t size, size_t alignment) {
  static void *found;
  void *(*next)(size_t, size_t) =
    (void *(*)(size_t, size_t))interpose_next_operator(&found, CXX_TEXT("_Znw", "St11align_val_t"));
  if (next == NULL) message_fatal("operator new: no memory for %zu bytes, and no C++ library to throw", size);
  return next(size, alignment);
}

/* An alignment that is no power of two is the C++ library's to refuse. */
INTERPOSED void *new_aligned(size_t size, size_t alignment) {
  void *block = likely(is_power_of_two(alignment)) ? allocator_aligned(alignment, size) : NULL;
  return likely(block != NULL) ? block : new_aligned_failed(size, alignment);
}

INTERPOSED void delete_plain(void *p) { fast_free(p); }

INTERPOSED void delete_aligned(void *p, size_t alignment) {
  (void)alignment;
  fast_free(p);
}

void *interpose_own_new(size_t size) __attribute__((alias(CXX_TEXT("_Znw", ""))));
void *interpose_own_new_aligned(size_t size, size_t alignment)
    __attribute__((alias(CXX_TEXT("_Znw", "St11align_val_t"))));
