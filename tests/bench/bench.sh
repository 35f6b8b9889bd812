#!/bin/sh
# bench.sh - the benchmarks run, check what they allocate and print what their readers parse. Short runs:
# no time is judged, but the number of instructions is.
. "$(dirname "$0")/../lib.sh"
! emulated || { echo "SKIP: under an emulator: its time would be measured"; exit 77; }

bench=$HAK_TEST_BUILDDIR/bench
scripts=$(cd "$source_dir/../../bench" && pwd)
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

# expect_line PATTERN FILE: the file is one line, which matches as a whole.
expect_line() {
  expect_equal "lines" "$(wc -l <"$2" | tr -d ' ')" 1
  grep -Eqx "$1" "$2" || fail "'$(cat "$2")' is not '$1'"
}
# expect_status STATUS COMMAND...: with its output in $tmp/out and $tmp/err.
expect_status() {
  wanted=$1
  shift
  got=0
  "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
  [ "$got" = "$wanted" ] || fail "status $got, not $wanted, of: $* ($(tail -n 3 "$tmp/err"))"
}

has_interposer() { [ -z "$HAK_TEST_SANITIZER" ] && [ -n "$HAK_TEST_PRELOAD" ]; }

number='[0-9]+(\.[0-9]+)?'

larson_line() {
  expect_line "larson chains=3 seconds=$number operations=[1-9][0-9]* operations_per_second=$number \
ns_per_operation=$number threads_started=[1-9][0-9]* threads_refused=[0-9]+" "$tmp/out"
}

test_larson() {
  for program in larson larson_hakmem; do
    expect_status 0 "$bench/$program" 0.2 8 128 64 1 12345 3
    larson_line
    started=$(sed 's/.*threads_started=\([0-9]*\).*/\1/' "$tmp/out")
    expect "$started" -gt 3 "threads were handed over"
  done
}

test_random_mixed() {
  "$bench/bench_random_mixed" 50000 2048 1234567 >"$tmp/system"
  "$bench/bench_random_mixed_hakmem" 50000 2048 1234567 >"$tmp/hakmem"
  for file in "$tmp/system" "$tmp/hakmem"; do
    expect_line "bench_random_mixed seconds=$number operations=50000 operations_per_second=$number \
ns_per_operation=$number mallocs=[0-9]+ reallocs=[0-9]+ frees=[0-9]+" "$file"
  done
  expect_equal "the same seed, the same requests" "$(sed 's/.* mallocs/mallocs/' "$tmp/system")" \
    "$(sed 's/.* mallocs/mallocs/' "$tmp/hakmem")"
}

test_random_mixed_seeds() {
  seed=0
  while [ $seed -lt 100 ]; do
    "$bench/bench_random_mixed_hakmem" 20000 2048 $seed >/dev/null || fail "seed $seed"
    seed=$((seed + 1))
  done
}

# Every free of the library's own blocks is routed, and no lookup of a pointer misses.
test_random_mixed_traces() {
  env HAKMEM_SUPER_REG_REQTRACE=1 HAKMEM_FREE_ROUTE_TRACE=1 "$bench/bench_random_mixed_hakmem" 1000 2048 1234567 \
    >"$tmp/out" 2>"$tmp/trace"
  field() { sed "s/.* $1=\([0-9]*\).*/\1/" "$tmp/out"; }
  mallocs=$(field mallocs)
  routed=$(grep -Ec 'free 0x[0-9a-f]+ route (tiny|mid|l25|huge)' "$tmp/trace")
  # A realloc that moves frees as well.
  expect "$routed" -ge "$mallocs" "frees that were routed"
  expect "$routed" -le $((mallocs + $(field reallocs))) "frees that were routed"
  if grep -E 'miss|route (foreign|invalid)' "$tmp/trace"; then fail "a pointer was not found"; fi
}

small() {
  case $1 in
    pairs | batches) echo operations=1000 ;;
    giveback) echo megabytes=8 ;;
    huge) echo operations=20 ;;
    threads) echo threads=16 operations=2000 ;;
    *) echo operations=2000 ;;
  esac
}

test_lanes() {
  modes=$("$bench/bench_lanes" help | sed -n 's/^\([a-z-]*\)  *[^ ].*/\1/p')
  expect "$(echo "$modes" | wc -w)" -ge 12 "modes"
  for mode in $modes; do
    # shellcheck disable=SC2046
    expect_status 0 "$bench/bench_lanes" "$mode" $(small "$mode") seed=7
    expect_line "bench_lanes mode=$mode( [a-z0-9_]+=-?$number)+" "$tmp/out"
    has_interposer || continue
    expect_status 0 preloaded "$bench/bench_lanes" "$mode" $(small "$mode") seed=7
    expect_line "bench_lanes mode=$mode( [a-z0-9_]+=-?$number)+" "$tmp/out"
  done
}

# Single calls are timed: what few calls exceed is no less than what many do, and no longer than the whole run.
test_latency() {
  for mode in churn remote short-threads; do
    # shellcheck disable=SC2046
    expect_status 0 "$bench/bench_lanes" "$mode" $(small "$mode") latency=1
    for call in malloc free; do
      tr ' ' '\n' <"$tmp/out" | sed -n "s/^${call}_\(p[0-9]*\|longest\)=//p" >"$tmp/figures"
      expect "$(wc -l <"$tmp/figures")" = 5 "figures of $call"
      sort -n -c "$tmp/figures" || fail "$(cat "$tmp/out")"
      expect "$(head -n 1 "$tmp/figures")" -gt 0 "median of $call"
    done
  done
  expect_status 2 "$bench/bench_lanes" pairs latency=1
}

# phases_field NAME: of the line in $tmp/out.
phases_field() { tr ' ' '\n' <"$tmp/out" | sed -n "s/^$1=//p"; }
phases_line() {
  expect_line "bench_phases mode=$1 seed=7 percent=$2 operations=[1-9][0-9]* cpu_ns_per_operation=$number \
seconds=$number mean_mib=$number highest_mib=$number" "$tmp/out"
}

# Whatever the allocator: the same requests.
test_phases() {
  modes=$("$bench/bench_phases" help | sed -n 's/^\([a-z]*\)  *[^ ].*/\1/p' | grep -vx usage)
  expect "$(echo "$modes" | wc -w)" -ge 7 "modes"
  for mode in $modes; do
    expect_status 0 "$bench/bench_phases" "$mode" 7 1
    phases_line "$mode" 1
    operations=$(phases_field operations)
    has_interposer || continue
    expect_status 0 preloaded "$bench/bench_phases" "$mode" 7 1
    phases_line "$mode" 1
    expect_equal "operations of $mode" "$(phases_field operations)" "$operations"
  done
}

# At 5 per cent a batch is 50 MiB: it is there at the peak, and the mean is less.
test_phases_memory() {
  [ -z "$HAK_TEST_SANITIZER" ] || skip "a sanitizer keeps what is freed"
  expect_status 0 "$bench/bench_phases" batches 7 5
  phases_line batches 5
  cat "$tmp/out"
  expect "$(phases_field highest_mib | sed 's/\..*//')" -ge 50 "highest_mib"
  expect "$(phases_field highest_mib | sed 's/\..*//')" -lt 100 "highest_mib"
  expect "$(phases_field mean_mib | sed 's/\..*//')" -le "$(phases_field highest_mib | sed 's/\..*//')" "mean_mib"
}

test_usage() {
  for arguments in "" "1 8 128 1024 1 12345" "0 8 128 1024 1 1 1" "1 128 8 1024 1 1 1" "1 8 128 0 1 1 1" \
    "1 8 128 10 1 x 1" "1 8 128 10 1 1 -1" "1 8 128 10 1 1 1 1"; do
    # shellcheck disable=SC2086
    expect_status 2 "$bench/larson" $arguments
    grep -q '^usage: larson SECONDS' "$tmp/err" || fail "no usage for '$arguments'"
  done
  expect_status 2 "$bench/bench_random_mixed" 1000 0 1
  grep -qx 'SLOTS: "0" is not a whole number from 1 to 10000000' "$tmp/err" || fail "$(cat "$tmp/err")"
  expect_status 2 "$bench/bench_lanes"
  expect_status 2 "$bench/bench_lanes" nosuch
  expect_status 2 "$bench/bench_lanes" churn percent=5
  expect_status 2 "$bench/bench_lanes" churn min=20 max=10
  for arguments in "" nosuch "bursts x" "bursts -1" "bursts 1 0" "bursts 1 1%" "bursts 1 1 1" "help 1"; do
    # shellcheck disable=SC2086
    expect_status 2 "$bench/bench_phases" $arguments
    grep -q '^usage: bench_phases MODE' "$tmp/err" || fail "no usage for '$arguments'"
  done
}

# An allocator that hands out the same block again and again is found out.
test_corruption_is_seen() {
  cat >"$tmp/broken.c" <<'END'
#include <stddef.h>
static char block[65536];
void *malloc(size_t size) { (void)size; return block; }
void *calloc(size_t count, size_t size) { (void)count; (void)size; return block; }
void *realloc(void *old, size_t size) { (void)old; (void)size; return block; }
void free(void *old) { (void)old; }
END
  # shellcheck disable=SC2086
  [ -z "$HAK_TEST_SANITIZER" ] || skip "a sanitizer has its own malloc"
  $HAK_TEST_CC -fno-builtin -shared -fPIC -o "$tmp/broken.so" "$tmp/broken.c"
  expect_status 1 env LD_PRELOAD="$tmp/broken.so" "$bench/bench_random_mixed" 1000 100 1
  grep -q '^corrupt: block 0x' "$tmp/err" || fail "$(cat "$tmp/err")"
  expect_status 1 env LD_PRELOAD="$tmp/broken.so" "$bench/bench_lanes" churn operations=1000 threads=1
  expect_status 1 env LD_PRELOAD="$tmp/broken.so" "$bench/bench_phases" bursts 1 1
}

# The system's programs must be able to load the interposer.
need_native() {
  has_interposer || skip "this build has no interposer"
  case $HAK_TEST_CC in *-m32*) skip "the system's programs are of another architecture" ;; esac
}

test_compare() {
  need python3
  has_interposer || skip "this build has no interposer"
  expect_status 0 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --rounds 3 --only glibc,hakmem,slow \
    --with slow="$HAK_TEST_PRELOAD",HAKMEM_WRAP_TINY=0 --json "$tmp/json" --metric ns_per_operation \
    -- "$bench/bench_random_mixed" 20000 200 1
  for title in Time 'CPU time' 'Peak RSS'; do
    grep -qx "$title" "$tmp/out" || fail "no table '$title'"
  done
  expect_equal "rows" "$(grep -Ec '^\| command \| [0-9.]+ (\| [0-9]+\.[0-9]+~? ){3}\|$' "$tmp/out")" 3
  python3 - "$tmp/json" <<'END'
import json, sys
document = json.load(open(sys.argv[1]))
assert document["rounds"] == 3 and document["machine"]["processors"] >= 1
assert [a["name"] for a in document["allocators"]] == ["glibc", "hakmem", "slow"]
assert document["allocators"][1]["library"].endswith("libhakmem-preload.so")
metrics = document["workloads"]["command"]["metrics"]
for metric in ("ns_per_operation", "cpu_ns_per_operation", "wall", "cpu", "peak_mib"):
    figures = metrics[metric]
    assert list(figures) == ["glibc", "hakmem", "slow"], metric
    assert all(len(each["values"]) == 3 and each["spread"] >= 0 for each in figures.values())
    assert min(each["ratio"] for each in figures.values() if each["median"]) in (1.0,) or metric.startswith("cpu")
# Only the command's own memory: not that of the interpreter that runs the comparison.
assert metrics["peak_mib"]["glibc"]["median"] < 8, metrics["peak_mib"]
END
}

test_compare_suite() {
  need python3 sort
  need_native
  cat >"$tmp/suite" <<'END'
# a comment
sorted  | same           | LC_ALL=C sort {inputs}/words.txt
varying | same           | sh -c 'echo $$'
failing |                | sh -c 'echo why >&2; exit 3'
silent  | metric=nothing | {bench}/bench_lanes churn operations=100
absent  |                | no-such-program-here
END
  expect_status 1 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --rounds 1 --only glibc,hakmem --suite "$tmp/suite"
  grep -q '^| sorted | .* ~\{0,1\}' "$tmp/out" || fail "no row for sorted"
  grep -Eq '^\| varying \|.*FAIL' "$tmp/out" || fail "an output that varies was not seen"
  grep -q 'FAILED: status 3: why' "$tmp/out" || fail "no reason for the failure"
  grep -q 'FAILED: it printed no nothing=NUMBER' "$tmp/out" || fail "no reason for the missing number"
  grep -q 'left out: absent' "$tmp/err" || fail "the missing program was not named"
  echo "broken" >"$tmp/suite"
  expect_status 2 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --suite "$tmp/suite"
  expect_status 2 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --with gone=/no/such.so -- true
  expect_status 2 "$scripts/compare" --build "$tmp" -- true
  expect_status 2 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" -- no-such-program-here
  expect_status 0 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --list
}

# What sleeps is compared by CPU time for each operation and by the memory that it prints, not by time.
test_compare_phases() {
  need python3
  has_interposer || skip "this build has no interposer"
  expect_status 0 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --list --suite "$scripts/phases"
  for mode in $("$bench/bench_phases" help | sed -n 's/^\([a-z]*\)  *[^ ].*/\1/p' | grep -vx usage); do
    grep -Eq "^[a-z]+: .*bench_phases $mode\$" "$tmp/out" || fail "the suite leaves out $mode"
  done
  expect_status 0 "$scripts/compare" --build "$HAK_TEST_BUILDDIR" --rounds 1 --only glibc,hakmem \
    --metric cpu_ns_per_operation --metric mean_mib --metric highest_mib -- "$bench/bench_phases" swap 7 1
  for row in 'CPU time:command' 'Peak RSS:command' 'Other figures:command mean_mib' 'Other figures:command highest_mib'; do
    sed -n "/^${row%%:*}\$/,/geometric mean/p" "$tmp/out" | grep -q "^| ${row#*:} | [0-9.]* | [0-9.]*~* | [0-9.]*~* |\$" ||
      fail "no row $row"
  done
  if grep -qx Time "$tmp/out"; then fail "a table of times"; fi
}

test_footprint() {
  need python3 bash
  need_native
  expect_status 0 "$scripts/footprint" --build "$HAK_TEST_BUILDDIR" --rounds 2 --only glibc,hakmem
  expect_equal "rows" "$(grep -Ec '^\| (glibc|hakmem) (\| [0-9.]+ ){5}\|$' "$tmp/out")" 2
}

# Of a warm pair of 64 bytes, in turn and in batches: what the fast path may take.
test_instructions() {
  need python3 valgrind
  need_native
  [ "$(uname -m)" = x86_64 ] || skip "the limits are for x86-64"
  case $HAK_TEST_CC in *-O[23]*) ;; *) skip "built without -O2" ;; esac
  if grep -q 'define HAKMEM_DEBUG 1' "$HAK_TEST_BUILDDIR/config.h"; then skip "a debug build"; fi
  limit=46
  if grep -q 'define HAKMEM_CHECKS 0' "$HAK_TEST_BUILDDIR/config.h"; then limit=37; fi
  expect_status 0 "$scripts/count-instructions" --build "$HAK_TEST_BUILDDIR" --limit p64=$limit --limit b64=$limit \
    "$HAK_TEST_PRELOAD"
  cat "$tmp/out"
  expect_status 1 "$scripts/count-instructions" --build "$HAK_TEST_BUILDDIR" --limit p64=5 "$HAK_TEST_PRELOAD"
}

run_tests "$@"
