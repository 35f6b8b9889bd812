/* hakmem.h - libhakmem, a memory allocator. See hak_malloc(3) and hakmem(7).

   Copyright (c) 2026 the libhakmem authors. SPDX-License-Identifier: MIT

   All functions are thread-safe. None but those that say so may be called from a
   signal handler that interrupted one of them. After fork(2) in a process with
   several threads all of them work in parent and child. */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define HAK_NOEXCEPT noexcept
#else
#define HAK_NOEXCEPT
#endif

#if defined(__GNUC__) || defined(__clang__)
#define HAK_ATTR(x) __attribute__(x)
#else
#define HAK_ATTR(x)
#endif
