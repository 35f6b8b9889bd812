/* interpose_new.h - what the three files of C++ operators share. Layer 11, in the interposer only.

   A program may replace operator new(size_t) and operator delete(void *) only, and expect the array forms
   to end there, and the sized and nothrow ones in those. So there are three files, each calling down:
   interpose_new.c the plain operators, interpose_new_array.c, interpose_new_forms.c. A compiler
   may take a function that it sees for the one that is called in the end, so no file calls an operator of
   its own. */
#ifndef HAKMEM_INTERPOSE_NEW_H
#define HAKMEM_INTERPOSE_NEW_H

#include "interpose.h"

/* The letter of size_t in the names: m for unsigned long, j for unsigned int. */
#if __SIZEOF_SIZE_T__ == 8
#define CXX_NAME(before, after) before##m##after
#define CXX_TEXT(before, after) before "m" after
#else
#define CXX_NAME(before, after) before##j##after
#define CXX_TEXT(before, after) before "j" after
#endif

/* The operators that the others are defined by. */
#define new_plain CXX_NAME(_Znw, )
#define new_aligned CXX_NAME(_Znw, St11align_val_t)
#define new_array CXX_NAME(_Zna, )
#define new_array_aligned CXX_NAME(_Zna, St11align_val_t)
#define delete_plain _ZdlPv
#define delete_array _ZdaPv
#define delete_aligned _ZdlPvSt11align_val_t
#define delete_array_aligned _ZdaPvSt11align_val_t
/* They may be a program's own: called in one jump through the global offset table where the compiler can. */
#if __has_attribute(noplt)
#define REPLACEABLE INTERPOSED __attribute__((noplt))
#else
#define REPLACEABLE INTERPOSED
#endif
REPLACEABLE void *new_plain(size_t size);
REPLACEABLE void *new_aligned(size_t size, size_t alignment);
REPLACEABLE void *new_array(size_t size);
REPLACEABLE void *new_array_aligned(size_t size, size_t alignment);
REPLACEABLE void delete_plain(void *p);
REPLACEABLE void delete_array(void *p);
REPLACEABLE void delete_aligned(void *p, size_t alignment);
REPLACEABLE void delete_array_aligned(void *p, size_t alignment);

/* Ours, whatever the names above mean in the process. */
__attribute__((visibility("hidden"))) void *interpose_own_new(size_t size);
__attribute__((visibility("hidden"))) void *interpose_own_new_aligned(size_t size, size_t alignment);
__attribute__((visibility("hidden"))) void *interpose_own_new_array(size_t size);
__attribute__((visibility("hidden"))) void *interpose_own_new_array_aligned(size_t size, size_t alignment);

/* interpose_next(), in C++ libraries that are not in the global scope too. */
void *interpose_next_operator(void **found, const char *name);

#endif
