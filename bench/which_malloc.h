/* which_malloc.h - the allocator that a benchmark is built for: the library by its own
   names (BENCH_HAKMEM is 1), or malloc() of whatever the process runs on (0). */
#ifndef BENCH_WHICH_MALLOC_H
#define BENCH_WHICH_MALLOC_H

#if BENCH_HAKMEM
#include <hakmem.h>
#define bench_malloc hak_malloc
#define bench_realloc hak_realloc
#define bench_free hak_free
#else
#include <stdlib.h>
#define bench_malloc malloc
#define bench_realloc realloc
#define bench_free free
#endif

#endif
