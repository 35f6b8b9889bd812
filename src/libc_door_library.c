/* libc_door_library.c - the library's way to another malloc. Layer 3.

   Whatever the program has under these names: nothing here is interposed. */
#include <config.h>

#include <malloc.h>
#include <stdlib.h>

#include "libc_door.h"

const bool libc_door_is_interposer = false;

void *libc_door_malloc(size_t size) { return malloc(size); }
void *libc_door_calloc(size_t count, size_t size) { return calloc(count, size); }
void *libc_door_realloc(void *p, size_t size) { return realloc(p, size); }
void *libc_door_memalign(size_t alignment, size_t size) { return memalign(alignment, size); }
void libc_door_free(void *p) { free(p); }
size_t libc_door_usable_size(void *p) { return malloc_usable_size(p); }
