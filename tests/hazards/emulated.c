/* emulated.c - succeeds if the programs of these tests run under an emulator. */
#include <config.h>
#include "../emulated.h"

int main(void) { return is_emulated() ? 0 : 1; }
