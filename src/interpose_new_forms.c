/* interpose_new_forms.c - the C++ operators with a size or with nothrow. Layer 11.

   They end in what the plain and the array forms mean in the process (interpose_new.h says why). */
#include <config.h>

#include "align.h"
#include "allocator.h"
#include "fast_path.h"
#include "interpose_new.h"

/* ---- delete: what comes besides the pointer and the alignment is not looked at */

#define DELETE_FORM(name, target) \
  INTERPOSED void name(void *p, size_t ignored); \
  INTERPOSED void name(void *p, size_t ignored) { \
    (void)ignored; \
    target(p); \
  }
#define DELETE_FORM_ALIGNED(name, target) \
  INTERPOSED void name(void *p, size_t size, size_t alignment); \
  INTERPOSED void name(void *p, size_t size, size_t alignment) { \
    (void)size; \
    target(p, alignment); \
  }
#define DELETE_FORM_ALIGNED_NOTHROW(name, target) \
  INTERPOSED void name(void *p, size_t alignment, const void *nothrow); \
  INTERPOSED void name(void *p, size_t alignment, const void *nothrow) { \
    (void)nothrow; \
    target(p, alignment); \
  }
#define DELETE_FORM_NOTHROW(name, target) \
  INTERPOSED void name(void *p, const void *nothrow); \
  INTERPOSED void name(void *p, const void *nothrow) { \
    (void)nothrow; \
    target(p); \
  }

DELETE_FORM(CXX_NAME(_ZdlPv, ), delete_plain)
DELETE_FORM(CXX_NAME(_ZdaPv, ), delete_array)
DELETE_FORM_NOTHROW(_ZdlPvRKSt9nothrow_t, delete_plain)
DELETE_FORM_NOTHROW(_ZdaPvRKSt9nothrow_t, delete_array)
DELETE_FORM_ALIGNED(CXX_NAME(_ZdlPv, St11align_val_t), delete_aligned)
DELETE_FORM_ALIGNED(CXX_NAME(_ZdaPv, St11align_val_t), delete_array_aligned)
DELETE_FORM_ALIGNED_NOTHROW(_ZdlPvSt11align_val_tRKSt9nothrow_t, delete_aligned)
DELETE_FORM_ALIGNED_NOTHROW(_ZdaPvSt11align_val_tRKSt9nothrow_t, delete_array_aligned)

/* ---- new(nothrow): NULL where new would throw. What catches is in the C++ library, so that its form takes
   over when there is no memory (it runs the new-handler) or when what it calls has been replaced. */

#define new_nothrow CXX_NAME(_Znw, RKSt9nothrow_t)
#define new_array_nothrow CXX_NAME(_Zna, RKSt9nothrow_t)
#define new_aligned_nothrow CXX_NAME(_Znw, St11align_val_tRKSt9nothrow_t)
#define new_array_aligned_nothrow CXX_NAME(_Zna, St11align_val_tRKSt9nothrow_t)
INTERPOSED void *new_nothrow(size_t size, const void *nothrow);
INTERPOSED void *new_array_nothrow(size_t size, const void *nothrow);
INTERPOSED void *new_aligned_nothrow(size_t size, size_t alignment, const void *nothrow);
INTERPOSED void *new_array_aligned_nothrow(size_t size, size_t alignment, const void *nothrow);

/* Stands for std::nothrow, an object without members. */
static const char nothrow_object;

/* Two names of what may be one function: a compiler that sees both may conclude that they differ, so it
   does not see one of them. */
static bool same(uintptr_t meant, uintptr_t own) {
  __asm__("" : "+r"(own));
  return meant == own;
}
#define IS_OURS(operator, own) same((uintptr_t)(operator), (uintptr_t)(own))

static bool is_ours(void) { return IS_OURS(new_plain, interpose_own_new); }
static bool is_array_ours(void) { return is_ours() && IS_OURS(new_array, interpose_own_new_array); }
static bool is_aligned_ours(void) { return IS_OURS(new_aligned, interpose_own_new_aligned); }
static bool is_array_aligned_ours(void) {
  return is_aligned_ours() && IS_OURS(new_array_aligned, interpose_own_new_array_aligned);
}

static void *next_nothrow(void **found, const char *name, size_t size) {
  void *(*next)(size_t, const void *) = (void *(*)(size_t, const void *))interpose_next_operator(found, name);
  return next != NULL ? next(size, &nothrow_object) : NULL;
}

static void *next_aligned_nothrow(void **found, const char *name, size_t size, size_t alignment) {
  void *(*next)(size_t, size_t, const void *) =
    (void *(*)(size_t, size_t, const void *))interpose_next_operator(found, name);
  return next != NULL ? next(size, alignment, &nothrow_object) : NULL;
}

static HAK_COLD void *nothrow_failed(size_t size) {
  static void *found;
  return next_nothrow(&found, CXX_TEXT("_Znw", "RKSt9nothrow_t"), size);
}

static HAK_COLD void *array_nothrow_failed(size_t size) {
  static void *found;
  return next_nothrow(&found, CXX_TEXT("_Zna", "RKSt9nothrow_t"), size);
}

static HAK_NOINLINE void *nothrow_slow(size_t size) {
  void *block = allocator_malloc(size);
  return likely(block != NULL) ? block : nothrow_failed(size);
}

static HAK_NOINLINE void *array_nothrow_slow(size_t size) {
  void *block = allocator_malloc(size);
  return likely(block != NULL) ? block : array_nothrow_failed(size);
}

INTERPOSED void *new_nothrow(size_t size, const void *nothrow) {
  (void)nothrow;
  if (unlikely(!is_ours())) return nothrow_failed(size);
  return fast_malloc(size, nothrow_slow);
}

INTERPOSED void *new_array_nothrow(size_t size, const void *nothrow) {
  (void)nothrow;
  if (unlikely(!is_array_ours())) return array_nothrow_failed(size);
  return fast_malloc(size, array_nothrow_slow);
}

INTERPOSED void *new_aligned_nothrow(size_t size, size_t alignment, const void *nothrow) {
  static void *found;
  (void)nothrow;
  bool ours = is_aligned_ours() && is_power_of_two(alignment);
  void *block = likely(ours) ? allocator_aligned(alignment, size) : NULL;
  if (likely(block != NULL)) return block;
  return next_aligned_nothrow(&found, CXX_TEXT("_Znw", "St11align_val_tRKSt9nothrow_t"), size, alignment);
}

INTERPOSED void *new_array_aligned_nothrow(size_t size, size_t alignment, const void *nothrow) {
  static void *found;
  (void)nothrow;
  bool ours = is_array_aligned_ours() && is_power_of_two(alignment);
  void *block = likely(ours) ? allocator_aligned(alignment, size) : NULL;
  if (likely(block != NULL)) return block;
  return next_aligned_nothrow(&found, CXX_TEXT("_Zna", "St11align_val_tRKSt9nothrow_t"), size, alignment);
}
