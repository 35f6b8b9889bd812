/* check_cgroup.c - the limit of a control group, in trees of files as the kernel shows them. */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "unit.h"

static char root[] = "/tmp/hakmem-check-cgroup.XXXXXX";

static void make_tree(void) {
  static const char pattern[] = "/tmp/hakmem-check-cgroup.XXXXXX";
  memcpy(root, pattern, sizeof pattern);
  ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_tree(void) {
  char command[100];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
}

/* A file below the root, with the folders above it. */
static void put_bytes(const char *path, const char *text, size_t size) {
  char name[3000];
  snprintf(name, sizeof name, "%s%s", root, path);
  for (char *slash = strchr(name + sizeof root, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    mkdir(name, 0700);
    *slash = '/';
  }
  FILE *file = fopen(name, "w");
  ck_assert_msg(file != NULL, "%s", name);
  ck_assert_uint_eq(fwrite(text, 1, size, file), size);
  fclose(file);
}
static void put(const char *path, const char *text) { put_bytes(path, text, strlen(text)); }

static uint64_t found(void) { return cgroup_memory_limit(root); }

#define MOUNT(part, point) \
  "21 30 0:19 / /proc rw,nosuid shared:5 - proc proc rw\n" \
  "30 23 0:26 " part " " point " rw,nosuid,nodev shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n" \
  "35 31 0:32 / /tmp rw - tmpfs tmpfs rw\n"

START_TEST(nothing_is_no_limit) {
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
  put("/proc/self/cgroup", "0::/a\n");
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
  put("/proc/self/mountinfo", MOUNT("/", "/sys/fs/cgroup"));
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
  put("/sys/fs/cgroup/a/memory.max", "max\n");
  put("/sys/fs/cgroup/a/memory.high", "max\n");
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
}
END_TEST

START_TEST(the_group_s_own_limit) {
  put("/proc/self/cgroup", "12:memory:/other\n1:name=systemd:/x\n0::/system.slice/nginx.service\n");
  put("/proc/self/mountinfo", MOUNT("/", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/system.slice/nginx.service/memory.max", "536870912\n");
  ck_assert_uint_eq(found(), 512 << 20);
  put("/sys/fs/cgroup/system.slice/nginx.service/memory.high", "268435456\n");
  ck_assert_uint_eq(found(), 256 << 20);
  put("/sys/fs/cgroup/system.slice/nginx.service/memory.max", "134217728");
  ck_assert_uint_eq(found(), 128 << 20);
}
END_TEST

START_TEST(the_lowest_of_those_above_counts) {
  put("/proc/self/cgroup", "0::/a/b/c\n");
  put("/proc/self/mountinfo", MOUNT("/", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/a/b/c/memory.max", "3000000\n");
  put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  put("/sys/fs/cgroup/a/memory.high", "2000000\n");
  ck_assert_uint_eq(found(), 2000000);
  put("/sys/fs/cgroup/memory.max", "1000000\n");   /* a container's own root has one */
  ck_assert_uint_eq(found(), 1000000);
  put("/sys/fs/memory.max", "5\n");                /* above the mount point nothing is a group */
  put("/memory.max", "5\n");
  ck_assert_uint_eq(found(), 1000000);
}
END_TEST

START_TEST(in_a_namespace_the_group_is_the_mount_point) {
  put("/proc/self/cgroup", "0::/\n");
  put("/proc/self/mountinfo", MOUNT("/", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/memory.max", "7000000\n");
  ck_assert_uint_eq(found(), 7000000);
}
END_TEST

START_TEST(a_part_of_the_hierarchy_may_be_mounted) {
  put("/proc/self/cgroup", "0::/docker/abc/inner\n");
  put("/proc/self/mountinfo", MOUNT("/docker/abd", "/sys/fs/no") MOUNT("/docker/abc", "/sys/fs/cgroup"));
  put("/sys/fs/cgroup/memory.max", "8000000\n");
  put("/sys/fs/cgroup/inner/memory.high", "9000000\n");
  put("/sys/fs/no/memory.max", "5\n");
  ck_assert_uint_eq(found(), 8000000);
  put("/proc/self/cgroup", "0::/docker/abcd\n");   /* not below what is mounted */
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
  put("/proc/self/cgroup", "0::/../../elsewhere\n");
  put("/proc/self/mountinfo", MOUNT("/", "/sys/fs/cgroup"));
  put("/elsewhere/memory.max", "5\n");
  put("/sys/elsewhere/memory.max", "5\n");
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
}
END_TEST

START_TEST(version_one_is_none_of_ours) {
  put("/proc/self/cgroup", "4:memory:/a\n");
  put("/proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  put("/sys/fs/cgroup/memory/a/memory.max", "5\n");
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
}
END_TEST

START_TEST(names_with_blanks_and_lines_longer_than_any_buffer) {
  static char text[20000];
  memset(text, 'x', 9000);
  memcpy(text, "20 1 0:1 / /a rw - overlay overlay rw,lowerdir=", 47);
  snprintf(text + 9000, sizeof text - 9000, "\n%s", MOUNT("/a\\040b", "/sys/fs/c\\040g\\134x"));
  put("/proc/self/mountinfo", text);
  put("/proc/self/cgroup", "0::/a b/c\n");
  put("/sys/fs/c g\\x/c/memory.max", "6000000\n");
  ck_assert_uint_eq(found(), 6000000);
  memset(text, 'y', 3000);   /* a group whose name is too long is not found, nor another one */
  memcpy(text, "0::/", 4);
  text[3000] = '\0';
  put("/proc/self/cgroup", text);
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
}
END_TEST

START_TEST(numbers_that_are_none) {
  static const char *const texts[] = {
    "", "\n", "max", "maximum\n", "-1\n", "0\n", "12x\n", " 12\n", "99999999999999999999999\n", "0x10\n",
    "18446744073709551616\n", "1234567890123456789012345678901234567890\n"
  };
  put("/proc/self/cgroup", "0::/a\n");
  put("/proc/self/mountinfo", MOUNT("/", "/sys/fs/cgroup"));
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    put("/sys/fs/cgroup/a/memory.max", texts[i]);
    ck_assert_msg(found() == CGROUP_NO_LIMIT, "%s", texts[i]);
  }
  put("/sys/fs/cgroup/a/memory.max", "18446744073709551614\n");
  ck_assert(found() == CGROUP_NO_LIMIT - 1);
}
END_TEST

START_TEST(a_folder_in_place_of_a_file) {
  put("/proc/self/cgroup/x", "");
  ck_assert_uint_eq(found(), CGROUP_NO_LIMIT);
}
END_TEST

/* ---- any bytes: random text, and good text with changes */

static uint32_t seed = 1;
static unsigned random_below(unsigned limit) {
  seed = seed * 1103515245 + 12345;
  return seed / 65536 % limit;
}

static void change(char *text, size_t size) {
  static const char odd[] = " \n\\0-:/.\0max9";
  for (unsigned changes = random_below(8); changes > 0; changes--)
    text[random_below((unsigned)size)] = random_below(2) ? odd[random_below(sizeof odd)] : (char)random_below(256);
}

START_TEST(any_text_is_survived) {
  static const char group[] = "9:cpu:/x\n0::/a/b\n", mount[] = MOUNT("/", "/sys/fs/cgroup"), number[] = "4096000\n";
  unsigned hits = 0;
  for (unsigned round = 0; round < (is_emulated() ? 100 : 800); round++) {
    char text[3][600];
    const char *good[3] = { group, mount, number };
    size_t size[3] = { sizeof group - 1, sizeof mount - 1, sizeof number - 1 };
    static const char *const names[3] = { "/proc/self/cgroup", "/proc/self/mountinfo", "/sys/fs/cgroup/a/b/memory.max" };
    for (unsigned i = 0; i < 3; i++) {
      memcpy(text[i], good[i], size[i]);
      if (random_below(3) == 0) change(text[i], size[i]);
      if (random_below(20) == 0)
        for (size_t k = 0; k < size[i]; k++) text[i][k] = "0::/ \n-cgroup2\\"[random_below(15)];
      put_bytes(names[i], text[i], random_below(10) ? size[i] : random_below((unsigned)size[i]));
    }
    hits += found() != CGROUP_NO_LIMIT;
  }
  ck_assert_uint_gt(hits, 10);
}
END_TEST

UNIT_MAIN_WITH("cgroup", make_tree, remove_tree, nothing_is_no_limit, the_group_s_own_limit, the_lowest_of_those_above_counts,
               in_a_namespace_the_group_is_the_mount_point, a_part_of_the_hierarchy_may_be_mounted,
               version_one_is_none_of_ours, names_with_blanks_and_lines_longer_than_any_buffer, numbers_that_are_none,
               a_folder_in_place_of_a_file, any_text_is_survived)
