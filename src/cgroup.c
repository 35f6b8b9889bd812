/* cgroup.c - see cgroup.h.

   /proc/self/cgroup names the group below the hierarchy's root, /proc/self/mountinfo what part of the hierarchy is mounted
   where. Both are read in pieces, a character at a time: lines of mountinfo may be longer than any buffer. */
#include <config.h>
#include "cgroup.h"

#include <string.h>
#include "align.h"
#include "message.h"
#include "os_file.h"

enum {
  PATH_SIZE = 512,      /* of a group, and of a mount point: longer ones are passed over */
  PIECE = 256,
  NUMBER_SIZE = 32,
  FIELD_ROOT = 3, FIELD_POINT = 4, FIELD_OPTIONAL = 6   /* of a line of mountinfo, from 0 */
};

struct reader {
  int fd;
  size_t at, end;
  char text[PIECE];
};

static bool open_file(struct reader *reader, const char *root, const char *path) {
  char name[2 * PATH_SIZE];
  size_t length = message_format(name, sizeof name, "%s%s", root, path);
  reader->at = reader->end = 0;
  reader->fd = length < sizeof name ? os_open_read(name) : -1;
  return reader->fd >= 0;
}

/* The next character, -1: there is none. */
static int next_char(struct reader *reader) {
  if (reader->at == reader->end) {
    ssize_t got = os_read(reader->fd, reader->text, sizeof reader->text);
    if (got <= 0) return -1;
    reader->at = 0;
    reader->end = (size_t)got;
  }
  return (unsigned char)reader->text[reader->at++];
}

/* Text that grows, with its NUL; what does not fit makes it invalid. */
struct text {
  size_t length;
  bool fits;
  char bytes[PATH_SIZE];
};

static void text_start(struct text *text) {
  text->length = 0;
  text->fits = true;
  text->bytes[0] = '\0';
}

static void text_add(struct text *text, int c) {
  if (c == '\0' || text->length == sizeof text->bytes - 1) {
    text->fits = false;
    return;
  }
  text->bytes[text->length++] = (char)c;
  text->bytes[text->length] = '\0';
}

/* ---- which group */

/* The path behind "0::", of one line. False: there is no such line. */
static bool read_group(struct reader *reader, struct text *group) {
  static const char wanted[] = "0::";
  for (int c = 0; c != -1;) {
    unsigned same = 0;
    bool other_line = false;
    text_start(group);
    while ((c = next_char(reader)) != -1 && c != '\n') {
      if (same == sizeof wanted - 1) text_add(group, c);
      else if (!other_line && c == wanted[same]) same++;
      else other_line = true;
    }
    if (same == sizeof wanted - 1 && group->fits && group->bytes[0] == '/') return true;
  }
  return false;
}

/* ---- where it is mounted */

static bool is_octal(char c) { return c >= '0' && c <= '7'; }

/* Blanks and the like are \040 in mountinfo. */
static void decode(struct text *text) {
  char *to = text->bytes;
  for (const char *from = text->bytes; *from != '\0'; to++) {
    if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
      *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
      from += 4;
    } else {
      *to = *from++;
    }
  }
  *to = '\0';
  text->length = strlen(text->bytes);
}

/* One line: what is mounted of the hierarchy, and where. *end: the file's. False: it is no mount of version 2. */
static bool read_mount(struct reader *reader, struct text *part, struct text *point, bool *end) {
  struct text other;
  bool after_dash = false, found = false;
  int c = 0;
  text_start(part);
  text_start(point);
  for (unsigned field = 0; c != '\n' && c != -1; field++) {
    struct text *text = field == FIELD_ROOT ? part : field == FIELD_POINT ? point : &other;
    if (text == &other) text_start(text);
    while ((c = next_char(reader)) != -1 && c != '\n' && c != ' ') text_add(text, c);
    if (after_dash && strcmp(other.bytes, "cgroup2") == 0) found = true;
    after_dash = field >= FIELD_OPTIONAL && strcmp(other.bytes, "-") == 0;
  }
  *end = c == -1;
  if (!found || !part->fits || !point->fits) return false;
  decode(part);
  decode(point);
  return point->bytes[0] == '/';
}

/* Where the group's folder is below the mount point; NULL: it is not there. */
static const char *below(const char *part, const char *group) {
  size_t length = strcmp(part, "/") == 0 ? 0 : strlen(part);
  if (strncmp(part, group, length) != 0 || strstr(group, "/..") != NULL) return NULL;
  if (group[length] != '/' && group[length] != '\0') return NULL;
  return group + length;
}

/* ---- the limits */

static uint64_t read_number(struct reader *reader) {
  uint64_t number = 0;
  unsigned digits = 0;
  int c;
  for (; (c = next_char(reader)) >= '0' && c <= '9' && digits < NUMBER_SIZE; digits++)
    if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, c - '0', &number)) return CGROUP_NO_LIMIT;
  /* "max", and 0, which no process lives with. */
  return digits == 0 || number == 0 || (c != '\n' && c != -1) ? CGROUP_NO_LIMIT : number;
}

static uint64_t limit_in(const char *root, const char *folder, const char *name) {
  char path[2 * PATH_SIZE];
  struct reader reader;
  if (message_format(path, sizeof path, "%s/%s", folder, name) >= sizeof path) return CGROUP_NO_LIMIT;
  if (!open_file(&reader, root, path)) return CGROUP_NO_LIMIT;
  uint64_t limit = read_number(&reader);
  os_close(reader.fd);
  return limit;
}

static uint64_t lower(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* From the group's folder up to the mount point. */
static uint64_t lowest_limit(const char *root, const char *point, const char *group) {
  char folder[2 * PATH_SIZE];
  uint64_t lowest = CGROUP_NO_LIMIT;
  size_t top = strcmp(point, "/") == 0 ? 0 : strlen(point);
  size_t length = message_format(folder, sizeof folder, "%s%s", top == 0 ? "" : point, group);
  if (length >= sizeof folder) return CGROUP_NO_LIMIT;
  for (;;) {
    while (length > top && folder[length - 1] == '/') length--;
    folder[length] = '\0';
    lowest = lower(lowest, lower(limit_in(root, folder, "memory.max"), limit_in(root, folder, "memory.high")));
    if (length <= top) return lowest;
    while (length > top && folder[length - 1] != '/') length--;
  }
}

uint64_t cgroup_memory_limit(const char *root) {
  struct reader reader;
  struct text group, part, point;
  if (!open_file(&reader, root, "/proc/self/cgroup")) return CGROUP_NO_LIMIT;
  bool found = read_group(&reader, &group);
  os_close(reader.fd);
  if (!found || !open_file(&reader, root, "/proc/self/mountinfo")) return CGROUP_NO_LIMIT;
  const char *rest = NULL;
  for (bool end = false; rest == NULL && !end;)
    if (read_mount(&reader, &part, &point, &end)) rest = below(part.bytes, group.bytes);
  os_close(reader.fd);
  return rest != NULL ? lowest_limit(root, point.bytes, rest) : CGROUP_NO_LIMIT;
}
