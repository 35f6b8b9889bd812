/* compiler.h - what the compiler is told, in one place. Layer 1. */
#ifndef HAKMEM_COMPILER_H
#define HAKMEM_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Reads memory that others may be writing, and takes whatever it finds as a hint. */
#define HAK_GUESS __attribute__((noinline, no_sanitize("thread")))
#define HAK_COLD __attribute__((noinline, cold))
#define HAK_NOINLINE __attribute__((noinline))
#define HAK_INLINE static inline __attribute__((always_inline))
/* On variables of the fast path: reached without the global offset table. */
#define HAK_HIDDEN __attribute__((visibility("hidden")))
/* On variables that are only written during the start: constant.h makes their pages read-only then. */
#define HAK_CONSTANT __attribute__((section("hak_constant")))
#define HAK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum { CACHE_LINE = 64 };
/* An array of zeros of which little is touched, or by few processes: behind .bss, so that the variables there share few
   pages. gcc knows the name as one of a section without contents; clang does not. */
#ifdef __clang__
#define HAK_SPARSE
#else
#define HAK_SPARSE __attribute__((section(".persistent.bss")))
#endif
#define HAK_LINE_ALIGNED __attribute__((aligned(64)))

/* Orders memory accesses for the compiler only: against a signal handler of
   the same thread, or against fork() cutting another thread off. */
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/* HAKMEM_CHECKS (configure --disable-checks makes it 0): double frees, interior
   pointers and blocks never handed out are recognised on the fast path. */
enum { CHECKS = HAKMEM_CHECKS };

/* HAKMEM_DEBUG (configure --enable-debug): invariants are checked at run time. */
enum { DEBUG_BUILD = HAKMEM_DEBUG };

/* A load and a store that may race on the same aligned word, where any of the
   two values is right. A plain one lets the compiler use it as a memory
   operand; ThreadSanitizer gets to see an atomic one. */
#ifdef __SANITIZE_THREAD__
#define HAK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAK_TSAN 1
#endif
#endif
#ifdef HAK_TSAN
#define load_racy(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define store_racy(p, value) __atomic_store_n((p), (value), __ATOMIC_RELAXED)
#else
#define load_racy(p) (*(p))
#define store_racy(p, value) (*(p) = (value))
#endif

#endif
