/* constant.c - see constant.h.

   The linker puts all of the section HAK_CONSTANT one after the other and, since its name is a C identifier,
   tells where it starts and stops. Its first page is its own because the section is aligned to a page (by a
   variable below, which is linked first), the largest that the machine may have; its last one, because what
   follows is the section of constant_end, aligned likewise. Where a linker lays them out in another way, or
   the pages of the machine are larger than that, constant_pages() finds that out. */
#include <config.h>
#include "align.h"
#include "constant.h"
#include "os.h"

static HAK_CONSTANT __attribute__((used, aligned(CONSTANT_ALIGNMENT))) char first_byte;
extern HAK_HIDDEN char __start_hak_constant[], __stop_hak_constant[];

void *constant_pages(size_t *size) {
  uintptr_t start = (uintptr_t)__start_hak_constant, stop = (uintptr_t)__stop_hak_constant;
  bool own = align_up(stop, CONSTANT_ALIGNMENT) == (uintptr_t)&constant_end;   /* nothing else before it */
  *size = align_up(stop, os_page_size) - start;
  if (!own || os_page_size > CONSTANT_ALIGNMENT || !is_aligned(__start_hak_constant, os_page_size)) return NULL;
  return __start_hak_constant;
}

void constant_protect(void) {
  size_t size;
  void *start = constant_pages(&size);
  if (start != NULL) (void)os_protect(start, size);
}
