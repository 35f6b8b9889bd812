/* foreign.c - is it a block of the C library's own malloc? Layer 8.

   The interposer offers a pointer to the C library only if a chunk of glibc's malloc is there as
   far as it can be told without its locks:
     any chunk     the word before the block is a sane size, with its three flags;
     main arena    between the start and the end of brk, as the next chunk is;
     other arenas  in a heap of 64 MiB (1 MiB on 32-bit machines) at a multiple of that, whose header
                   leads to an arena that lies in the first of its heaps;
     mapped ones   header and end of whole pages, right after the start of their mapping.
   A pointer into a stack, .bss or a file fails the tests of place, whatever it points at.

   Each word is read after the probe of HAKMEM_EXTERNAL_GUARD has found its pages readable;
   another thread that unmaps them in between is beyond what can be known. With the guard
   off nothing is read: then a pointer inside brk's range passes, and no other. */
#include <config.h>

#include "align.h"
#include "bad_free.h"
#include "libc_door.h"
#include "options.h"
#include "os.h"

/* glibc's struct malloc_chunk, as far as it lies before the block. */
struct chunk {
  size_t previous_size;
  size_t size_and_flags;
};
enum {
  FLAG_PREVIOUS_IN_USE = 1,
  FLAG_MAPPED = 2,
  FLAG_OTHER_ARENA = 4,
  FLAGS = 7,
  CHUNK_ALIGNMENT = 2 * sizeof(size_t),
  CHUNK_MIN = 4 * sizeof(size_t)
};

/* glibc's struct heap_info, at the start of each heap of an arena that is not the main one. */
struct arena_heap {
  uintptr_t arena;
  uintptr_t previous;
  size_t size;
  size_t committed;
};
#define ARENA_HEAP_MAX (sizeof(void *) == 8 ? 64 * MIB : MIB)

static bool readable(uintptr_t address, size_t size) {
  const void *start = (const void *)address;
  switch (option.external_guard) {
    case GUARD_POPULATE: return os_readable_populate(start, size);
    case GUARD_MINCORE: return os_readable_mincore(start, size);
    case GUARD_MSYNC: return os_readable_msync(start, size);
    default: return false;
  }
}

/* address has passed readable(). Volatile: one read, not before that, and nothing is assumed of
   it. The memory is somebody else's, so the sanitizers have no say in it. */
__attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))
static size_t word_at(uintptr_t address) {
  return *(const volatile size_t *)address;
}

/* Start of brk's range is known from when the library started, which the first malloc does. */
static bool in_brk(uintptr_t address, uintptr_t end) { return address >= os_brk_start && address < end; }

/* chunk's words can be read. */
static bool is_main_arena_chunk(uintptr_t chunk, size_t size) {
  uintptr_t end = os_brk_now();
  if (!in_brk(chunk, end) || size >= end - chunk)
    return false;
  uintptr_t next = chunk + size;
  if (end - next < sizeof(struct chunk) || !readable(next, sizeof(struct chunk)))
    return false;
  size_t next_word = word_at(next + offsetof(struct chunk, size_and_flags));
  size_t next_size = next_word & ~(size_t)FLAGS;
  return (next_word & FLAG_PREVIOUS_IN_USE) && next_size >= CHUNK_ALIGNMENT && next_size <= end - next;
}

/* The arena of a heap; 0 if none is there. */
static uintptr_t arena_of_heap(uintptr_t heap) {
  if (!readable(heap, sizeof(struct arena_heap)))
    return 0;
  uintptr_t arena = word_at(heap + offsetof(struct arena_heap, arena));
  size_t size = word_at(heap + offsetof(struct arena_heap, size));
  size_t committed = word_at(heap + offsetof(struct arena_heap, committed));
  bool sane = size <= committed && committed <= ARENA_HEAP_MAX && size % os_page_size == 0 &&
              size >= sizeof(struct arena_heap);
  return sane ? arena : 0;
}

static bool is_other_arena_chunk(uintptr_t chunk, size_t size) {
  uintptr_t heap = align_down(chunk, ARENA_HEAP_MAX);
  uintptr_t arena = heap == 0 ? 0 : arena_of_heap(heap);
  if (arena == 0 || arena % sizeof(void *) != 0)
    return false;
  size_t heap_size = word_at(heap + offsetof(struct arena_heap, size));
  size_t offset = chunk - heap;
  if (offset < sizeof(struct arena_heap) || offset >= heap_size || size >= heap_size - offset)
    return false;
  uintptr_t first_heap = align_down(arena, ARENA_HEAP_MAX);
  return first_heap == heap || (first_heap != 0 && arena_of_heap(first_heap) == arena);
}

/* What glibc checks before it unmaps such a chunk, and its last page. Not every page: the
   probe would bring all of a large mapping in. */
static bool is_mapped_chunk(uintptr_t chunk, size_t size) {
  size_t previous = word_at(chunk);
  if (previous > chunk || size > SIZE_MAX - previous)
    return false;
  uintptr_t start = chunk - previous;
  size_t total = previous + size;
  size_t place = (chunk + sizeof(struct chunk)) & (os_page_size - 1);
  if (((start | total) & (os_page_size - 1)) != 0 || (place & (place - 1)) != 0)
    return false;
  if (total > UINTPTR_MAX - start)
    return false;
  return readable(start, 1) && readable(start + total - 1, 1);
}

bool foreign_is_plausible(const void *p) {
  uintptr_t block = (uintptr_t)p;
  if (block % CHUNK_ALIGNMENT != 0 || block < sizeof(struct chunk))
    return false;
  if (option.external_guard == GUARD_OFF)
    return in_brk(block, os_brk_now());
  uintptr_t chunk = block - sizeof(struct chunk);
  if (!readable(chunk, sizeof(struct chunk)))
    return false;
  size_t word = word_at(chunk + offsetof(struct chunk, size_and_flags));
  size_t size = word & ~(size_t)FLAGS;
  if (size < CHUNK_MIN || size % CHUNK_ALIGNMENT != 0 || size > UINTPTR_MAX - chunk)
    return false;
  if ((word & FLAGS) == FLAG_MAPPED)
    return is_mapped_chunk(chunk, size);
  if (word & FLAG_MAPPED)
    return false;
  return (word & FLAG_OTHER_ARENA) ? is_other_arena_chunk(chunk, size) : is_main_arena_chunk(chunk, size);
}

bool foreign_is_libc(const void *p) { return libc_door_is_interposer && foreign_is_plausible(p); }
