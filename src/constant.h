/* constant.h - variables that never change after the start, on pages of their own. Layer 3.

   Those declared HAK_CONSTANT (compiler.h): the values of the options, the tables of sizes, base and key of
   the region. A stray write of the program to them faults, instead of changing what the library does. */
#ifndef HAKMEM_CONSTANT_H
#define HAKMEM_CONSTANT_H

#include "compiler.h"

/* The largest page that a machine of this kind may have, as its linkers assume. */
#if defined(__x86_64__) || defined(__i386__) || defined(__riscv) || defined(__s390x__) || defined(__arm__)
#define CONSTANT_ALIGNMENT 4096
#else
#define CONSTANT_ALIGNMENT 65536
#endif

/* One byte of the page after them (constant_end.c). */
extern HAK_HIDDEN char constant_end;

/* The pages, *size bytes of them. NULL: they also hold something else, or are smaller than the machine's;
   everything stays writable then. */
void *constant_pages(size_t *size);
/* End of the start: the kernel is told that they are read-only. It may refuse. */
void constant_protect(void);

#endif
