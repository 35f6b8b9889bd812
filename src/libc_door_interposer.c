/* libc_door_interposer.c - the interposer's way to the C library's malloc. Layer 3.

   The __libc_ names reach it without a look-up, from inside the start too, and cannot come
   back here. They are weak: with a C library that has none there is nothing behind the door, requests
   fail and frees do nothing. */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>

#include "libc_door.h"

extern void *__libc_malloc(size_t size) __attribute__((weak));
extern void *__libc_calloc(size_t count, size_t size) __attribute__((weak));
extern void *__libc_realloc(void *p, size_t size) __attribute__((weak));
extern void *__libc_memalign(size_t alignment, size_t size) __attribute__((weak));
extern void __libc_free(void *p) __attribute__((weak));

const bool libc_door_is_interposer = true;

void *libc_door_malloc(size_t size) { return __libc_malloc != NULL ? __libc_malloc(size) : NULL; }

void *libc_door_calloc(size_t count, size_t size) {
  return __libc_calloc != NULL ? __libc_calloc(count, size) : NULL;
}

void *libc_door_realloc(void *p, size_t size) {
  return __libc_realloc != NULL ? __libc_realloc(p, size) : NULL;
}

void *libc_door_memalign(size_t alignment, size_t size) {
  return __libc_memalign != NULL ? __libc_memalign(alignment, size) : NULL;
}

void libc_door_free(void *p) {
  if (__libc_free != NULL) __libc_free(p);
}

/* There is no __libc_malloc_usable_size. Threads that come first at the same time find the same. */
size_t libc_door_usable_size(void *p) {
  static size_t (*found)(void *);   /* atomic; set once, to what is constant, so relaxed will do */
  size_t (*next)(void *) = __atomic_load_n(&found, __ATOMIC_RELAXED);
  if (unlikely(next == NULL)) {
    int saved_errno = errno;
    next = (size_t (*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
    errno = saved_errno;
    __atomic_store_n(&found, next, __ATOMIC_RELAXED);
  }
  return next != NULL ? next(p) : 0;
}
