/* status.c - figures of the kernel about this process. */
#include <config.h>

#include <fcntl.h>

#include "program.h"

long status_kib(const char *path, const char *name) {
  static char text[8192];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t used = 0;
  for (ssize_t got; used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0;)
    used += (size_t)got;
  close(fd);
  text[used] = 0;
  size_t length = strlen(name);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, name, length) == 0 && line[length] == ':') return atol(line + length + 1);
  }
  return -1;
}
