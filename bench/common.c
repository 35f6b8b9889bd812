/* common.c - see common.h. */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "common.h"

enum { STRIDE = 4096, WORD = 8 };

void bench_random_start(struct bench_random *random, uint64_t seed, uint64_t stream)
{
  /* splitmix64, so that neighbouring seeds have nothing in common. */
  uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + (stream + 1) * UINT64_C(0xd1342543de82ef95);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  x ^= x >> 31;
  random->state = x != 0 ? x : 1;
}

static void put(unsigned char *at, uint64_t word)
{
  memcpy(at, &word, WORD);
}

static bool is(const unsigned char *at, uint64_t word)
{
  uint64_t found;
  memcpy(&found, at, WORD);
  return found == word;
}

/* A block under 16 bytes has a head of up to 8 bytes and nothing else. */
static size_t head_size(size_t size)
{
  return size < WORD ? size : WORD;
}

void bench_stamp(const struct bench_slot *slot)
{
  unsigned char *block = slot->block;
  size_t size = slot->size;
  memcpy(block, &slot->tag, head_size(size));
  if (size < 2 * WORD)
    return;
  for (size_t at = STRIDE; at + 2 * WORD <= size; at += STRIDE)
    put(block + at, slot->tag + at);
  put(block + size - WORD, ~slot->tag);
}

static _Noreturn void corrupt(const struct bench_slot *slot, size_t at)
{
  fprintf(stderr, "corrupt: block %p of %zu bytes, near byte %zu\n", slot->block, slot->size, at);
  _exit(BENCH_WRONG);
}

void bench_check_prefix(const struct bench_slot *slot, size_t kept)
{
  const unsigned char *block = slot->block;
  if (memcmp(block, &slot->tag, head_size(kept)) != 0)
    corrupt(slot, 0);
  for (size_t at = STRIDE; at + 2 * WORD <= kept; at += STRIDE)
    if (!is(block + at, slot->tag + at))
      corrupt(slot, at);
}

void bench_check(const struct bench_slot *slot)
{
  bench_check_prefix(slot, slot->size);
  if (slot->size >= 2 * WORD && !is((unsigned char *)slot->block + slot->size - WORD, ~slot->tag))
    corrupt(slot, slot->size - WORD);
}

void *bench_map(size_t size)
{
  void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED)
    bench_fail("no memory for the program's own arrays");
  return pages;
}

double bench_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_sleep(double seconds)
{
  struct timespec left = { .tv_sec = (time_t)seconds };
  left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
  while (nanosleep(&left, &left) != 0 && errno == EINTR)
    continue;
}

/* Of the fields of /proc/self/statm, in pages: all, resident, and of these shared, which is of files and shared memory. */
size_t bench_resident_bytes(void)
{
  char text[256];
  int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (got < 0)
    bench_fail("cannot read /proc/self/statm");
  close(fd);
  text[got] = '\0';
  char *at = text;
  strtoull(at, &at, 10);
  unsigned long long resident = strtoull(at, &at, 10);
  unsigned long long shared = strtoull(at, &at, 10);
  if (at == text || resident < shared)
    bench_fail("a field of /proc/self/statm is missing");
  return (size_t)((resident - shared) * (unsigned long long)sysconf(_SC_PAGESIZE));
}

int bench_thread_start(pthread_t *thread, bool detached, void *(*run)(void *), void *argument)
{
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_attr_setdetachstate(&attributes, detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
  int error = pthread_create(thread, &attributes, run, argument);
  pthread_attr_destroy(&attributes);
  return error;
}

/* Other threads may still run: no exit handlers. */
void bench_fail(const char *what)
{
  fprintf(stderr, "failed: %s\n", what);
  _exit(BENCH_WRONG);
}

void bench_usage(const char *usage, const char *argument, const char *text, const char *problem)
{
  if (argument != NULL)
    fprintf(stderr, "%s: \"%s\" %s\n", argument, text, problem);
  fputs(usage, stderr);
  exit(BENCH_USAGE);
}

uint64_t bench_number(const char *usage, const char *name, const char *text, uint64_t least, uint64_t most)
{
  char problem[96];
  char *end = NULL;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  snprintf(problem, sizeof problem, "is not a whole number from %llu to %llu", (unsigned long long)least,
           (unsigned long long)most);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno == ERANGE || value < least || value > most)
    bench_usage(usage, name, text, problem);
  return value;
}

double bench_seconds(const char *usage, const char *name, const char *text)
{
  char *end = NULL;
  double value = strtod(text, &end);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || !(value > 0 && value <= 86400))
    bench_usage(usage, name, text, "is not a number of seconds over 0, up to 86400");
  return value;
}
