/* json.c - strings in JSON. Paths and names of programs are bytes; JSON is UTF-8. */
#include <config.h>
#include "hakmemctl.h"

/* The length of the valid UTF-8 sequence at text, 0 if there is none. */
static int sequence_length(const unsigned char *text)
{
  if (text[0] < 0x80)
    return 1;
  int length = text[0] >= 0xC2 && text[0] <= 0xDF ? 2 : text[0] >= 0xE0 && text[0] <= 0xEF ? 3
             : text[0] >= 0xF0 && text[0] <= 0xF4 ? 4 : 0;
  for (int i = 1; i < length; i++)
    if ((text[i] & 0xC0) != 0x80)
      return 0;
  if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
      (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
    return 0;
  return length;
}

void json_string(FILE *out, const char *text)
{
  fputc('"', out);
  for (const unsigned char *next = (const unsigned char *)text; *next != '\0';) {
    int length = sequence_length(next);
    if (length == 0) {
      fputs("\\ufffd", out);
      next++;
    } else if (length > 1) {
      fwrite(next, 1, (size_t)length, out);
      next += length;
    } else {
      if (*next < 0x20)
        fprintf(out, "\\u%04x", *next);
      else if (*next == '"' || *next == '\\')
        fprintf(out, "\\%c", *next);
      else
        fputc(*next, out);
      next++;
    }
  }
  fputc('"', out);
}
