/* report.c - the report as text, JSON and XML. Layer 10.

   Nothing is allocated. JSON is one line, so that a file to which many processes append is read line by line.
   XML is what malloc_info(3) prints, in glibc's shape. */
#include <config.h>

#include <string.h>

#include "message.h"
#include "options.h"
#include "os.h"
#include "process.h"
#include "report.h"
#include "trace.h"

/* Collects text and emits it when full. */
struct writer {
  void (*emit)(void *context, const char *text, size_t size);
  void *context;
  size_t length;
  char text[1024];
};

enum { PIECE_MAX = 256 };   /* longest text that one call of put() makes */

static void flush(struct writer *writer) {
  if (writer->length != 0) writer->emit(writer->context, writer->text, writer->length);
  writer->length = 0;
}

static HAK_PRINTF(2, 3) void put(struct writer *writer, const char *format, ...) {
  if (sizeof writer->text - writer->length < PIECE_MAX) flush(writer);
  va_list args;
  va_start(args, format);
  size_t room = sizeof writer->text - writer->length;
  size_t length = message_vformat(writer->text + writer->length, room, format, args);
  va_end(args);
  writer->length += min_size(length, room - 1);
}

/* For %llu on all machines. */
static unsigned long long wide(uint64_t value) { return value; }

/* ---- text */

static void put_right(struct writer *writer, const char *text, size_t width) {
  for (size_t length = strlen(text); length < width; length++) put(writer, " ");
  put(writer, "%s", text);
}

static void put_left(struct writer *writer, const char *text, size_t width) {
  put(writer, "%s", text);
  for (size_t length = strlen(text); length < width; length++) put(writer, " ");
}

enum { NAME_WIDTH = 18, COLUMN_WIDTH = 15 };

static void put_column(struct writer *writer, uint64_t value) {
  char digits[24];
  message_format(digits, sizeof digits, "%llu", wide(value));
  put_right(writer, digits, COLUMN_WIDTH);
}

static void put_heading(struct writer *writer, const char *first, const char *const columns[4]) {
  put(writer, "\n");
  put_left(writer, first, NAME_WIDTH);
  for (int i = 0; i < 4; i++) put_right(writer, columns[i], COLUMN_WIDTH);
  put(writer, "\n");
}

static void put_row(struct writer *writer, const char *name, const uint64_t values[4]) {
  put_left(writer, name, NAME_WIDTH);
  for (int i = 0; i < 4; i++) put_column(writer, values[i]);
  put(writer, "\n");
}

static void write_text_tiers(struct writer *writer, const struct figures *figures) {
  static const char *const columns[4] = { "requests", "live blocks", "live bytes", "held bytes" };
  put_heading(writer, "tier", columns);
  for (int tier = 0; tier < TIER_COUNT; tier++) {
    uint64_t values[4] = { figures->requests[tier], figures->live_blocks[tier], figures->live_bytes[tier],
                           figures->held_bytes[tier] };
    put_row(writer, tier_names[tier], values);
  }
}

static void write_text_tallies(struct writer *writer, const struct figures *figures) {
  put(writer, "\n");
  put_left(writer, "counts", NAME_WIDTH);
  for (unsigned place = 0; place < PLACE_COUNT; place++) put_right(writer, place_name(place), COLUMN_WIDTH);
  put(writer, "\n");
  for (unsigned tally = 0; tally < TALLY_END; tally++) {
    put_left(writer, tally_name(tally), NAME_WIDTH - 2);
    put(writer, tally_is_estimate(tally) ? "~ " : "  ");
    for (unsigned place = 0; place < PLACE_COUNT; place++) put_column(writer, figures->tally[place][tally]);
    put(writer, "\n");
  }
}

static void write_text_classes(struct writer *writer, const struct figures *figures) {
  static const char *const columns[4] = { "requests", "misses", "live blocks", "slabs" };
  put_heading(writer, "block size", columns);
  for (int i = 0; i < CLASS_COUNT; i++) {
    const struct class_figures *class = &figures->class[i];
    if (class->requests == 0) continue;
    char size[24];
    uint64_t values[4] = { class->requests, class->misses, class->live, class->slabs };
    message_format(size, sizeof size, "%u", size_classes[i].block_size);
    put_row(writer, size, values);
  }
}

static void write_text_steering(struct writer *writer, const struct figures *figures) {
  for (int i = 0; i < STEERING_END; i++) {
    if (figures->steering[i] == 0) continue;
    put_left(writer, steering_name((unsigned)i), NAME_WIDTH);
    put_column(writer, figures->steering[i]);
    put(writer, "\n");
  }
}

static void write_text(struct writer *writer, const struct figures *figures) {
  put(writer, "hakmem: statistics of %s", message_program());
  put(writer, "[%d], libhakmem %s\n", os_getpid(), PACKAGE_VERSION);
  write_text_tiers(writer, figures);
  write_text_tallies(writer, figures);
  write_text_classes(writer, figures);
  put(writer, "\n");
  put_left(writer, "metadata_bytes", NAME_WIDTH);
  put_column(writer, figures->metadata_bytes);
  put(writer, "\n");
  for (int i = 0; i < COUNT_END; i++) {
    if (figures->counter[i] == 0) continue;
    put_left(writer, counter_name((enum counter)i), NAME_WIDTH);
    put_column(writer, figures->counter[i]);
    put(writer, "\n");
  }
  write_text_steering(writer, figures);
}

/* ---- JSON */

/* A string; bytes that are not ASCII are shown as the characters of their number. */
static void put_string(struct writer *writer, const char *text) {
  put(writer, "\"");
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      put(writer, "\\%c", c);
    } else if (c < ' ' || c > '~') {
      put(writer, "\\u%04x", c);
    } else {
      put(writer, "%c", c);
    }
  }
  put(writer, "\"");
}

/* One place: what the tiers have had from the first, and the rest. */
static void write_json_place(struct writer *writer, const struct figures *figures, unsigned place) {
  put(writer, "\"%s\":{", place_name(place));
  if (place < TIER_COUNT) put(writer, "\"live_blocks\":%llu,", wide(figures->live_blocks[place]));
  for (unsigned tally = 0; tally < TALLY_END; tally++)
    put(writer, "%s\"%s\":%llu", tally == 0 ? "" : ",", tally_name(tally), wide(figures->tally[place][tally]));
  put(writer, "}");
}

static void write_json_tiers(struct writer *writer, const struct figures *figures) {
  for (unsigned place = 0; place < PLACE_COUNT; place++) {
    put(writer, "%s", place == 0 ? ",\"tiers\":{" : place == TIER_COUNT ? "},\"caches\":{" : ",");
    write_json_place(writer, figures, place);
  }
  put(writer, "},\"estimated\":[");
  const char *separator = "";
  for (unsigned tally = 0; tally < TALLY_END; tally++) {
    if (!tally_is_estimate(tally)) continue;
    put(writer, "%s\"%s\"", separator, tally_name(tally));
    separator = ",";
  }
  put(writer, "]");
}

static void write_json_classes(struct writer *writer, const struct figures *figures) {
  const char *separator = "";
  put(writer, ",\"classes\":[");
  for (int i = 0; i < CLASS_COUNT; i++) {
    const struct class_figures *class = &figures->class[i];
    if (class->requests == 0) continue;
    put(writer, "%s{\"class\":%d,\"tier\":\"%s\",\"block_size\":%u,", separator, i,
        tier_names[size_class_tier((unsigned)i)], size_classes[i].block_size);
    put(writer, "\"requests\":%llu,\"hits\":%llu,\"misses\":%llu,\"refills\":%llu,", wide(class->requests),
        wide(class->requests - class->misses), wide(class->misses), wide(class->refills));
    put(writer, "\"frees\":%llu,\"live\":%llu,\"slabs\":%llu,", wide(class->frees), wide(class->live), wide(class->slabs));
    put(writer, "\"kept\":%llu,\"parked_bytes\":%llu}", wide(class->kept), wide(class->parked_bytes));
    separator = ",";
  }
  put(writer, "]");
}

static void write_json_options(struct writer *writer) {
  put(writer, ",\"options\":{");
  for (size_t i = 0; i < options_count(); i++) {
    char text[OPTION_PATH_MAX];
    struct option_row row = options_row(i);
    put(writer, "%s\"%s\":", i == 0 ? "" : ",", row.name);
    put_string(writer, options_get_text(row.name, text, sizeof text));
  }
  put(writer, "}");
}

static void write_json_steering(struct writer *writer, const struct figures *figures) {
  for (int i = 0; i < STEERING_END; i++)
    put(writer, ",\"%s\":%llu", steering_name((unsigned)i), wide(figures->steering[i]));
}

static void write_json(struct writer *writer, const struct figures *figures) {
  put(writer, "{\"version\":\"%s\",\"pid\":%d,\"program\":", PACKAGE_VERSION, os_getpid());
  put_string(writer, message_program());
  write_json_tiers(writer, figures);
  put(writer, ",\"metadata_bytes\":%llu,\"counters\":{", wide(figures->metadata_bytes));
  for (int i = 0; i < COUNT_END; i++) {
    put(writer, "%s\"%s\":%llu", i == 0 ? "" : ",", counter_name((enum counter)i), wide(figures->counter[i]));
  }
  put(writer, "}");
  write_json_steering(writer, figures);
  write_json_classes(writer, figures);
  write_json_options(writer);
  put(writer, "}\n");
}

/* ---- XML */

struct free_figures {
  uint64_t count, bytes;
};

/* A line for each class with free blocks; returns their sums. */
static struct free_figures write_xml_sizes(struct writer *writer, const struct figures *figures) {
  struct free_figures sum = { 0, 0 };
  put(writer, "<sizes>\n");
  for (int i = 0; i < CLASS_COUNT; i++) {
    uint64_t capacity = figures->class[i].slabs * size_classes[i].capacity;
    if (capacity <= figures->class[i].live) continue;
    uint64_t count = capacity - figures->class[i].live;
    unsigned size = size_classes[i].block_size;
    put(writer, "  <size from=\"%u\" to=\"%u\" total=\"%llu\" count=\"%llu\"/>\n", size, size,
        wide(count * size), wide(count));
    sum.count += count;
    sum.bytes += count * size;
  }
  put(writer, "</sizes>\n");
  return sum;
}

static void write_xml_totals(struct writer *writer, struct free_figures sum, uint64_t held,
                             uint64_t committed) {
  put(writer, "<system type=\"current\" size=\"%llu\"/>\n", wide(held));
  put(writer, "<aspace type=\"total\" size=\"%llu\"/>\n", wide(held));
  put(writer, "<aspace type=\"mprotect\" size=\"%llu\"/>\n", wide(committed));
  put(writer, "<total type=\"fast\" count=\"0\" size=\"0\"/>\n");
  put(writer, "<total type=\"rest\" count=\"%llu\" size=\"%llu\"/>\n", wide(sum.count), wide(sum.bytes));
}

static void write_xml_counts(struct writer *writer, const struct figures *figures, unsigned place) {
  put(writer, "<counts name=\"%s\"", place_name(place));
  for (unsigned tally = 0; tally < TALLY_END; tally++)
    put(writer, " %s=\"%llu\"", tally_name(tally), wide(figures->tally[place][tally]));
  put(writer, "/>\n");
}

static void write_xml(struct writer *writer, const struct figures *figures) {
  const uint64_t *bytes = figures->held_bytes;
  uint64_t held = bytes[TIER_TINY] + bytes[TIER_MID] + bytes[TIER_L25];
  uint64_t committed = figures->counter[COUNT_COMMITTED_BYTES];
  put(writer, "<malloc version=\"1\">\n<heap nr=\"0\">\n");
  struct free_figures sum = write_xml_sizes(writer, figures);
  write_xml_totals(writer, sum, held, committed);
  put(writer, "</heap>\n");
  for (int tier = 0; tier < TIER_COUNT; tier++) {
    put(writer, "<tier name=\"%s\" requests=\"%llu\" live=\"%llu\" size=\"%llu\" held=\"%llu\"/>\n",
        tier_names[tier], wide(figures->requests[tier]), wide(figures->live_blocks[tier]),
        wide(figures->live_bytes[tier]), wide(figures->held_bytes[tier]));
  }
  for (unsigned place = 0; place < PLACE_COUNT; place++) write_xml_counts(writer, figures, place);
  for (int i = 0; i < STEERING_END; i++)
    if (figures->steering[i] != 0)
      put(writer, "<%s name=\"%s\" value=\"%llu\"/>\n", i < STEERING_LIMIT_END ? "limit" : "ace", steering_name((unsigned)i),
          wide(figures->steering[i]));
  put(writer, "<total type=\"mmap\" count=\"%llu\" size=\"%llu\"/>\n", wide(figures->live_blocks[TIER_HUGE]),
      wide(figures->live_bytes[TIER_HUGE]));
  write_xml_totals(writer, sum, held, committed);
  put(writer, "</malloc>\n");
}

/* ---- */

void report_write(enum report_format format, void (*emit)(void *context, const char *text, size_t size),
                  void *context) {
  struct figures figures;
  struct writer writer = { .emit = emit, .context = context, .length = 0 };
  figures_collect(&figures);
  switch (format) {
    case REPORT_TEXT: write_text(&writer, &figures); break;
    case REPORT_JSON: write_json(&writer, &figures); break;
    case REPORT_XML: write_xml(&writer, &figures); break;
  }
  flush(&writer);
}

/* The report at exit goes out in one write(2), if it can, so that those of several processes do not mix.
   Only the thread that exits comes here, once. */
static struct {
  size_t length;
  char text[32 << 10];
} exit_text HAK_SPARSE;

static void flush_exit_text(void) {
  trace_write(exit_text.text, exit_text.length);
  exit_text.length = 0;
}

static void emit_exit_text(void *context, const char *text, size_t size) {
  (void)context;
  if (sizeof exit_text.text - exit_text.length < size) flush_exit_text();
  memcpy(exit_text.text + exit_text.length, text, size);
  exit_text.length += size;
}

void report_at_exit(void) {
  if (option.stats == STATS_OFF) return;
  report_write(option.stats == STATS_JSON ? REPORT_JSON : REPORT_TEXT, emit_exit_text, NULL);
  flush_exit_text();
}

/* A process that has never allocated has not read its options, and gets no report. */
__attribute__((destructor)) static void report_at_end(void) {
  if (process_state_now() >= PROCESS_READY) report_at_exit();
}
