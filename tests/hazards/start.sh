#!/bin/sh
# start.sh - how the interposer starts: before others' constructors, under others' calls, once.
. "$(dirname "$0")/../lib.sh"
need_preload

test_others_construct_first() {
  early=$(module hazards/early_constructor)
  workload=$(program hazards/workload)
  "$workload" 1000 >"$tmp/plain"
  for order in "$early $HAK_TEST_PRELOAD" "$HAK_TEST_PRELOAD $early"; do
    env LD_PRELOAD="$order" "$workload" 1000 >"$tmp/out" 2>"$tmp/err"
    cmp "$tmp/plain" "$tmp/out"
    expect_equal "standard error" "$(cat "$tmp/err")" ""
  done
}

test_environment_is_copied() {
  # The constructor changes and destroys the environment after its first malloc.
  early=$(module hazards/early_constructor)
  env LD_PRELOAD="$HAK_TEST_PRELOAD $early" EARLY_CHANGES=1 HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/log" \
    "$(program hazards/workload)" 1000 2>"$tmp/err" >"$tmp/out"
  expect_equal "standard error" "$(cat "$tmp/err")" ""
  [ -s "$tmp/log" ] || fail "the report did not go where the first environment said"
}

test_start_is_not_reentered() {
  reenter=$(module hazards/reenter)
  workload=$(program hazards/workload)
  "$workload" 1000 >"$tmp/plain"
  for order in "$reenter $HAK_TEST_PRELOAD" "$HAK_TEST_PRELOAD $reenter"; do
    timeout 60 env LD_PRELOAD="$order" REENTER_REPORT=1 "$workload" 1000 >"$tmp/out" 2>"$tmp/err"
    cmp "$tmp/plain" "$tmp/out"
    expect_equal "standard error" "$(cat "$tmp/err")" "reentered"
    # A limit of address space makes the start read a file.
    timeout 60 prlimit --as=4000000000 env LD_PRELOAD="$order" "$workload" 1000 >"$tmp/out"
    cmp "$tmp/plain" "$tmp/out"
    timeout 60 env LD_PRELOAD="$order" HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/log" "$workload" 1000 >"$tmp/out"
    cmp "$tmp/plain" "$tmp/out"
    [ -s "$tmp/log" ] || fail "no report"
  done
}

test_malloc_is_really_called() {
  need_machine
  # A version node on malloc in the interposer would leave it unused.
  need readelf
  ! readelf --version-info --wide "$HAK_TEST_PRELOAD" | grep -q 'Version definition' ||
    fail "the interposer defines versions"
  statistics "$tmp/log" ls -l / >"$tmp/out"
  requests=$(json_tier tiny requests "$tmp/log")
  expect "$requests" -gt 20 "requests of ls"
}

test_nothing_is_printed_by_default() {
  need_machine
  preloaded ls / >"$tmp/out" 2>"$tmp/err"
  ls / >"$tmp/plain"
  cmp "$tmp/plain" "$tmp/out"
  expect_equal "standard error" "$(cat "$tmp/err")" ""
}

test_missing_proc_and_sys() {
  need_root
  need unshare mount
  unshare -m true 2>/dev/null || skip "no private mounts here"
  # Nothing to read about the machine: an empty /proc and /sys.
  "$(program hazards/workload)" 1000 >"$tmp/plain"
  unshare -m sh -c "mount -t tmpfs none /proc && mount -t tmpfs none /sys &&
    prlimit --as=4000000000 env LD_PRELOAD='$HAK_TEST_PRELOAD' '$(program hazards/workload)' 1000" >"$tmp/out"
  cmp "$tmp/plain" "$tmp/out"
}

run_tests "$@"
