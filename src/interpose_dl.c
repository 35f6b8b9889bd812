/* interpose_dl.c - dlopen, and the look-up of what comes after us. Layer 11.

   RTLD_DEEPBIND gives a library the C library's malloc where its callers have ours, so that one frees the
   other's blocks: dlopen clears the flag, unless HAKMEM_DEEPBIND=keep. The C library finds its caller, for
   RUNPATH and $ORIGIN, by the return address: so dlopen must leave by a jump with the caller's
   frame on top, whatever the compiler's options are, and is written in assembler where that is known. */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>

#include "allocator.h"
#include "interpose.h"
#include "options.h"

void *interpose_next(void **found, const char *name) {
  /* Set once, to what is constant: no order is needed. */
  void *next = __atomic_load_n(found, __ATOMIC_RELAXED);
  if (likely(next != NULL)) return next;
  int saved_errno = errno;
  next = dlsym(RTLD_NEXT, name);
  errno = saved_errno;
  __atomic_store_n(found, next, __ATOMIC_RELAXED);
  return next;
}

typedef void *dlopen_function(const char *file, int flags);

/* Where there is no dlopen at all. */
static void *dlopen_missing(const char *file, int flags) {
  (void)file;
  (void)flags;
  return NULL;
}

static dlopen_function *dlopen_next(void) {
  static void *found;
  void *next = interpose_next(&found, "dlopen");
  return next != NULL ? (dlopen_function *)next : dlopen_missing;
}

static int dlopen_flags(int flags) {
  allocator_start();
  return option.deepbind == DEEPBIND_STRIP ? flags & ~RTLD_DEEPBIND : flags;
}

#if (defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && defined(__LP64__)) || \
    (defined(__riscv) && __riscv_xlen == 64)

/* Comes back in two registers. */
struct dlopen_way {
  dlopen_function *target;
  long flags;
};
__attribute__((used)) struct dlopen_way interpose_dlopen_way(int flags);
__attribute__((used)) struct dlopen_way interpose_dlopen_way(int flags) {
  return (struct dlopen_way){ dlopen_next(), dlopen_flags(flags) };
}

#elif defined(__i386__)

/* The same two words, target below. */
__attribute__((used)) uint64_t interpose_dlopen_way(int flags);
__attribute__((used)) uint64_t interpose_dlopen_way(int flags) {
  return (uint64_t)(uint32_t)dlopen_flags(flags) << 32 | (uint32_t)dlopen_next();
}

#endif

#if defined(__x86_64__) && defined(__LP64__)

__asm__(".pushsection .text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "  .cfi_startproc\n"
        "  .byte 0xf3, 0x0f, 0x1e, 0xfa\n"   /* endbr64, for assemblers that do not know it */
        "  pushq %rdi\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  movl %esi, %edi\n"
        "  call interpose_dlopen_way\n"
        "  popq %rdi\n"
        "  .cfi_adjust_cfa_offset -8\n"
        "  movl %edx, %esi\n"
        "  jmp *%rax\n"
        "  .cfi_endproc\n"
        ".size dlopen, . - dlopen\n"
        ".popsection\n");

#elif defined(__i386__)

__asm__(".pushsection .text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "  .cfi_startproc\n"
        "  subl $8, %esp\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  pushl 16(%esp)\n"
        "  .cfi_adjust_cfa_offset 4\n"
        "  call interpose_dlopen_way\n"
        "  addl $12, %esp\n"
        "  .cfi_adjust_cfa_offset -12\n"
        "  movl %edx, 8(%esp)\n"             /* the caller's argument, which is ours to change */
        "  jmp *%eax\n"
        "  .cfi_endproc\n"
        ".size dlopen, . - dlopen\n"
        ".popsection\n");

#elif defined(__aarch64__) && defined(__LP64__)

__asm__(".pushsection .text\n"
        ".globl dlopen\n"
        ".type dlopen, %function\n"
        "dlopen:\n"
        "  .cfi_startproc\n"
        "  hint #34\n"                       /* bti c */
        "  stp x29, x30, [sp, #-32]!\n"
        "  .cfi_def_cfa_offset 32\n"
        "  .cfi_offset 29, -32\n"
        "  .cfi_offset 30, -24\n"
        "  str x0, [sp, #16]\n"
        "  mov w0, w1\n"
        "  bl interpose_dlopen_way\n"
        "  mov x16, x0\n"
        "  ldr x0, [sp, #16]\n"
        "  ldp x29, x30, [sp], #32\n"
        "  .cfi_restore 29\n"
        "  .cfi_restore 30\n"
        "  .cfi_def_cfa_offset 0\n"
        "  br x16\n"
        "  .cfi_endproc\n"
        ".size dlopen, . - dlopen\n"
        ".popsection\n");

#elif defined(__riscv) && __riscv_xlen == 64

__asm__(".pushsection .text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "  .cfi_startproc\n"
        "  addi sp, sp, -32\n"
        "  .cfi_def_cfa_offset 32\n"
        "  sd ra, 24(sp)\n"
        "  .cfi_offset ra, -8\n"
        "  sd a0, 16(sp)\n"
        "  mv a0, a1\n"
        "  call interpose_dlopen_way\n"
        "  mv t1, a0\n"
        "  ld a0, 16(sp)\n"
        "  ld ra, 24(sp)\n"
        "  .cfi_restore ra\n"
        "  addi sp, sp, 32\n"
        "  .cfi_def_cfa_offset 0\n"
        "  jr t1\n"
        "  .cfi_endproc\n"
        ".size dlopen, . - dlopen\n"
        ".popsection\n");

#else

/* Left to the compiler, which makes the last call a jump when it optimises. */
#ifdef __clang__
#define ENDS_IN_JUMP
#define JUMP_TO(call) __attribute__((musttail)) return call
#else
#define ENDS_IN_JUMP __attribute__((optimize("O2", "optimize-sibling-calls")))
#define JUMP_TO(call) return call
#endif

ENDS_IN_JUMP INTERPOSED void *dlopen(const char *file, int flags) {
  dlopen_function *next = dlopen_next();
  flags = dlopen_flags(flags);
  JUMP_TO(next(file, flags));
}

#endif
