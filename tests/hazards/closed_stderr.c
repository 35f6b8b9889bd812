/* closed_stderr.c FILE - closes fd 2 and opens FILE, which then has number 2, as sort does. */
#include <config.h>

#include <fcntl.h>

#include "program.h"

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  free(get(100));
  close(2);
  int fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd != 2) return 3;
  struct workload load = { .state = 41 };
  workload_run(&load, 200);
  workload_end(&load);
  if (write(fd, "payload\n", 8) != 8) return 4;
  return 0;
}
