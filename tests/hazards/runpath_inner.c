/* runpath_inner.c - what is found through the caller's RUNPATH only. */
#include <config.h>

extern int inner_value;
int inner_value = 4711;
