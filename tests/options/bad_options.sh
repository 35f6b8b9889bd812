#!/bin/sh
# bad_options.sh - a bad option: one line that names it, and the default is used.
. "$(dirname "$0")/../lib.sh"
need_preload

# complains NAME=VALUE LINE: running with the setting prints just that line, after "hakmem: PROGRAM[PID]: ".
complains() {
  preloaded "$1" "$(program hazards/workload)" 100 >"$tmp/out" 2>"$tmp/err"
  expect_equal "lines for $1" "$(sed 's/^hakmem: workload\[[0-9][0-9]*\]: //' "$tmp/err")" "$2"
  "$(program hazards/workload)" 100 | cmp - "$tmp/out"
}

# refuses NAME ACCEPTED USED VALUE...: all of these values are complained of.
refuses() {
  name=$1 accepted=$2 used=$3
  shift 3
  for bad in "$@"; do complains "$name=$bad" "$name=$bad: not accepted (accepted: $accepted); $used is used instead"; done
}

test_switches() {
  for name in WRAP_TINY WRAP_POOL WRAP_L25 BIGCACHE WHALE BATCH_MADVISE; do refuses HAKMEM_$name "0, 1" 1 2 yes "" -1; done
  for name in FORCE_LIBC_ALLOC BIGCACHE_L25 MEMORY_LIMIT_HARD PROFILE INVALID_FREE_LOG FREE_ROUTE_TRACE SUPER_REG_REQTRACE; do
    refuses HAKMEM_$name "0, 1" 0 2 on 00
  done
}

test_words() {
  refuses HAKMEM_MODE "balanced, fast, minimal" balanced slow 1 ""
  refuses HAKMEM_THP "auto, inherit, always, never" auto sometimes
  refuses HAKMEM_INVALID_FREE "fallback, skip, abort" fallback ignore
  refuses HAKMEM_EXTERNAL_GUARD "populate, mincore, msync, off" populate on
  refuses HAKMEM_DEEPBIND "strip, keep" strip maybe
  refuses HAKMEM_STATS "0, 1, json" 0 xml 2
  refuses HAKMEM_SS_PREFAULT "0, 1, 2" 0 3
}

test_numbers() {
  refuses HAKMEM_WHALE_SLOTS "0 to 64" 8 -1 65 1.5 8x 99999999999999999999
  refuses HAKMEM_PURGE_DELAY_MS "-1, 0 to 3600000" 25 -2 3600001 soon
  refuses HAKMEM_SUPERSLAB_MAX_CACHED "0 to 65536" 16 -1 65537
  refuses HAKMEM_DEBUG_LEVEL "0 to 3" 1 4 high
}

test_sizes() {
  refuses HAKMEM_BIGCACHE_MAX_MB "size in MiB" 256 -1 many 1T 5MB
  refuses HAKMEM_BATCH_MIN_SIZE "size up to 1G" 64K 2G -5
  refuses HAKMEM_BATCH_FLUSH_MB "size in MiB from 64K" 4 0 1K
  refuses HAKMEM_MEMORY_LIMIT_MB "size in MiB from 1, auto, 0" 0 -1 some 1K 99999999999999999999
}

test_adapting() {
  refuses HAKMEM_ACE "off, on, freeze" off 1 maybe
  refuses HAKMEM_ACE_KEEP_MS "1 to 60000" 500 0 -1 60001 99999999999999999999
  refuses HAKMEM_ACE_DELAY_MAX_MS "1 to 3600000" 1000 0 3600001 long
  refuses HAKMEM_ACE_IDLE_MAX_MB "size in MiB from 1" 256 0 1K -1
  refuses HAKMEM_ACE_LOG "path, %p for the process id" none "/tmp/%d"
  complains HAKMEM_ACE_LOG=/tmp/never "HAKMEM_ACE_LOG does nothing without HAKMEM_ACE"
  complains "HAKMEM_ACE=on HAKMEM_ACE_LOG=/nowhere/at/all" \
    "HAKMEM_ACE_LOG=/nowhere/at/all: cannot be opened (errno 2); standard error is used instead"
}

test_paths() {
  refuses HAKMEM_LOG_FILE "path, %p for the process id" "standard error" "/tmp/%d" "/tmp/%"
}

test_unknown_names() {
  complains HAKMEM_NOTHING_LIKE_IT=5 \
    "HAKMEM_NOTHING_LIKE_IT=5: there is no such option (man hakmem names those accepted); it is ignored"
  complains HAKMEM_BIGCASH=0 \
    "HAKMEM_BIGCASH=0: there is no such option (man hakmem names those accepted; near is HAKMEM_BIGCACHE); it is ignored"
  complains HAKMEM_whale=0 \
    "HAKMEM_whale=0: there is no such option (man hakmem names those accepted); it is ignored"
  # Options of other versions are unknown here, not accepted in silence.
  complains HAKMEM_ACES=1 \
    "HAKMEM_ACES=1: there is no such option (man hakmem names those accepted; near is HAKMEM_ACE); it is ignored"
}

test_several_at_once() {
  preloaded HAKMEM_ONE=1 HAKMEM_WHALE=2 HAKMEM_THP=3 "$(program hazards/workload)" 100 2>"$tmp/err" >"$tmp/out"
  expect_equal "lines" "$(grep -c '^hakmem: workload\[' "$tmp/err")" 3
}

test_the_library_reads_the_same() {
  bench=$HAK_TEST_BUILDDIR/bench/bench_random_mixed_hakmem
  [ -x "$bench" ] || skip "the benchmarks are not built"
  HAKMEM_WHALE=maybe HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/log" "$bench" 2000 200 5 >"$tmp/out" 2>"$tmp/err"
  grep -q 'HAKMEM_WHALE=maybe: not accepted (accepted: 0, 1); 1 is used instead' "$tmp/err" || fail "no complaint"
  expect "$(json_tier tiny requests "$tmp/log")" -gt 500 "tiny requests"
  HAKMEM_WRAP_TINY=0 HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/log2" "$bench" 2000 200 5 >"$tmp/out"
  expect_equal "tiny requests" "$(json_tier tiny requests "$tmp/log2")" 0
}

test_every_option_is_tested() {
  # The names of the report are those of the table.
  statistics "$tmp/report" "$(program hazards/workload)" 100 >"$tmp/out"
  names=$(tr -d '\n' <"$tmp/report" | sed 's/.*"options":{\([^}]*\)}.*/\1/' | tr ',' '\n' | sed -n 's/^"\([A-Z0-9_]*\)":.*/\1/p')
  expect "$(echo "$names" | wc -l)" -gt 20 "options"
  for name in $names; do
    grep -q "HAKMEM_$name=" "$source_dir/effects.sh" || [ "$name" = DEEPBIND ] || fail "no test of the effect of HAKMEM_$name"
  done
}

run_tests "$@"
