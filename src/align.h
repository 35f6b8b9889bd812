/* align.h - arithmetic on sizes and addresses. Layer 1. */
#ifndef HAKMEM_ALIGN_H
#define HAKMEM_ALIGN_H

#include "compiler.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

HAK_INLINE bool is_power_of_two(size_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* a is a power of two. Wraps to 0 when n is within a of SIZE_MAX. */
HAK_INLINE size_t align_up(size_t n, size_t a) { return (n + a - 1) & ~(a - 1); }
HAK_INLINE size_t align_down(size_t n, size_t a) { return n & ~(a - 1); }

HAK_INLINE bool is_aligned(const void *p, size_t a) { return ((uintptr_t)p & (a - 1)) == 0; }

HAK_INLINE size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
HAK_INLINE size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

#endif
