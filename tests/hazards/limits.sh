#!/bin/sh
# limits.sh - seccomp filters, RLIMIT_AS, RLIMIT_DATA, locked memory, mappings.
. "$(dirname "$0")/../lib.sh"
need_preload
! emulated || { echo "SKIP: under an emulator: limits and filters are for it"; exit 77; }

filtered() {
  preloaded timeout 120 "$(program hazards/seccomp_filter)" "$@" >"$tmp/out" 2>"$tmp/err" || {
    status=$?
    [ $status != 77 ] || skip "$(sed -n 's/^SKIP: //p' "$tmp/err")"
    cat "$tmp/err"
    fail "seccomp_filter $*: status $status (159: killed by the filter)"
  }
  expect_equal "output" "$(cat "$tmp/out")" "survived"
}

test_seccomp_set_after_one_malloc() { filtered early; }
test_seccomp_set_before_further_growth() { filtered late; }
test_seccomp_with_a_second_thread() { filtered threads; }

test_seccomp_refuses_one_call() {
  for call in munmap mremap mprotect madvise futex brk; do
    filtered refuse $call ENOSYS
    filtered refuse $call EPERM
  done
  filtered refuse mmap EPERM
}

test_seccomp_with_options() {
  for setting in HAKMEM_PURGE_DELAY_MS=0 HAKMEM_BIGCACHE=0 HAKMEM_THP=always HAKMEM_SS_PREFAULT=1 \
    HAKMEM_INVALID_FREE=skip; do
    preloaded $setting "$(program hazards/seccomp_filter)" early >"$tmp/out" || fail "$setting"
  done
}

test_man_in_its_sandbox() {
  need_machine
  need man
  man -w ls >/dev/null 2>&1 || skip "no manual pages here"
  man ls >"$tmp/plain" 2>/dev/null || skip "man does not work here"
  preloaded man ls >"$tmp/out" 2>"$tmp/err"
  cmp "$tmp/plain" "$tmp/out"
}

test_address_space_ladder() {
  need_machine
  need prlimit
  for mib in 8 9 10 11 12 14 16 20 24 32 48 64 96 128 192 256 384 512 768 1024 2048 4096 16384 65536 131072; do
    prlimit --as=$((mib * 1048576)) /bin/true 2>/dev/null || continue   # not even without
    prlimit --as=$((mib * 1048576)) env LD_PRELOAD="$HAK_TEST_PRELOAD" /bin/true ||
      fail "/bin/true does not run with $mib MiB of address space"
  done
}

test_growth_into_the_address_space_limit() {
  need prlimit
  for mib in 12 16 24 32 48 64 100 200 400; do
    prlimit --as=$((mib * 1048576)) "$(program hazards/grow)" >/dev/null 2>&1 || continue
    preloaded prlimit --as=$((mib * 1048576)) timeout 100 "$(program hazards/grow)" >"$tmp/out" ||
      fail "status $? with $mib MiB"
    expect_equal "output" "$(cat "$tmp/out")" "grown"
  done
  # Most of what is allowed can be had, in blocks of each size in turn.
  preloaded prlimit --as=$((200 << 20)) timeout 100 "$(program hazards/grow)" $((120 << 20)) 1000 >"$tmp/out"
  expect_equal "output" "$(cat "$tmp/out")" "grown"
}

test_growth_into_the_data_limit() {
  need prlimit
  for mib in 16 32 100 200; do
    preloaded prlimit --data=$((mib * 1048576)) timeout 100 "$(program hazards/grow)" >"$tmp/out" ||
      fail "status $? with $mib MiB"
    expect_equal "output" "$(cat "$tmp/out")" "grown"
  done
}

test_programs_in_little_address_space() {
  need_machine
  need prlimit sort
  seq 1 20000 | sort -R --random-source=/bin/sh >"$tmp/in"
  prlimit --as=$((64 << 20)) sort -S 1M -T "$tmp" "$tmp/in" >"$tmp/plain"
  prlimit --as=$((64 << 20)) env LD_PRELOAD="$HAK_TEST_PRELOAD" sort -S 1M -T "$tmp" "$tmp/in" >"$tmp/out"
  cmp "$tmp/plain" "$tmp/out"
}

test_locked_daemon() {
  preloaded timeout 60 "$(program hazards/locked_daemon)" >"$tmp/out" 2>"$tmp/err" || {
    status=$?
    [ $status != 77 ] || skip "$(sed -n 's/^SKIP: //p' "$tmp/err")"
    cat "$tmp/err"
    fail "status $status"
  }
  expect "$(cat "$tmp/out")" -le 4096 "kB locked beyond the live memory"
}

# mappings_of VARIABLE=VALUE...: size in kB and flags of each mapping of a python3 with 100 MB of small blocks, and the
# flags of the one that a block of its lies in.
mappings_of() {
  env "$@" PYTHONMALLOC=malloc python3 -S -c '
import re
blocks = [bytes(100 + i % 4000) for i in range(50000)]
start, inside = 0, False
for line in open("/proc/self/smaps"):
    bounds = re.match("([0-9a-f]+)-([0-9a-f]+) ", line)
    if bounds:
        start, end = (int(bound, 16) for bound in bounds.groups())
        inside = start <= id(blocks[-1]) < end
        special = "[" in line
    elif line.startswith("VmFlags:") and not special:
        print((end - start) >> 10, line.split(":")[1].strip())
        if inside:
            print("block", line.split(":")[1].strip())'
}

test_core_dumps_have_the_blocks() {
  need_machine
  need python3
  mappings_of LD_PRELOAD="$HAK_TEST_PRELOAD" >"$tmp/with"
  expect "$(grep -c '^block ' "$tmp/with")" = 1 "mapping with the block"
  ! grep '^block .*\bdd\b' "$tmp/with" || fail "the blocks would not be in a core dump"
  # What is left out are whole reservations: the same few mappings however large the heap is.
  expect "$(grep -c '\bdd\b' "$tmp/with")" -le 8 "mappings that are left out of core dumps"
}

test_the_reservation_is_not_accounted() {
  # With vm.overcommit_memory=2, which a test does not set, what counts are accounted mappings (ac), and those that can
  # be written to.
  need_machine
  need python3
  mappings_of LD_PRELOAD="$HAK_TEST_PRELOAD" >"$tmp/with"
  expect "$(awk '$1 + 0 > 1048576' "$tmp/with" | wc -l)" -ge 1 "mappings over 1 GiB: the region is one"
  ! awk '$1 + 0 > 1048576' "$tmp/with" | grep -E '\b(ac|wr)\b' || fail "a reservation is accounted"
}

test_no_registration_for_restartable_sequences() {
  need_machine
  need strace
  strace -f -e trace=rseq -o "$tmp/without" "$(program hazards/workload)" 100 >/dev/null 2>&1 || skip "strace does not work here"
  LD_PRELOAD= strace -f -E LD_PRELOAD="$HAK_TEST_PRELOAD" -e trace=rseq -o "$tmp/with" "$(program hazards/workload)" 100 >/dev/null
  expect "$(grep -c 'rseq(' "$tmp/with")" = "$(grep -c 'rseq(' "$tmp/without")" "registrations, as many as the C library makes"
}

test_address_space_ends_in_every_workload() {
  # They end with status 0, or 1 and a line from each thread whose request was refused; never by a signal.
  lanes=$HAK_TEST_BUILDDIR/bench/bench_lanes
  for mode in "churn slots=20000" "mid slots=4000" large huge "remote slots=200000" "both slots=200000" "produce slots=200000" \
    "grow slots=500" "threads threads=1000" "short-threads slots=20000"; do
    for mib in 60 100 200; do
      status=0
      # shellcheck disable=SC2086
      preloaded prlimit --as=$((mib << 20)) timeout 100 "$lanes" $mode operations=20000 >"$tmp/out" 2>"$tmp/err" || status=$?
      [ $status -le 1 ] || fail "$mode in $mib MiB: status $status: $(cat "$tmp/err")"
      [ $status = 0 ] || grep -q '^failed: ' "$tmp/err" || fail "$mode in $mib MiB: status $status, but no reason"
      ! grep -v '^failed: ' "$tmp/err" || fail "$mode in $mib MiB: something else complains"
      echo "$status" >>"$tmp/statuses"
    done
  done
  grep -q 1 "$tmp/statuses" || fail "no limit was ever met"
}

test_mappings_are_bounded() {
  preloaded timeout 100 "$(program hazards/mappings)" >"$tmp/out"
  expect "$(cat "$tmp/out")" -lt 300 "mappings"
}

run_tests "$@"
