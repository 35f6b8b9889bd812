/* message.c - one line of text without stdio and without malloc. */
#include <config.h>
#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

int message_level = MESSAGE_ERROR;
bool message_muted;
bool (*message_may_write)(void);

/* Where text goes: what does not fit is counted only. */
struct writer {
  char *buffer;
  size_t size, length;
};

static void put(struct writer *writer, char c) {
  if (writer->length + 1 < writer->size) writer->buffer[writer->length] = c;
  writer->length++;
}

static void put_text(struct writer *writer, const char *text) {
  for (const char *next = text != NULL ? text : "(null)"; *next != '\0'; next++) put(writer, *next);
}

static void put_number(struct writer *writer, uint64_t value, unsigned base, unsigned width) {
  char digits[20];
  unsigned count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  for (; width > count; width--) put(writer, '0');
  while (count > 0) put(writer, digits[--count]);
}

static void put_signed(struct writer *writer, int64_t value, unsigned width) {
  if (value < 0) put(writer, '-');
  put_number(writer, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width);
}

/* How wide an integer argument is: the h-less length modifiers of printf. */
enum length { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE };

static enum length take_length(const char **format) {
  if (**format == 'z') {
    ++*format;
    return LENGTH_SIZE;
  }
  if (**format != 'l') return LENGTH_INT;
  ++*format;
  if (**format != 'l') return LENGTH_LONG;
  ++*format;
  return LENGTH_LONG_LONG;
}

static unsigned take_width(const char **format) {
  unsigned width = 0;
  for (; **format >= '0' && **format <= '9' && width < 100; ++*format)
    width = width * 10 + (unsigned)(**format - '0');
  return width;
}

/* va_list is an array on some machines: a struct around it can be passed by address everywhere. */
struct arguments {
  va_list list;
};

static int64_t next_signed(struct arguments *arguments, enum length length) {
  switch (length) {
    case LENGTH_LONG: return va_arg(arguments->list, long);
    case LENGTH_LONG_LONG: return va_arg(arguments->list, long long);
    case LENGTH_SIZE: return va_arg(arguments->list, ssize_t);
    case LENGTH_INT: break;
  }
  return va_arg(arguments->list, int);
}

static uint64_t next_unsigned(struct arguments *arguments, enum length length) {
  switch (length) {
    case LENGTH_LONG: return va_arg(arguments->list, unsigned long);
    case LENGTH_LONG_LONG: return va_arg(arguments->list, unsigned long long);
    case LENGTH_SIZE: return va_arg(arguments->list, size_t);
    case LENGTH_INT: break;
  }
  return va_arg(arguments->list, unsigned);
}

/* One conversion; *format is behind the '%'. */
static void put_conversion(struct writer *writer, const char **format, struct arguments *arguments) {
  unsigned width = take_width(format);
  enum length length = take_length(format);
  switch (**format) {
    case 's': put_text(writer, va_arg(arguments->list, const char *)); break;
    case 'c': put(writer, (char)va_arg(arguments->list, int)); break;
    case 'd': put_signed(writer, next_signed(arguments, length), width); break;
    case 'u': put_number(writer, next_unsigned(arguments, length), 10, width); break;
    case 'x': put_number(writer, next_unsigned(arguments, length), 16, width); break;
    case 'p':
      put_text(writer, "0x");
      put_number(writer, (uintptr_t)va_arg(arguments->list, void *), 16, width);
      break;
    case '\0': return;
    default: put(writer, **format); break;   /* %% */
  }
  ++*format;
}

size_t message_vformat(char *buffer, size_t size, const char *format, va_list args) {
  struct writer writer = { buffer, size, 0 };
  struct arguments arguments;
  va_copy(arguments.list, args);
  while (*format != '\0') {
    char c = *format++;
    if (c == '%')
      put_conversion(&writer, &format, &arguments);
    else
      put(&writer, c);
  }
  va_end(arguments.list);
  if (size > 0) buffer[writer.length < size ? writer.length : size - 1] = '\0';
  return writer.length;
}

size_t message_format(char *buffer, size_t size, const char *format, ...) {
  va_list args;
  va_start(args, format);
  size_t length = message_vformat(buffer, size, format, args);
  va_end(args);
  return length;
}

const char *message_program(void) {
  const char *path = (const char *)getauxval(AT_EXECFN);
  if (path == NULL) return "?";
  const char *slash = strrchr(path, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* The whole line in one write(2), so that lines of several threads and processes do not mix. */
static void print_line(const char *format, va_list args) {
  char line[MESSAGE_MAX];
  if (message_may_write != NULL && !message_may_write()) return;
  int saved_errno = errno;
  char program[64];
  message_format(program, sizeof program, "%s", message_program());
  size_t length = message_format(line, sizeof line, "hakmem: %s[%d]: ", program, (int)syscall(SYS_getpid));
  length += message_vformat(line + length, sizeof line - length, format, args);
  if (length > sizeof line - 1) length = sizeof line - 1;
  line[length++] = '\n';   /* over the terminator */
  while (syscall(SYS_write, 2, line, length) == -1 && errno == EINTR) {}
  errno = saved_errno;
}

void message_print(enum message_level level, const char *format, ...) {
  if (message_muted || (int)level > message_level) return;
  va_list args;
  va_start(args, format);
  print_line(format, args);
  va_end(args);
}

void message_fatal(const char *format, ...) {
  if (!message_muted) {
    va_list args;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
  }
  abort();
}
