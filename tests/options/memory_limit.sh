#!/bin/sh
# memory_limit.sh - HAKMEM_MEMORY_LIMIT_MB and HAKMEM_MEMORY_LIMIT_HARD: real programs that fit with the limit and are
# killed without, requests that fail and then work again, values that are odd, what auto finds.
. "$(dirname "$0")/../lib.sh"
need_preload

load=$(program options/option_load)

# ---- what fits

# make_group BYTES: a control group of its own with that limit; its folder in $group, removed when the test ends.
make_group() {
  need_root
  need_no_emulator "memory is its own"
  group= limit_file=
  for top in $(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && ($(i+1) == "cgroup2" || ($(i+1) == "cgroup" && $NF ~ /(^|,)memory(,|$)/))) print $5 }' \
    /proc/self/mountinfo); do
    if mkdir "$top/hakmem-test.$$" 2>/dev/null; then
      group=$top/hakmem-test.$$
      trap 'rmdir "$group"' EXIT
      for limit_file in memory.max memory.limit_in_bytes; do
        if [ -e "$group/$limit_file" ]; then
          echo "$1" >"$group/$limit_file" && return
        fi
      done 2>/dev/null
      rmdir "$group"
      trap - EXIT
    fi
  done
  skip "no control group for memory can be made here"
}

# in_group [NAME=VALUE...] COMMAND...: preloaded, in the group; sets status.
in_group() {
  status=0
  # Without swap: what does not fit is to be killed.
  for file in memory.swap.max memory.memsw.limit_in_bytes; do
    [ ! -e "$group/$file" ] || case $file in
      memory.swap.max) echo 0 >"$group/$file" ;;
      *) cat "$group/$limit_file" >"$group/$file" ;;
    esac
  done 2>/dev/null
  sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec env "$@"' sh "$group" LD_PRELOAD="$HAK_TEST_PRELOAD" "$@" \
    >"$tmp/out" 2>"$tmp/err" || status=$?
}

# Waves of 150 MiB of other sizes each: what one leaves is in the way of the next. killed_or_fits COMMAND...
killed_or_fits() {
  make_group $((240 << 20))
  in_group HAKMEM_MEMORY_LIMIT_MB=200 "$@"
  expect_equal "status with a limit of 200 MiB in a group of 240; $(cat "$tmp/err")" "$status" 0
  expect_equal "output" "$(cat "$tmp/out")" "done"
  expect_equal "complaints" "$(cat "$tmp/err")" ""
  in_group "$@"
  expect_equal "status without a limit (137: killed)" "$status" 137
}

test_python_fits_into_its_group() {
  need_machine
  need python3
  python=$(python3 -c 'import sys; print(sys.executable)')
  killed_or_fits PYTHONMALLOC=malloc "$python" -S -c '
for size in (3 << 20, 5000, 100000, 700, 9 << 20, 40000, 1200000) * 2:
    wave = [b"x" * size for i in range((150 << 20) // size)]
    del wave
print("done")'
}

test_perl_fits_into_its_group() {
  need_machine
  need perl
  killed_or_fits perl -e '
for my $size ((3 << 20, 5000, 100000, 700, 9 << 20, 40000, 1200000) x 2) {
  my @wave;
  push @wave, "x" x $size for 1 .. (150 << 20) / $size;
}
print "done\n";'
}

# The same where no group can be made.
test_waves_stay_below_the_limit() {
  need_no_emulator "what is resident is its own"
  for limit in 0 64; do
    preloaded HAKMEM_MEMORY_LIMIT_MB=$limit "$load" sizes 48 >"$tmp/$limit"
  done
  without=$(cat "$tmp/0") with=$(cat "$tmp/64")
  echo "48 MiB of each size in turn: $without kB at the peak without a limit, $with kB with 64 MiB"
  expect "$with" -le $((68 << 10)) "kB at the peak with a limit of 64 MiB"
  expect "$without" -gt $((80 << 10)) "kB at the peak without"
}

# ---- what fails

test_hard_limit() {
  # Each size gets what the one before gave back: half of the limit at least.
  for arguments in "8" "32" "64 33554432 1000"; do
    mib=${arguments%% *}
    preloaded HAKMEM_DEBUG_LEVEL=0 HAKMEM_MEMORY_LIMIT_MB=$mib HAKMEM_MEMORY_LIMIT_HARD=1 timeout 100 \
      "$(program hazards/grow)" ${arguments#$mib} >"$tmp/out" || fail "status $? with $mib MiB"
    expect_equal "output" "$(cat "$tmp/out")" "grown"
  done
}

test_hard_limit_counts() {
  statistics "$tmp/hard" HAKMEM_DEBUG_LEVEL=0 HAKMEM_MEMORY_LIMIT_MB=32 HAKMEM_MEMORY_LIMIT_HARD=1 "$load" refused 3000000 20
  expect_equal "limit" "$(json_number limit_bytes "$tmp/hard")" 33554432
  expect "$(json_number limit_refused "$tmp/hard")" -ge 5 "refused requests"
  statistics "$tmp/soft" HAKMEM_DEBUG_LEVEL=0 HAKMEM_MEMORY_LIMIT_MB=32 "$load" keep 3000000 20
  expect_equal "refused by a soft limit" "$(json_number limit_refused "$tmp/soft")" 0
  expect "$(json_number limit_passes "$tmp/soft")" -ge 1 "passes"
  statistics "$tmp/none" "$load" keep 3000000 20
  expect_equal "passes without a limit" "$(json_number limit_passes "$tmp/none")" 0
}

test_a_limit_below_what_is_needed_is_told_once() {
  preloaded HAKMEM_MEMORY_LIMIT_MB=1 "$load" keep 3000000 20 2>"$tmp/err"
  expect_equal "lines" "$(wc -l <"$tmp/err")" 1
  grep -q '^hakmem: option_load\[[0-9]*\]: memory limit of 1024 KiB: [0-9]* KiB are needed, and nothing more can be given back$' "$tmp/err" ||
    fail "$(cat "$tmp/err")"
}

# ---- what is odd

test_odd_values() {
  for value in -5 -1 0.5 512K 99999999999999999999 2000000000 many '' ' 64' 64MB autos; do
    LD_PRELOAD="$HAK_TEST_PRELOAD" HAKMEM_MEMORY_LIMIT_MB="$value" "$load" tiers >"$tmp/out" 2>"$tmp/err" || fail "status $? with '$value'"
    expect_equal "lines about '$value': $(cat "$tmp/err")" "$(grep -c 'HAKMEM_MEMORY_LIMIT_MB=.*not accepted (accepted: size in MiB from 1, auto, 0); 0 is used instead' "$tmp/err")" 1
  done
  for value in 0 1 1M 2G 1048576 auto AUTO; do
    preloaded HAKMEM_MEMORY_LIMIT_MB="$value" "$load" tiers >"$tmp/out" 2>"$tmp/err" || fail "status $? with '$value'"
    expect_equal "lines about $value" "$(grep -c 'accepted' "$tmp/err")" 0
  done
  preloaded HAKMEM_MEMORY_LIMIT_HARD=1 "$load" tiers 2>"$tmp/err"
  expect_equal "lines about no limit" "$(grep -c 'HAKMEM_MEMORY_LIMIT_HARD=1 does nothing without HAKMEM_MEMORY_LIMIT_MB' "$tmp/err")" 1
}

# ---- what auto finds

test_auto_takes_what_address_space_leaves() {
  need_no_emulator "address space is its own"
  need prlimit
  for resource in as data; do
    rm -f "$tmp/found"
    preloaded HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/found" HAKMEM_MEMORY_LIMIT_MB=auto \
      prlimit --$resource=$((200 << 20)) "$load" keep 3000000 4
    found=$(json_number limit_mapped_bytes "$tmp/found")
    echo "$resource: $((found >> 20)) MiB of 200"
    expect "$found" -le $((150 << 20)) "bytes"
    expect "$found" -ge $((120 << 20)) "bytes"
  done
}

# A folder of our own over the one of the groups: its files say what the kernel's would.
test_auto_takes_what_the_group_allows() {
  need_root
  need unshare mount
  point=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i+1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
  path=$(sed -n 's/^0:://p' /proc/self/cgroup)
  [ -n "$point" ] && [ -n "$path" ] || skip "no control groups of version 2 are mounted"
  unshare -m mount -t tmpfs none "$point" 2>/dev/null || skip "nothing can be mounted"
  # shellcheck disable=SC2016
  HAK_POINT=$point HAK_PATH=$path HAK_OUT=$tmp/found unshare -m sh -e -c '
    mount -t tmpfs none "$HAK_POINT"
    mkdir -p "$HAK_POINT$HAK_PATH"
    echo max >"$HAK_POINT$HAK_PATH/memory.max"
    echo 268435456 >"$HAK_POINT$HAK_PATH/memory.high"
    LD_PRELOAD=$1 HAKMEM_STATS=json HAKMEM_LOG_FILE=$HAK_OUT HAKMEM_MEMORY_LIMIT_MB=auto "$2" tiers' sh "$HAK_TEST_PRELOAD" "$load"
  expect_equal "limit" "$(json_number limit_bytes "$tmp/found")" $((268435456 / 8 * 7))
}

test_auto_without_any_limit() {
  prlimit >/dev/null 2>&1 && [ "$(prlimit --noheadings --output SOFT --as | tr -d ' ')" = unlimited ] || skip "there is a limit of address space, or no prlimit"
  preloaded HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/found" HAKMEM_MEMORY_LIMIT_MB=auto "$load" tiers
  expect_equal "mapped" "$(json_number limit_mapped_bytes "$tmp/found")" 0
}

test_auto_opens_files_at_the_start_only() {
  need strace
  strace true >/dev/null 2>&1 || skip "strace does not work here"
  strace -f -e trace=open,openat -o "$tmp/trace" -E LD_PRELOAD="$HAK_TEST_PRELOAD" -E HAKMEM_MEMORY_LIMIT_MB=auto "$load" waves 2000 20000 2 1
  expect_equal "opened" "$(grep -c '"/proc/self/cgroup"' "$tmp/trace")" 1
  strace -f -e trace=open,openat -o "$tmp/trace" -E LD_PRELOAD="$HAK_TEST_PRELOAD" -E HAKMEM_MEMORY_LIMIT_MB=64 "$load" waves 2000 20000 2 1
  ! grep -q 'cgroup\|mountinfo' "$tmp/trace" || fail "files were opened for a number"
}

run_tests "$@"
