/* option_load.c LOAD [NUMBER...] - loads that one option each has an effect on. Plain malloc: runs with and
   without the interposer. */
#include <config.h>

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <time.h>

#include "../hazards/program.h"

static size_t number(char **argv, int index) { return argv[index] == NULL ? 0 : strtoul(argv[index], NULL, 10); }

static void pause_ms(long milliseconds) {
  struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
  nanosleep(&pause, NULL);
}

/* A thousand requests of each tier, the last four of huge. */
static void load_tiers(char **argv) {
  (void)argv;
  for (unsigned i = 0; i < 1000; i++) {
    void *tiny = get(100), *mid = get(5000), *large = get(100000);
    free(tiny);
    free(mid);
    free(large);
  }
  for (unsigned i = 0; i < 4; i++) free(get(3 << 20));
}

/* pairs SIZE COUNT: gets, touches and frees a block again and again. */
static void load_pairs(char **argv) {
  size_t size = number(argv, 0), count = number(argv, 1);
  for (size_t i = 0; i < count; i++) {
    unsigned char *block = get(size);
    REQUIRE(block != NULL);
    block[0] = block[size - 1] = 1;
    free(block);
  }
}

/* keep SIZE COUNT: that many blocks live at a time, then all are freed; nothing afterwards. */
static void load_keep(char **argv) {
  static unsigned char *block[4096];
  size_t size = number(argv, 0), count = number(argv, 1);
  REQUIRE(count <= 4096);
  for (size_t i = 0; i < count; i++) {
    block[i] = get(size);
    REQUIRE(block[i] != NULL);
    block[i][0] = block[i][size - 1] = 1;
  }
  for (size_t i = 0; i < count; i++) free(block[i]);
}

/* waves SIZE COUNT ROUNDS PAUSE_MS: keep again and again, with pauses. */
static void load_waves(char **argv) {
  static unsigned char *block[65536];
  size_t size = number(argv, 0), count = number(argv, 1), rounds = number(argv, 2);
  REQUIRE(count <= 65536);
  for (size_t round = 0; round < rounds; round++) {
    for (size_t i = 0; i < count; i++) {
      block[i] = get(size);
      REQUIRE(block[i] != NULL);
      memset(block[i], 1, size);
    }
    for (size_t i = 0; i < count; i++) free(block[i]);
    pause_ms((long)number(argv, 3));
    void *tick[200];
    for (unsigned i = 0; i < 200; i++) tick[i] = get(2000);
    for (unsigned i = 0; i < 200; i++) free(tick[i]);
  }
}

/* sizes MIB: so much of one size after the other, touched, each freed before the next; prints the kB resident at the
   peak. */
static void load_sizes(char **argv) {
  static unsigned char *block[1 << 17];
  static const size_t sizes[] = { 3 << 20, 5000, 100000, 700, 9 << 20, 40000, 1200000 };
  size_t bytes = number(argv, 0) << 20;
  for (unsigned round = 0; round < 2 * sizeof sizes / sizeof *sizes; round++) {
    size_t size = sizes[round % (sizeof sizes / sizeof *sizes)], count = bytes / size;
    REQUIRE(count <= 1 << 17);
    for (size_t i = 0; i < count; i++) {
      block[i] = get(size);
      REQUIRE(block[i] != NULL);
      memset(block[i], 1, size);
    }
    for (size_t i = 0; i < count; i++) free(block[i]);
  }
  printf("%ld\n", status_kib("/proc/self/status", "VmHWM"));
}

/* refused SIZE COUNT: some of so many requests fail, with ENOMEM; when all are freed one works again. */
static void load_refused(char **argv) {
  static void *block[4096];
  size_t size = number(argv, 0), count = number(argv, 1), refused = 0;
  REQUIRE(count <= 4096);
  for (size_t i = 0; i < count; i++) {
    errno = 0;
    block[i] = get(size);
    REQUIRE(block[i] != NULL || errno == ENOMEM);
    refused += block[i] == NULL;
  }
  REQUIRE(refused > 0 && refused < count);
  for (size_t i = 0; i < count; i++) free(block[i]);
  block[0] = get(size);
  REQUIRE(block[0] != NULL);
  free(block[0]);
}

/* lane LEAST MOST OPERATIONS: random sizes in a window of 200 blocks. */
static void load_lane(char **argv) {
  static unsigned char *block[200];
  size_t least = number(argv, 0), most = number(argv, 1), operations = number(argv, 2);
  uint32_t state = 13;
  for (size_t i = 0; i < operations; i++) {
    unsigned slot = next_random(&state) % 200;
    free(block[slot]);
    block[slot] = get(least + next_random(&state) % (most - least));
    REQUIRE(block[slot] != NULL);
    block[slot][0] = 1;
  }
  for (unsigned i = 0; i < 200; i++) free(block[i]);
}

/* grow MIB: a large and dense heap of small blocks that stays. */
static void load_grow(char **argv) {
  size_t bytes = number(argv, 0) << 20;
  for (size_t got = 0; got < bytes; got += 512) {
    unsigned char *block = get(512);
    REQUIRE(block != NULL);
    memset(block, 1, 512);
  }
  printf("%ld\n", status_kib("/proc/self/smaps_rollup", "AnonHugePages"));
}

/* one: one small block; prints the kB that are resident then. */
static void load_one(char **argv) {
  (void)argv;
  long before = status_kib("/proc/self/smaps_rollup", "Anonymous");
  free(get(100));
  printf("%ld\n", status_kib("/proc/self/smaps_rollup", "Anonymous") - before);
}

/* bad COUNT: frees that many addresses in the middle of a block; a huge one, where builds without checks see it too. */
static void load_bad(char **argv) {
  unsigned char *block = get(3 << 20);
  for (size_t i = 0; i < number(argv, 0); i++) free(opaque(block + 16 * (i + 1)));
  memset(block, 1, 3 << 20);
  free(block);
  puts("went on");
}

/* foreign COUNT [early]: frees that many blocks that came from the C library past the interposer; early: they were
   there before the interposer's first call. */
static void load_foreign(char **argv) {
  void *found = dlsym(RTLD_NEXT, "__libc_malloc");
  void *(*libc_malloc)(size_t);
  REQUIRE(found != NULL);
  memcpy(&libc_malloc, &found, sizeof libc_malloc);
  if (argv[1] == NULL) free(get(10));
  void *keeps_the_heap = libc_malloc(100);
  for (size_t i = 0; i < number(argv, 0); i++) free(opaque(libc_malloc(100)));
  REQUIRE(keeps_the_heap != NULL);
  puts("went on");
}

/* routes: one free of each kind. */
static void load_routes(char **argv) {
  (void)argv;
  free(get(200));
  free(get(9000));
  free(get(200000));
  free(get(5 << 20));
}

/* Where the first object whose path ends in a name has been loaded. */
struct object { const char *ending; uintptr_t base; };
static int find_object(struct dl_phdr_info *info, size_t size, void *data) {
  struct object *object = data;
  size_t length = strlen(info->dlpi_name), ending = strlen(object->ending);
  (void)size;
  if (length < ending || strcmp(info->dlpi_name + length - ending, object->ending) != 0) return 0;
  object->base = info->dlpi_addr;
  return 1;
}

/* poke OBJECT OFFSET: writes a byte there, after the first request. OBJECT is the interposer's path, or the
   library's, whose hak_malloc is called then. */
static void load_poke(char **argv) {
  void *library = dlopen(argv[0], RTLD_NOW);
  REQUIRE(library != NULL);
  void *found = dlsym(library, "hak_malloc");
  void *(*hak_malloc)(size_t);
  REQUIRE(found != NULL);
  memcpy(&hak_malloc, &found, sizeof hak_malloc);
  REQUIRE(get(10) != NULL && hak_malloc(10) != NULL);
  struct object object = { argv[0], 0 };
  REQUIRE(dl_iterate_phdr(find_object, &object) == 1);
  volatile char *byte = (volatile char *)(object.base + strtoul(argv[1], NULL, 16));
  *byte = *byte;
  puts("went on");
}

static const struct {
  const char *name;
  void (*run)(char **argv);
} loads[] = {
  { "tiers", load_tiers }, { "pairs", load_pairs }, { "keep", load_keep }, { "waves", load_waves },
  { "lane", load_lane }, { "grow", load_grow }, { "one", load_one }, { "bad", load_bad },
  { "foreign", load_foreign }, { "routes", load_routes }, { "poke", load_poke },
  { "sizes", load_sizes }, { "refused", load_refused },
};

int main(int argc, char **argv) {
  REQUIRE(argc >= 2);
  for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
    if (strcmp(argv[1], loads[i].name) != 0) continue;
    loads[i].run(argv + 2);
    return 0;
  }
  fail_program("unknown load");
}
