/* standard_error.h - is descriptor 2 still standard error? Layer 3.

   A program may close it and open a file of its own next, which gets the number: a line of ours would be in the middle of its
   data. So descriptor 2 is written to while it is the file that it was at the start; later ones only where a line does
   no harm: a terminal, a pipe, a file that is opened for appending, as logs are. */
#ifndef HAKMEM_STANDARD_ERROR_H
#define HAKMEM_STANDARD_ERROR_H

#include "compiler.h"

/* At start, while there is one thread. From then on message_print asks. */
void standard_error_init(void);
bool standard_error_is_there(void);

#endif
