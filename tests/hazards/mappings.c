/* mappings.c - the number of mappings stays bounded (vm.max_map_count is 65530): prints it. */
#include <config.h>

#include <fcntl.h>
#include <stdio.h>

#include "program.h"

static unsigned count_mappings(void) {
  static char text[65536];
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  unsigned lines = 0;
  for (ssize_t got; (got = read(fd, text, sizeof text)) > 0;)
    for (ssize_t i = 0; i < got; i++) lines += text[i] == '\n';
  close(fd);
  return lines;
}

int main(void) {
  enum { COUNT = 400000 };
  static unsigned char *block[COUNT];
  uint32_t state = 23;
  for (unsigned i = 0; i < COUNT; i++) {
    block[i] = get(16 + next_random(&state) % 1000);
    REQUIRE(block[i] != NULL);
    *block[i] = 1;
  }
  for (unsigned i = 0; i < COUNT; i++)
    if (next_random(&state) % 8 != 0) {
      free(block[i]);
      block[i] = NULL;
    }
  for (unsigned i = 0; i < 2000; i++) free(get(20000 + next_random(&state) % 900000));
  unsigned lines = count_mappings();
  for (unsigned i = 0; i < COUNT; i++) free(block[i]);
  printf("%u\n", lines);
  return 0;
}
