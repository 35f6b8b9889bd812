/* libc_door.h - the way to the C library's own malloc. Layer 3.

   libc_door_interposer.c: through __libc_malloc and its siblings, and dlsym(RTLD_NEXT) for
   what has no such name (resolved at first use, outside start). libc_door_library.c: plain malloc and friends,
   whatever the program has under that name; libc_door_is_interposer is false there: hak_free never forwards.
   All semantics, errno included, are the C library's. */
#ifndef HAKMEM_LIBC_DOOR_H
#define HAKMEM_LIBC_DOOR_H

#include "compiler.h"

extern const bool libc_door_is_interposer;

void *libc_door_malloc(size_t size);
void *libc_door_calloc(size_t count, size_t size);
void *libc_door_realloc(void *p, size_t size);
void *libc_door_memalign(size_t alignment, size_t size);
void libc_door_free(void *p);
size_t libc_door_usable_size(void *p);

#endif
