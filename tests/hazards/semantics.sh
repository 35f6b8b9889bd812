#!/bin/sh
# semantics.sh - the interposer behaves as the C library does, function by function.
. "$(dirname "$0")/../lib.sh"
need_preload

# same TEST: must pass with the C library, and with the interposer, with everything on and with tiers off.
same() {
  semantics=$(program hazards/semantics)
  "$semantics" "$1" >/dev/null 2>"$tmp/err" || {
    need_no_emulator "the C library itself fails $1 here"
    cat "$tmp/err"
    fail "the C library fails $1: the test is wrong"
  }
  for settings in A=b HAKMEM_WRAP_TINY=0 HAKMEM_WRAP_POOL=0 "HAKMEM_WRAP_TINY=0 HAKMEM_WRAP_POOL=0 HAKMEM_WRAP_L25=0" \
    HAKMEM_MODE=minimal HAKMEM_FORCE_LIBC_ALLOC=1; do
    preloaded $settings timeout 60 "$semantics" "$1" >"$tmp/out" 2>"$tmp/err" ||
      { status=$?; cat "$tmp/err"; fail "$1 with $settings: status $status"; }
  done
}

test_alignment_of_every_block() { same alignment; }
test_errno_is_kept() { same errno; }
test_usable_size() { same usable_size; }
test_limits() { same limits; }
test_zero_sizes() { same zero; }
test_alignments() { same alignments; }
test_reports() { same reports; }

test_mallinfo_is_real() {
  preloaded "$(program hazards/semantics)" mallinfo
  preloaded HAKMEM_WRAP_TINY=0 "$(program hazards/semantics)" mallinfo
}

test_trim_trims() {
  preloaded "$(program hazards/semantics)" trim
  # With no other purge: what goes back, goes back by the call.
  preloaded HAKMEM_PURGE_DELAY_MS=-1 "$(program hazards/semantics)" trim
}

test_malloc_info_is_xml() {
  need python3
  preloaded "$(program hazards/semantics)" reports 2>"$tmp/err" >"$tmp/out"
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$tmp/out"
  [ -s "$tmp/err" ] || fail "malloc_stats wrote nothing"
}

test_cxx_operators() {
  need_machine
  need c++
  cxx=$tmp/cxx_semantics
  c++ -std=c++17 -O1 -o "$cxx" "$source_dir/cxx_semantics.cc" || skip "no C++17 compiler that works"
  expect_equal "plain" "$("$cxx")" "all forms"
  for settings in A=b HAKMEM_WRAP_TINY=0 HAKMEM_FORCE_LIBC_ALLOC=1; do
    expect_equal "$settings" "$(preloaded $settings "$cxx")" "all forms"
  done
}

run_tests "$@"
