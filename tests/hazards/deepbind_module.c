/* deepbind_module.c - is opened with RTLD_DEEPBIND: gives and takes strings across the border. */
#include <config.h>

#include <dlfcn.h>

#include "program.h"

char *module_copy(const char *text);
void module_free(char *text);
void *module_malloc_address(void);

char *module_copy(const char *text) { return strdup(text); }
void module_free(char *text) { free(text); }
void *module_malloc_address(void) { return (void *)(uintptr_t)&malloc; }
