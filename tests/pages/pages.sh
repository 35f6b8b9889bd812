#!/bin/sh
# pages.sh - pages of 16 and 64 KiB, as arm64 and other machines have them, on a machine that has not: a module in front of
# each program answers for the kernel as one of such pages would.
. "$(dirname "$0")/../lib.sh"

if [ -n "$HAK_TEST_SANITIZER" ]; then
  echo "SKIP: a sanitizer wants to be the first object of a program"
  exit 77
fi
if [ "$("$(program pages/page_size)")" != 4096 ]; then
  echo "SKIP: the pages of this machine are not of 4 KiB"
  exit 77
fi
! emulated || { echo "SKIP: under an emulator, which can have larger pages itself"; exit 77; }
[ "$("$(program pages/page_size)" words)" = 8 ] || { echo "SKIP: only 64-bit machines have larger pages"; exit 77; }

large_pages=$(module pages/large_pages)

# What deals with pages: unit tests of each module that does.
unit_tests="os purge metadata registry superslab superslab_keep mapping_cache huge slab heap heap_states heap_park
  allocator allocator_parked realloc constant publish thread"

# with_pages SIZE COMMAND...
with_pages() {
  pages=$1
  shift
  env LARGE_PAGES="$pages" LD_PRELOAD="$large_pages" "$@"
}

units() {
  [ -x "$HAK_TEST_BUILDDIR/tests/unit/check_os" ] || skip "the unit tests were not built (libcheck)"
  for name in $unit_tests; do
    with_pages "$1" "$(program "unit/check_$name")" >"$tmp/out" 2>&1 || {
      cat "$tmp/out"
      fail "check_$name with pages of $1 bytes"
    }
  done
}

# Programs on the interposer.
programs() {
  [ -e "$HAK_TEST_PRELOAD" ] || skip "no interposer"
  expect_equal "size of a page" "$(with_pages "$1" "$(program pages/page_size)")" "$1"
  env LARGE_PAGES="$1" LD_PRELOAD="$large_pages:$HAK_TEST_PRELOAD" HAKMEM_DEBUG_LEVEL=2 \
    "$(program hazards/workload)" 20000 2>"$tmp/err"
  grep -q "pages of $1 bytes" "$tmp/err" || { cat "$tmp/err"; fail "the library has found other pages"; }
  env LARGE_PAGES="$1" LD_PRELOAD="$large_pages:$HAK_TEST_PRELOAD" HAKMEM_PURGE_DELAY_MS=0 \
    HAKMEM_SUPERSLAB_MAX_CACHED=0 HAKMEM_BIGCACHE=0 "$(program hazards/workload)" 20000
  env LARGE_PAGES="$1" LD_PRELOAD="$large_pages:$HAK_TEST_PRELOAD" "$(program hazards/fork_threads)" 20
  # Of a peak little stays, with live blocks between what was freed too.
  env LARGE_PAGES="$1" LD_PRELOAD="$large_pages:$HAK_TEST_PRELOAD" "$(program hazards/returns_memory)" >"$tmp/out"
  read -r peak after <"$tmp/out"
  expect "$after" -lt $((peak / 4)) "kB a second after the peak of $peak"
}

test_units_16k() {
  [ -z "${HAK_TEST_QUICK:-}" ] || skip "a quick run: 64 KiB only"
  units 16384
}
test_units_64k() { units 65536; }
test_programs_16k() {
  [ -z "${HAK_TEST_QUICK:-}" ] || skip "a quick run: 64 KiB only"
  programs 16384
}
test_programs_64k() { programs 65536; }

run_tests "$@"
