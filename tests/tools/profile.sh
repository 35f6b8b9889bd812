#!/bin/sh
# profile.sh - profiles of programs: "hakmemctl profile", files, signals, leak reports, and what can go wrong.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

need_preload
profiled=$(program tools/profiled)
plugin=$(module hazards/deepbind_module)

# samples FILE: how many the profile has, live ones first.
samples() { sed -n 's/^heap profile: *\([0-9]*\): *[0-9]* \[ *\([0-9]*\):.*/\1 \2/p' "$1"; }
# is_profile FILE: a whole one.
is_profile() {
  head -n 1 "$1" | grep -q '^heap profile: *[0-9]*: *[0-9]* \[ *[0-9]*: *[0-9]*\] @ heap_v2/[0-9]*$' || fail "$1 is no profile"
  grep -q '^MAPPED_LIBRARIES:$' "$1" || fail "$1 has no mappings"
}
on() { preloaded HAKMEM_PROFILE=1 HAKMEM_PROFILE_FILE="$tmp/heap" "$@"; }

# 1000 blocks of 4000 bytes stay, 3000 of them go; every request is a sample.
test_every_request() {
  on HAKMEM_PROFILE_RATE=1 "$profiled" keep
  is_profile "$tmp/heap"
  samples "$tmp/heap" >"$tmp/samples"
  read -r live all <"$tmp/samples"
  expect "$live" -ge 1000 "live samples"
  expect "$live" -le 1100 "live samples, with those of the C library"
  expect "$all" -ge 4000 "all samples"
  expect "$all" -le 4100 "all samples, with those of the C library"
}

test_estimates_are_near() {
  on HAKMEM_PROFILE_RATE=64K "$profiled" keep
  samples "$tmp/heap" >"$tmp/samples"
  read -r live all <"$tmp/samples"
  # 4 MB in 64 KiB: 61, with a deviation of 8; and 244 with 16.
  expect "$live" -ge 21 "live samples"
  expect "$live" -le 101 "live samples"
  expect "$all" -ge 164 "all samples"
  expect "$all" -le 324 "all samples"
}

test_pprof_reads_it() {
  command -v google-pprof >/dev/null || skip "no google-pprof"
  on HAKMEM_PROFILE_RATE=1 "$profiled" keep
  google-pprof --text --inuse_space "$profiled" "$tmp/heap" >"$tmp/text" 2>"$tmp/err" || { cat "$tmp/err"; fail "status"; }
  sed -n 2p "$tmp/text" | grep -q ' keep_some$' || { cat "$tmp/text"; fail "another function is the first"; }
  google-pprof --svg --alloc_space "$profiled" "$tmp/heap" >"$tmp/svg" 2>"$tmp/err" || skip "no picture: $(tail -n 1 "$tmp/err")"
  grep -q 'let_go' "$tmp/svg" || fail "the picture does not name a function"
}

test_folded() {
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_FILE="$tmp/stacks.folded" "$profiled" keep
  awk '{ bytes += $NF } END { exit !(bytes >= 4000000 && bytes < 5000000) }' "$tmp/stacks.folded" || {
    cat "$tmp/stacks.folded"; fail "not four million bytes"; }
  ! grep -vq '^[^ ].* [0-9][0-9]*$' "$tmp/stacks.folded" || fail "a line that is no stack"
}

test_tool() {
  need_machine
  "$tool" profile -l "$HAK_TEST_PRELOAD" -r 1 -f "$tmp/by.%p" -- "$profiled" keep >"$tmp/out" 2>"$tmp/err"
  file=$(sed -n 's/^hakmemctl: profile in //p' "$tmp/err")
  is_profile "$file"
  expect_equal "what the program prints" "$(cat "$tmp/out")" kept
  ! command -v google-pprof >/dev/null || grep -q ' let_go$' "$tmp/err" || { cat "$tmp/err"; fail "no function is shown"; }
  "$tool" profile -q -L -l "$HAK_TEST_PRELOAD" -f "$tmp/quiet" "$profiled" keep 2>"$tmp/err"
  expect_equal "lines" "$(wc -l <"$tmp/err")" 1
  is_profile "$tmp/quiet"
  status=0
  "$tool" profile -q -l "$HAK_TEST_PRELOAD" -f "$tmp/quiet" sh -c 'exit 5' || status=$?
  expect_equal "status of the program" "$status" 5
  refused 127 "cannot run $tmp/none" "$tool" profile -l "$HAK_TEST_PRELOAD" -f "$tmp/none.heap" "$tmp/none"
  refused 2 "no program given" "$tool" profile -r 1
  refused 2 "the file has no name" "$tool" profile -f '' true
  refused 2 "'x' is not NAME=VALUE" "$tool" profile -o x true
}

test_rates() {
  for rate in 0 -1 99999999999999999999 65G x ''; do
    on HAKMEM_PROFILE_RATE="$rate" "$profiled" keep 2>"$tmp/err" || fail "status with a rate of $rate"
    cat "$tmp/err"
    expect_equal "lines about the rate $rate" "$(grep -c '^hakmem: .*HAKMEM_PROFILE_RATE=' "$tmp/err")" 1
    head -n 1 "$tmp/heap" | grep -q 'heap_v2/524288$' || fail "the usual rate is not used instead of $rate"
  done
  on HAKMEM_PROFILE_RATE=64G "$profiled" keep || fail "status"
  is_profile "$tmp/heap"
}

test_signal() {
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_SIGNAL=usr2 "$profiled" signal "$tmp/heap"
  expect_equal "profiles by signals" "$(samples "$tmp/heap.first" | awk '{ print ($1 >= 1000) }')" 1
}

# The name of the file says in what format, whoever asks. Folded stacks have names, which a handler must not ask for.
test_signal_folded() {
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_SIGNAL=usr2 HAKMEM_PROFILE_FILE="$tmp/stacks.folded" HAKMEM_DEBUG_LEVEL=2 \
    "$profiled" signal-later "$tmp/stacks.folded" 2>"$tmp/err" || { cat "$tmp/err"; fail "status"; }
  for file in "$tmp/stacks.folded.first" "$tmp/stacks.folded"; do
    awk '{ bytes += $NF } END { exit !(bytes >= 4000000 && bytes < 5000000) }' "$file" || { cat "$file"; fail "not four million bytes"; }
    ! grep -vq '^[^ ].* [0-9][0-9]*$' "$file" || fail "a line that is no stack"
  done
  expect_equal "lines about it" "$(grep -c 'it is written with the next sample$' "$tmp/err")" 1
}

test_leaks() {
  status=0
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_LEAKS=1M HAKMEM_PROFILE_LEAK_STATUS=7 "$profiled" keep >"$tmp/out" 2>"$tmp/err" || status=$?
  cat "$tmp/err"
  expect_equal "status" "$status" 7
  expect_equal "what was printed" "$(cat "$tmp/out")" kept   # buffered output is not lost
  grep -q 'live at exit: 4[0-9]* bytes in 1000 blocks of 1 sites, one sample in 1 bytes$' "$tmp/err" || fail "not a thousand"
  status=0
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_LEAKS=8M HAKMEM_PROFILE_LEAK_STATUS=7 "$profiled" keep 2>"$tmp/err" || status=$?
  expect_equal "status without leaks of that size" "$status" 0
  ! grep -q live "$tmp/err" || fail "a report without leaks of that size"
}

# What was there stays, one line is printed, the program does not notice.
test_files_that_cannot_be_written() {
  on HAKMEM_PROFILE_FILE="$tmp/none/heap" "$profiled" keep 2>"$tmp/err" || fail "status"
  grep -q "$tmp/none/heap: no profile is written: " "$tmp/err" || { cat "$tmp/err"; fail "nothing is said about a missing folder"; }
  expect_equal "lines" "$(wc -l <"$tmp/err")" 1
  if [ -e /dev/full ]; then
    on HAKMEM_PROFILE_FILE=/dev/full "$profiled" keep 2>"$tmp/err" || fail "status"
    expect_equal "lines about a full disk" "$(grep -c '/dev/full: no profile is written: ' "$tmp/err")" 1
  fi
  echo before >"$tmp/heap"
  (ulimit -f 2; trap '' XFSZ; on HAKMEM_PROFILE_RATE=1 "$profiled" keep 2>"$tmp/err") || fail "status"
  expect_equal "what was there" "$(cat "$tmp/heap")" before
  expect_equal "what is left" "$(ls "$tmp" | grep -c '^heap')" 1
  on HAKMEM_PROFILE_FILE="$tmp/none/heap" "$profiled" keep 2>&- || fail "status with standard error closed"
  on HAKMEM_PROFILE_FILE='' "$profiled" keep 2>"$tmp/err" || fail "status"
  [ ! -s "$tmp/err" ] || fail "an empty name is an error"
}

# Pipes are written to, without being waited for where nobody reads, and none becomes a file.
test_pipes() {
  mkfifo "$tmp/pipe"
  on HAKMEM_PROFILE_FILE="$tmp/pipe" timeout 60 "$profiled" keep >"$tmp/out" 2>"$tmp/err" || fail "status without a reader"
  grep -q "$tmp/pipe: no profile is written: nobody reads it" "$tmp/err" || { cat "$tmp/err"; fail "no line about it"; }
  [ -p "$tmp/pipe" ] || fail "the pipe has become a file"
  # More than fits in a pipe at once, to a reader that takes its time.
  { sleep 1; cat; } <"$tmp/pipe" >"$tmp/heap" &
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_FILE="$tmp/pipe" timeout 60 "$profiled" sites || fail "status with a slow reader"
  wait
  is_profile "$tmp/heap"
  expect "$(wc -c <"$tmp/heap")" -gt 100000 "bytes through a pipe"
  # One that goes.
  head -c 100 <"$tmp/pipe" >"$tmp/head" &
  on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_FILE="$tmp/pipe" timeout 60 "$profiled" sites 2>"$tmp/err" ||
    fail "status $? with a reader that goes"
  wait
  expect_equal "lines" "$(grep -c 'nobody reads it (errno 32)$' "$tmp/err")" 1
}

test_full_disk_and_devices() {
  need_root
  unshare -m true 2>/dev/null || skip "no private mounts here"
  profiled=$profiled tmp=$tmp preload=$HAK_TEST_PRELOAD unshare -m sh -ec '
    mount -t tmpfs -o size=64k none "$tmp"
    echo before >"$tmp/heap"
    HAKMEM_PROFILE=1 HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_FILE=$tmp/heap LD_PRELOAD=$preload "$profiled" sites 2>"$tmp/err"
    [ "$(cat "$tmp/heap")" = before ] || { echo "the file on a full disk is another one"; exit 1; }
    [ "$(ls "$tmp" | grep -c heap)" = 1 ] || { ls "$tmp"; echo "something was left"; exit 1; }
    grep -q "no profile is written: no space left" "$tmp/err" || { cat "$tmp/err"; exit 1; }
    mount -t tmpfs none /dev
    ln -s /proc/self/fd/1 /dev/stdout
    HAKMEM_PROFILE=1 HAKMEM_PROFILE_FILE=/dev/stdout LD_PRELOAD=$preload "$profiled" keep >"$tmp/out" 2>"$tmp/err"
    [ -L /dev/stdout ] || { echo "/dev/stdout is a link no more"; exit 1; }
    grep -q "/dev/stdout: no profile is written: " "$tmp/err" || { cat "$tmp/err"; exit 1; }' >"$tmp.out" 2>&1 || {
    cat "$tmp.out"; fail "see above"; }
}

test_hard_times() {
  for what in threads fork exec jit dlclose altstack recursion sites interrupted handlers coroutines; do
    rm -f "$tmp/heap"
    on HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_SIGNAL=usr2 timeout 60 "$profiled" "$what" "$plugin" >"$tmp/out" 2>"$tmp/err" || {
      cat "$tmp/err"
      fail "$what: status $?"
    }
    is_profile "$tmp/heap"
    [ ! -s "$tmp/err" ] || { cat "$tmp/err"; fail "$what: not silent"; }
  done
}

# 32768 stacks, of which not all have a place: none is lost.
test_many_callers() {
  on HAKMEM_PROFILE_RATE=1 timeout 60 "$profiled" sites
  is_profile "$tmp/heap"
  expect "$(grep -c '^[0-9]' "$tmp/heap")" -ge 10000 "places"
  other=$(sed -n 's/.*\[ *\([0-9]*\): *[0-9]*\] @ 0x1$/\1/p' "$tmp/heap" | awk '{ sum += $1 } END { print sum + 0 }')
  expect "$other" -ge 1000 "samples without a place"
  samples "$tmp/heap" >"$tmp/samples"
  read -r live all <"$tmp/samples"
  expect "$all" -ge 32768 "samples"
  expect_equal "sum of the places" "$(sed -n 's/^ *[0-9]*: *[0-9]* \[ *\([0-9]*\):.*/\1/p' "$tmp/heap" | awk '{ sum += $1 } END { print sum }')" "$all"
}

run_tests "$@"
