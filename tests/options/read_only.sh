#!/bin/sh
# read_only.sh - after the start a write to what never changes faults, in the interposer and in the library.
. "$(dirname "$0")/../lib.sh"
need_preload

# offset OBJECT VARIABLE: where it lies; hidden names are in the table of symbols until the object is stripped.
offset() {
  found=$(${NM:-nm} "$1" 2>/dev/null | awk -v name="$2" '$3 == name { print $1 }')
  [ -n "$found" ] || skip "$1 has been stripped"
  echo "$found"
}
# poke OBJECT VARIABLE [NAME=VALUE...]: writes to it; the status is the program's.
poke() {
  poke_object=$1 poke_offset=$(offset "$1" "$2") || { echo "$poke_offset"; exit 77; }
  shift 2
  set +e
  (ulimit -c 0; env "$@" "$(program options/option_load)" poke "$poke_object" "$poke_offset") >"$tmp/out" 2>&1
  poke_status=$?
  set -e
}
# faults and writes: what is expected of the same.
faults() {
  poke "$@"
  expect_equal "status after a write to $2: $(cat "$tmp/out")" "$poke_status" 139
}
writes() {
  poke "$@"
  expect_equal "status after a write to $2" "$poke_status" 0
  expect_equal "output" "$(cat "$tmp/out")" "went on"
}

test_interposer() {
  for variable in option option_log_file cached_of_step class_of_granule region_base region_key huge_reclaim; do
    faults "$HAK_TEST_PRELOAD" $variable LD_PRELOAD="$HAK_TEST_PRELOAD"
  done
  faults "$HAK_TEST_PRELOAD" option LD_PRELOAD="$HAK_TEST_PRELOAD" HAKMEM_FORCE_LIBC_ALLOC=1
  for variable in counter_values region_limit message_level; do
    writes "$HAK_TEST_PRELOAD" $variable LD_PRELOAD="$HAK_TEST_PRELOAD"
  done
}

test_library() {
  for variable in option option_log_file cached_of_step region_key; do faults "$HAK_TEST_LIBRARY" $variable; done
  writes "$HAK_TEST_LIBRARY" counter_values
}

# The pages are in the middle of others that are written to: one more of them is private, and no more.
test_they_are_one_page() {
  page=$(getconf PAGE_SIZE)
  size=$(readelf -SW "$HAK_TEST_PRELOAD" | sed -n 's/.* hak_constant *PROGBITS *[0-9a-f]* *[0-9a-f]* *\([0-9a-f]*\) .*/\1/p')
  [ -n "$size" ] || fail "the interposer has no such section"
  expect "$((0x$size))" -le "$page" "bytes of constant variables"
}

run_tests "$@"
