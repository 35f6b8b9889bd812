/* constant_end.c - what the linker puts after the section of constant.h, on the next page.

   In a file of its own: compilers may change the order of the sections in one. */
#include <config.h>
#include "constant.h"

__attribute__((section("hak_constant_end"), aligned(CONSTANT_ALIGNMENT))) char constant_end;
