#!/bin/sh
# effects.sh - every option has an effect that is seen from outside: in the statistics, in the system calls that
# strace counts, in what is printed, in memory that is resident.
. "$(dirname "$0")/../lib.sh"
need_preload

# load FILE [NAME=VALUE...] -- ARGUMENTS: runs option_load with the settings, the statistics go to FILE.
load() {
  load_file=$1 load_settings=
  shift
  while [ "$1" != -- ]; do load_settings="$load_settings $1"; shift; done
  shift
  statistics "$load_file" $load_settings "$(program options/option_load)" "$@"
}

# calls NAMES [NAME=VALUE...] -- ARGUMENTS: how many of these system calls option_load makes.
calls() {
  need strace
  strace true >/dev/null 2>&1 || skip "strace does not work here"
  calls_names=$1
  calls_settings=
  shift
  while [ "$1" != -- ]; do calls_settings="$calls_settings -E $1"; shift; done
  shift
  strace -f -o "$tmp/strace" -e "trace=$calls_names" -E LD_PRELOAD="$HAK_TEST_PRELOAD" $calls_settings \
    "$(program options/option_load)" "$@" >"$tmp/out"
  grep -c '(' "$tmp/strace" || true
}

# value FILE NAME: what the report says is in force.
value() { tr -d '\n' <"$1" | sed -n 's/.*"options":{.*"'"$2"'":"\([^"]*\)".*/\1/p'; }

# ---- tiers

test_wrap_tiny() {
  load "$tmp/on" -- tiers
  load "$tmp/off" HAKMEM_WRAP_TINY=0 -- tiers
  expect "$(json_tier tiny requests "$tmp/on")" -ge 1000 "tiny requests"
  expect_equal "tiny requests" "$(json_tier tiny requests "$tmp/off")" 0
  expect "$(json_tier mid requests "$tmp/off")" -ge $(($(json_tier mid requests "$tmp/on") + 1000)) "mid requests"
}

test_wrap_pool() {
  load "$tmp/on" -- tiers
  load "$tmp/off" HAKMEM_WRAP_POOL=0 -- tiers
  expect "$(json_tier mid requests "$tmp/on")" -ge 1000 "mid requests"
  expect_equal "mid requests" "$(json_tier mid requests "$tmp/off")" 0
  expect "$(json_tier l25 requests "$tmp/off")" -ge $(($(json_tier l25 requests "$tmp/on") + 1000)) "l25 requests"
}

test_wrap_l25() {
  load "$tmp/on" -- tiers
  load "$tmp/off" HAKMEM_WRAP_L25=0 -- tiers
  expect "$(json_tier l25 requests "$tmp/on")" -ge 1000 "l25 requests"
  expect_equal "l25 requests" "$(json_tier l25 requests "$tmp/off")" 0
  expect "$(json_tier huge requests "$tmp/off")" -ge 1004 "huge requests"
}

test_all_tiers_off() {
  load "$tmp/off" HAKMEM_WRAP_TINY=0 HAKMEM_WRAP_POOL=0 HAKMEM_WRAP_L25=0 -- tiers
  for tier in tiny mid l25; do expect_equal "$tier" "$(json_tier $tier requests "$tmp/off")" 0; done
  expect "$(json_tier huge requests "$tmp/off")" -ge 3004 "huge requests"
}

test_force_libc_alloc() {
  need_no_emulator "system calls are its own"
  load "$tmp/on" HAKMEM_FORCE_LIBC_ALLOC=1 -- tiers
  for tier in tiny mid l25 huge; do expect_equal "$tier" "$(json_tier $tier requests "$tmp/on")" 0; done
  expect "$(calls brk HAKMEM_FORCE_LIBC_ALLOC=1 -- keep 5000 2000)" -gt 20 "calls of brk by the C library's malloc"
  expect "$(calls brk -- keep 5000 2000)" -lt 10 "calls of brk"
}

test_lanes_make_few_calls() {
  # A hundred a million operations; what a heap takes to grow, and to go at the end, is in both runs.
  # What is given back goes by the clock, and a build that checks its invariants is slow.
  limit=100
  ! grep -q '^#define HAKMEM_DEBUG 1' "$HAK_TEST_BUILDDIR/config.h" || limit=1000
  # On a busy machine it takes longer for the same operations: then the best of three counts.
  for range in "1100 32000" "33000 250000" "1100 250000" "300000 1000000" "33000 1000000"; do
    for _ in 1 2 3; do
      first=$(calls memory -- lane $range 1000000)
      made=$(($(calls memory -- lane $range 2000000) - first))
      echo "sizes $range: $first calls in the first million operations, $made in the second"
      [ $made -ge $limit ] || break
    done
    expect $made -lt $limit "calls in a million operations, sizes $range"
  done
}

# ---- caches of mappings

test_bigcache() {
  on=$(calls /mmap,munmap HAKMEM_WHALE=0 -- pairs 3000000 500)
  off=$(calls /mmap,munmap HAKMEM_WHALE=0 HAKMEM_BIGCACHE=0 -- pairs 3000000 500)
  expect "$on" -lt 100 "mmap and munmap with BigCache"
  expect "$off" -ge 1000 "mmap and munmap without"
  load "$tmp/on" -- pairs 3000000 500
  load "$tmp/off" HAKMEM_BIGCACHE=0 -- pairs 3000000 500
  expect "$(json_number bigcache_hits "$tmp/on")" -ge 498 "hits"
  expect_equal "hits without" "$(json_number bigcache_hits "$tmp/off")" 0
}

test_bigcache_l25() {
  load "$tmp/off" HAKMEM_WRAP_L25=0 HAKMEM_WHALE=0 -- pairs 700000 300
  load "$tmp/on" HAKMEM_BIGCACHE_L25=1 HAKMEM_WRAP_L25=0 HAKMEM_WHALE=0 -- pairs 700000 300
  expect_equal "hits by default" "$(json_number bigcache_hits "$tmp/off")" 0
  expect "$(json_number bigcache_hits "$tmp/on")" -ge 298 "hits of mappings of 700000 bytes"
  load "$tmp/on" HAKMEM_BIGCACHE_L25=1 HAKMEM_WHALE=0 -- pairs 1500000 300
  expect "$(json_number bigcache_hits "$tmp/on")" -ge 298 "hits of mappings of 1500000 bytes"
}

test_bigcache_l25_takes_runs() {
  load "$tmp/off" -- keep 700000 20
  load "$tmp/on" HAKMEM_BIGCACHE_L25=1 -- keep 700000 20
  expect_equal "kept by default" "$(json_number bigcache_kept "$tmp/off")" 0
  expect "$(json_number bigcache_kept "$tmp/on")" -gt 0 "runs kept"
}

test_bigcache_max_mb() {
  load "$tmp/small" HAKMEM_BIGCACHE_MAX_MB=8 HAKMEM_PURGE_DELAY_MS=-1 -- keep 3000000 16
  load "$tmp/large" HAKMEM_BIGCACHE_MAX_MB=256 HAKMEM_PURGE_DELAY_MS=-1 -- keep 3000000 16
  small=$(($(json_number bigcache_bytes "$tmp/small") + $(json_number whale_bytes "$tmp/small")))
  large=$(($(json_number bigcache_bytes "$tmp/large") + $(json_number whale_bytes "$tmp/large")))
  expect "$small" -le 8388608 "bytes kept"
  expect "$small" -gt 0 "bytes kept"
  expect "$large" -gt 16777216 "bytes kept"
}

test_whale() {
  on=$(calls /mmap,munmap -- pairs 1500000 500)
  off=$(calls /mmap,munmap HAKMEM_WHALE=0 -- pairs 1500000 500)
  expect "$on" -lt 100 "mmap and munmap with the whale cache"
  expect "$off" -ge 1000 "mmap and munmap without"
  load "$tmp/on" -- pairs 1500000 500
  load "$tmp/off" HAKMEM_WHALE=0 -- pairs 1500000 500
  expect "$(json_number whale_hits "$tmp/on")" -ge 498 "hits"
  expect_equal "hits without" "$(json_number whale_hits "$tmp/off")" 0
}

test_whale_slots() {
  load "$tmp/two" HAKMEM_WHALE_SLOTS=2 HAKMEM_PURGE_DELAY_MS=-1 -- keep 1500000 12
  load "$tmp/ten" HAKMEM_WHALE_SLOTS=10 HAKMEM_PURGE_DELAY_MS=-1 -- keep 1500000 12
  load "$tmp/none" HAKMEM_WHALE_SLOTS=0 HAKMEM_PURGE_DELAY_MS=-1 -- keep 1500000 12
  expect "$(json_number whale_bytes "$tmp/two")" -le 3200000 "bytes in two slots"
  expect "$(json_number whale_bytes "$tmp/two")" -ge 3000000 "bytes in two slots"
  expect "$(json_number whale_bytes "$tmp/ten")" -gt 6000000 "bytes in ten slots"
  expect_equal "bytes in no slot" "$(json_number whale_bytes "$tmp/none")" 0
}

# ---- purging

test_batch_madvise() {
  on=$(calls madvise -- waves 2000 20000 6 60)
  off=$(calls madvise HAKMEM_BATCH_MADVISE=0 -- waves 2000 20000 6 60)
  echo "madvise: $on in batches, $off one by one"
  expect "$on" -gt 5 "calls in batches"
  expect "$off" -ge $((on * 5)) "calls without batches, against $on with"
}

test_batch_min_size() {
  load "$tmp/small" HAKMEM_BATCH_MIN_SIZE=4K -- waves 1000 8000 6 60
  load "$tmp/large" HAKMEM_BATCH_MIN_SIZE=1G -- waves 1000 8000 6 60
  expect "$(json_number purge_calls "$tmp/small")" -gt 0 "purges of what is larger than 4K"
  expect_equal "purges of what is larger than 1G" "$(json_number purge_calls "$tmp/large")" 0
}

test_batch_flush_mb() {
  # No purge for its age within the hour: only what is beyond this goes.
  load "$tmp/small" HAKMEM_BATCH_FLUSH_MB=1 HAKMEM_PURGE_DELAY_MS=3600000 HAKMEM_SUPERSLAB_MAX_CACHED=1000 -- waves 30000 2000 6 60
  load "$tmp/large" HAKMEM_BATCH_FLUSH_MB=4000 HAKMEM_PURGE_DELAY_MS=3600000 HAKMEM_SUPERSLAB_MAX_CACHED=1000 -- waves 30000 2000 6 60
  expect "$(json_number purged_bytes "$tmp/small")" -gt 10000000 "bytes purged beyond 1 MiB"
  expect_equal "bytes purged beyond 4000 MiB" "$(json_number purged_bytes "$tmp/large")" 0
}

test_purge_delay_ms() {
  load "$tmp/never" HAKMEM_PURGE_DELAY_MS=-1 -- waves 2000 20000 6 60
  load "$tmp/default" -- waves 2000 20000 6 60
  load "$tmp/at_once" HAKMEM_PURGE_DELAY_MS=0 -- waves 2000 20000 6 0
  load "$tmp/late" HAKMEM_PURGE_DELAY_MS=3600000 HAKMEM_BATCH_FLUSH_MB=4000 HAKMEM_SUPERSLAB_MAX_CACHED=1000 -- waves 2000 20000 6 0
  expect_equal "purges" "$(json_number purge_calls "$tmp/never")" 0
  expect "$(json_number purged_bytes "$tmp/default")" -gt 1000000 "bytes purged after 25 ms"
  expect "$(json_number purged_bytes "$tmp/at_once")" -gt 10000000 "bytes purged at once"
  expect_equal "bytes purged within an hour" "$(json_number purged_bytes "$tmp/late")" 0
}

test_superslab_max_cached() {
  load "$tmp/none" HAKMEM_SUPERSLAB_MAX_CACHED=0 HAKMEM_PURGE_DELAY_MS=3600000 HAKMEM_BATCH_FLUSH_MB=4000 -- waves 30000 2000 4 0
  load "$tmp/many" HAKMEM_SUPERSLAB_MAX_CACHED=1000 HAKMEM_PURGE_DELAY_MS=3600000 HAKMEM_BATCH_FLUSH_MB=4000 -- waves 30000 2000 4 0
  expect "$(json_number purged_bytes "$tmp/none")" -gt 10000000 "bytes purged when no SuperSlab is kept"
  expect_equal "bytes purged when all are kept" "$(json_number purged_bytes "$tmp/many")" 0
}

test_ss_prefault() {
  need_no_emulator "what is resident is its own"
  off=$(preloaded "$(program options/option_load)" one)
  for how in 1 2; do
    on=$(preloaded HAKMEM_SS_PREFAULT=$how "$(program options/option_load)" one)
    # The first unit of 64 KiB is there.
    expect "$on" -ge $((off + 40)) "kB resident after the first block, prefault $how, against $off"
  done
  calls madvise HAKMEM_SS_PREFAULT=1 -- grow 4 >/dev/null
  grep -q 'POPULATE_WRITE\|0x17' "$tmp/strace" || fail "the kernel was not asked to populate"
  calls madvise HAKMEM_SS_PREFAULT=2 -- grow 4 >/dev/null
  ! grep -q 'POPULATE_WRITE\|0x17' "$tmp/strace" || fail "the kernel was asked to populate"
}

test_thp() {
  need_no_emulator "system calls are its own"
  calls madvise HAKMEM_THP=always -- grow 8 >/dev/null
  grep -q 'MADV_HUGEPAGE' "$tmp/strace" || fail "always does not ask"
  calls madvise HAKMEM_THP=inherit -- grow 200 >/dev/null
  ! grep -q 'HUGEPAGE' "$tmp/strace" || fail "inherit says something"
  calls madvise HAKMEM_THP=never -- grow 200 >/dev/null
  grep -q 'MADV_NOHUGEPAGE' "$tmp/strace" || fail "never does not forbid"
  ! grep -q 'MADV_HUGEPAGE' "$tmp/strace" || fail "never asks"
  calls madvise -- grow 2 >/dev/null
  ! grep -q 'MADV_HUGEPAGE' "$tmp/strace" || fail "auto asks in a small process"
  calls madvise -- grow 200 >/dev/null
  grep -q 'MADV_HUGEPAGE' "$tmp/strace" || fail "auto does not ask in a large and dense heap"
}

test_mode() {
  for mode in balanced fast minimal; do load "$tmp/$mode" HAKMEM_MODE=$mode -- keep 60000000 15; done
  expect_equal "kept by minimal" "$(json_number bigcache_kept "$tmp/minimal")" 0
  expect_equal "kept by minimal, whale" "$(json_number whale_kept "$tmp/minimal")" 0
  balanced=$(json_number bigcache_bytes "$tmp/balanced") fast=$(json_number bigcache_bytes "$tmp/fast")
  expect "$balanced" -gt 0 "bytes kept by balanced"
  expect "$balanced" -le 268435456 "bytes kept by balanced"
  expect "$fast" -gt "$balanced" "bytes kept by fast"
  load "$tmp/balanced" -- waves 2000 20000 6 60
  load "$tmp/fast" HAKMEM_MODE=fast -- waves 2000 20000 6 60
  load "$tmp/minimal" HAKMEM_MODE=minimal -- waves 2000 20000 6 60
  expect "$(json_number purged_bytes "$tmp/fast")" -lt "$(json_number purged_bytes "$tmp/balanced")" "bytes purged, fast"
  expect "$(json_number purged_bytes "$tmp/minimal")" -gt "$(json_number purged_bytes "$tmp/balanced")" "bytes purged, minimal"
  # One that is set by itself wins, wherever it stands.
  load "$tmp/both" HAKMEM_BIGCACHE=1 HAKMEM_MODE=minimal HAKMEM_PURGE_DELAY_MS=1000 -- keep 3000000 4
  expect "$(json_number bigcache_kept "$tmp/both")" -gt 0 "kept by minimal with BigCache"
}

# ---- the memory limit; more in memory_limit.sh

test_memory_limit_mb() {
  load "$tmp/none" HAKMEM_PURGE_DELAY_MS=-1 -- keep 3000000 80
  load "$tmp/limit" HAKMEM_PURGE_DELAY_MS=-1 HAKMEM_MEMORY_LIMIT_MB=64 HAKMEM_DEBUG_LEVEL=0 -- keep 3000000 80
  expect "$(json_number bigcache_bytes "$tmp/none")" -gt 67108864 "bytes kept without a limit"
  expect "$(json_number bigcache_bytes "$tmp/limit")" -le 67108864 "bytes kept with 64 MiB"
  expect "$(json_number limit_passes "$tmp/limit")" -gt 0 "passes"
}

test_memory_limit_hard() {
  load "$tmp/hard" HAKMEM_MEMORY_LIMIT_MB=64 HAKMEM_MEMORY_LIMIT_HARD=1 HAKMEM_DEBUG_LEVEL=0 -- refused 3000000 40
  expect "$(json_number limit_refused "$tmp/hard")" -gt 10 "refused requests"
  load "$tmp/soft" HAKMEM_MEMORY_LIMIT_MB=64 HAKMEM_DEBUG_LEVEL=0 -- keep 3000000 40
  expect_equal "refused by a soft limit" "$(json_number limit_refused "$tmp/soft")" 0
}

# ---- bad pointers

# bad_free [NAME=VALUE...]: frees three bad pointers; sets status, prints nothing.
bad_free() {
  status=0
  preloaded "$@" "$(program options/option_load)" bad 3 >"$tmp/out" 2>"$tmp/err" || status=$?
}

test_invalid_free() {
  bad_free A=b
  expect_equal "status by default (fallback)" "$status" 134
  expect_equal "lines" "$(grep -c '^hakmem: option_load\[[0-9]*\]: ' "$tmp/err")" 1
  bad_free HAKMEM_INVALID_FREE=skip
  expect_equal "status of skip" "$status" 0
  expect_equal "output of skip" "$(cat "$tmp/out")" "went on"
  expect_equal "lines" "$(grep -c '^hakmem: option_load\[[0-9]*\]: .*free()' "$tmp/err")" 1
  bad_free HAKMEM_INVALID_FREE=abort
  expect_equal "status of abort" "$status" 134
  # What is the C library's is forwarded by two and not by the third.
  load=$(program options/option_load)
  for policy in fallback skip; do
    expect_equal "$policy" "$(preloaded HAKMEM_INVALID_FREE=$policy "$load" foreign 5)" "went on"
    expect_equal "$policy, early" "$(preloaded HAKMEM_INVALID_FREE=$policy "$load" foreign 5 early)" "went on"
  done
  status=0
  preloaded HAKMEM_INVALID_FREE=abort "$load" foreign 5 >"$tmp/out" 2>"$tmp/err" || status=$?
  expect_equal "status of abort with a block of the C library's" "$status" 134
}

test_invalid_free_log() {
  bad_free HAKMEM_INVALID_FREE=skip HAKMEM_INVALID_FREE_LOG=1 HAKMEM_LOG_FILE="$tmp/log"
  expect_equal "status" "$status" 0
  expect_equal "lines" "$(grep -c 'invalid pointer in free()' "$tmp/log")" 3
  preloaded HAKMEM_INVALID_FREE_LOG=1 HAKMEM_LOG_FILE="$tmp/foreign" "$(program options/option_load)" foreign 4 >"$tmp/out"
  expect_equal "lines" "$(grep -c 'foreign pointer in free().*forwarded' "$tmp/foreign")" 4
  load "$tmp/statistics" HAKMEM_INVALID_FREE=skip -- bad 3 2>/dev/null
  expect_equal "counted" "$(json_number invalid_frees "$tmp/statistics")" 3
  load "$tmp/statistics" -- foreign 4
  expect_equal "counted" "$(json_number foreign_frees "$tmp/statistics")" 4
}

test_external_guard() {
  need_no_emulator "system calls are its own"
  calls madvise,mincore,msync -- foreign 3 >/dev/null
  grep -q 'POPULATE_READ\|0x16' "$tmp/strace" || fail "populate does not ask madvise"
  calls madvise,mincore,msync HAKMEM_EXTERNAL_GUARD=mincore -- foreign 3 >/dev/null
  grep -q 'mincore(' "$tmp/strace" || fail "mincore does not ask mincore"
  calls madvise,mincore,msync HAKMEM_EXTERNAL_GUARD=msync -- foreign 3 >/dev/null
  grep -q 'msync(' "$tmp/strace" || fail "msync does not ask msync"
  calls madvise,mincore,msync HAKMEM_EXTERNAL_GUARD=off -- foreign 3 >/dev/null
  ! grep -q 'POPULATE_READ\|0x16\|mincore(\|msync(' "$tmp/strace" || fail "off asks"
}

# ---- reports and traces

test_free_route_trace() {
  preloaded HAKMEM_FREE_ROUTE_TRACE=1 HAKMEM_LOG_FILE="$tmp/log" "$(program options/option_load)" routes
  for route in tiny mid l25 huge; do
    grep -q "^free 0x[0-9a-f]* route $route\$" "$tmp/log" || { cat "$tmp/log"; fail "no free by route $route"; }
  done
  preloaded HAKMEM_FREE_ROUTE_TRACE=1 HAKMEM_LOG_FILE="$tmp/foreign" "$(program options/option_load)" foreign 3 >"$tmp/out"
  expect_equal "foreign" "$(grep -c '^free 0x[0-9a-f]* route foreign$' "$tmp/foreign")" 3
  # What is no block takes no tier's route.
  preloaded HAKMEM_INVALID_FREE=skip HAKMEM_FREE_ROUTE_TRACE=1 HAKMEM_LOG_FILE="$tmp/twice.log" \
    "$(program misuse/double_free_huge)" malloc free single >"$tmp/out" 2>&1 || fail "a double free that is skipped"
  expect_equal "double frees" "$(grep -c '^free 0x[0-9a-f]* route invalid$' "$tmp/twice.log")" 1
  # Every free is there: as many lines as requests less live blocks.
  load "$tmp/statistics" HAKMEM_FREE_ROUTE_TRACE=1 -- tiers
  traced=$(grep -c '^free ' "$tmp/statistics")
  sed '/^{/!d' "$tmp/statistics" >"$tmp/json"
  routed=0
  for route in tiny mid l25 huge; do routed=$((routed + $(json_number route_$route "$tmp/json"))); done
  expect_equal "lines" "$traced" "$routed"
  expect "$traced" -ge 3004 "lines"
}

test_super_reg_reqtrace() {
  preloaded HAKMEM_SUPER_REG_REQTRACE=1 HAKMEM_BIGCACHE=0 HAKMEM_WHALE=0 HAKMEM_LOG_FILE="$tmp/log" \
    "$(program options/option_load)" routes
  grep -q '^registry: insert superslab 0x' "$tmp/log" || fail "no SuperSlab was registered"
  grep -q '^registry: insert mapping 0x' "$tmp/log" || fail "no mapping was registered"
  grep -q '^registry: remove mapping 0x' "$tmp/log" || fail "no mapping was removed"
  ! grep -q 'missed' "$tmp/log" || fail "a lookup missed"
  preloaded HAKMEM_SUPER_REG_REQTRACE=1 HAKMEM_LOG_FILE="$tmp/foreign" "$(program options/option_load)" foreign 2 >"$tmp/out"
  expect_equal "lookups that missed" "$(grep -c '^registry: lookup missed 0x' "$tmp/foreign")" 2
}

test_stats() {
  workload=$(program hazards/workload)
  preloaded HAKMEM_STATS=0 "$workload" 100 2>"$tmp/off" >"$tmp/out"
  expect_equal "report" "$(cat "$tmp/off")" ""
  preloaded HAKMEM_STATS=1 "$workload" 100 2>"$tmp/text" >"$tmp/out"
  grep -qi 'tiny' "$tmp/text" || fail "no report"
  ! grep -q '^{' "$tmp/text" || fail "the text is JSON"
  preloaded HAKMEM_STATS=json "$workload" 100 2>"$tmp/json" >"$tmp/out"
  expect_equal "lines" "$(wc -l <"$tmp/json")" 1
  need python3
  python3 -c 'import json, sys; print(sorted(json.load(open(sys.argv[1]))["tiers"]))' "$tmp/json" >"$tmp/tiers"
  expect_equal "tiers" "$(cat "$tmp/tiers")" "['huge', 'l25', 'mid', 'tiny']"
}

test_log_file() {
  need_machine
  preloaded HAKMEM_STATS=1 HAKMEM_LOG_FILE="$tmp/report.%p.100%%" sh -c 'echo $$; exec "$1" 100 >/dev/null' sh "$(program hazards/workload)" 2>"$tmp/err" >"$tmp/pid"
  [ -s "$tmp/report.$(cat "$tmp/pid").100%" ] || { ls "$tmp"; fail "no report of process $(cat "$tmp/pid")"; }
  expect_equal "standard error" "$(cat "$tmp/err")" ""
  # A child that is forked gets a file of its own.
  need python3
  preloaded HAKMEM_FREE_ROUTE_TRACE=1 HAKMEM_LOG_FILE="$tmp/child.%p" PYTHONMALLOC=malloc python3 -S -c '
import os
pid = os.fork()
if pid == 0:
    for i in range(100): bytearray(i)
    os._exit(0)
os.waitpid(pid, 0); print(pid)' >"$tmp/pid"
  [ -s "$tmp/child.$(cat "$tmp/pid")" ] || fail "no trace of the child $(cat "$tmp/pid")"
}

test_stats_dir() {
  mkdir "$tmp/figures"
  file=$tmp/figures/hakmem-figures.$(id -u)
  preloaded HAKMEM_STATS_DIR="$tmp/figures" "$(program options/option_load)" keep 1000 1000
  expect_equal "mode" "$(stat -c %a "$file")" 600
  grep -q option_load "$file" || fail "the program is not in the file"
  # A folder that is not there, one that is full, a limit: one line, and the program runs.
  preloaded HAKMEM_STATS_DIR="$tmp/none" "$(program options/option_load)" foreign 1 2>"$tmp/err" >"$tmp/out"
  expect_equal output "$(cat "$tmp/out")" "went on"
  expect_equal lines "$(grep -c 'cannot be opened (errno 2); no figures are published' "$tmp/err") $(wc -l <"$tmp/err")" "1 1"
  mkdir "$tmp/limited"
  preloaded HAKMEM_STATS_DIR="$tmp/limited" prlimit --fsize=1000 "$(program options/option_load)" foreign 1 \
    >"$tmp/out" 2>&1 || fail "status $? under a limit of file sizes"
  expect_equal "output" "$(cat "$tmp/out")" "went on"
  [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || skip "no private mounts here: a full file system was not tried"
  tmp=$tmp preload=$HAK_TEST_PRELOAD unshare -m sh -ec '
    mount -t tmpfs -o size=200k none "$tmp/figures"
    HAKMEM_STATS_DIR=$tmp/figures LD_PRELOAD=$preload "$1" foreign 1' sh "$(program options/option_load)" 2>"$tmp/err" >"$tmp/out"
  expect_equal output "$(cat "$tmp/out")" "went on"
  expect_equal lines "$(grep -c 'has no room (errno 28); no figures are published' "$tmp/err") $(wc -l <"$tmp/err")" "1 1"
}

# A child is published by itself, without a system call of ours in it.
test_stats_dir_and_fork() {
  need strace perl
  need_machine
  strace true >/dev/null 2>&1 || skip "strace does not work here"
  mkdir "$tmp/figures"
  script='my $pid = fork; if (!$pid) { my @a = map { "x" x 3000 } 1 .. 300; sleep 1; exit } waitpid $pid, 0;'
  strace -f -o "$tmp/plain" -E LD_PRELOAD="$HAK_TEST_PRELOAD" perl -e "$script"
  strace -f -o "$tmp/strace" -E LD_PRELOAD="$HAK_TEST_PRELOAD" -E HAKMEM_STATS_DIR="$tmp/figures" perl -e "$script"
  child=$(tail -n 1 "$tmp/strace" | cut -d' ' -f1)
  for trace in plain strace; do
    # Of the child, the second process in the trace, up to its sleep.
    awk 'NR == 1 { first = $1 } $1 != first' "$tmp/$trace" | sed -n '1,/nanosleep/s/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' |
      grep -v -e '^mmap$' -e '^munmap$' -e '^mprotect$' -e '^madvise$' -e '^brk$' | sort | uniq -c >"$tmp/$trace.calls"
  done
  diff "$tmp/plain.calls" "$tmp/strace.calls" || fail "other system calls in the child"
}

# ---- profiles; tests/tools/profile.sh has more

# profiled MODE [NAME=VALUE...]: 1000 blocks of 4000 bytes stay, 3000 go; the profile is $tmp/heap.
profiled() {
  profiled_mode=$1
  shift
  preloaded HAKMEM_PROFILE_FILE="$tmp/heap" "$@" "$(program tools/profiled)" "$profiled_mode" "$tmp/heap"
}
live_samples() { sed -n 's/^heap profile: *\([0-9]*\):.*/\1/p' "$1"; }

test_profile() {
  profiled keep HAKMEM_PROFILE=0
  [ ! -e "$tmp/heap" ] || fail "a profile without being asked"
  profiled keep HAKMEM_PROFILE=1 HAKMEM_PROFILE_RATE=1
  expect "$(live_samples "$tmp/heap")" -ge 1000 "live samples"
}

test_profile_rate() {
  profiled keep HAKMEM_PROFILE=1 HAKMEM_PROFILE_RATE=64G
  expect_equal "samples at the lowest rate" "$(live_samples "$tmp/heap")" 0
  profiled keep HAKMEM_PROFILE=1 HAKMEM_PROFILE_RATE=128K
  samples=$(live_samples "$tmp/heap")
  expect "$samples" -ge 4 "samples where 31 are due"
  expect "$samples" -le 75 "samples where 31 are due"
}

test_profile_file() {
  profiled keep HAKMEM_PROFILE=1 HAKMEM_PROFILE_FILE="$tmp/by.%p.100%%"
  expect_equal "profiles" "$(ls "$tmp" | grep -c '^by\.[0-9]*\.100%$')" 1
  profiled keep HAKMEM_PROFILE=1 HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_FILE="$tmp/stacks.folded"
  grep -q '^[^@]* [0-9]*$' "$tmp/stacks.folded" || fail "no folded stacks"
  (cd "$tmp" && profiled keep HAKMEM_PROFILE=1 HAKMEM_PROFILE_FILE=)
  [ ! -e "$tmp/heap" ] || fail "a profile without a name"
}

# The program ends by the signal where it was not named.
test_profile_signal() {
  profiled signal HAKMEM_PROFILE=1 HAKMEM_PROFILE_SIGNAL=hup 2>/dev/null && fail "the signal did not end the program"
  [ ! -e "$tmp/heap.first" ] || fail "a profile by a signal that was not named"
  profiled signal HAKMEM_PROFILE=1 HAKMEM_PROFILE_SIGNAL=usr2 || fail "status"
  [ -s "$tmp/heap.first" ] || fail "no profile by the signal"
}

test_profile_leaks() {
  profiled keep HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_LEAKS=1M 2>"$tmp/err" >"$tmp/out" || fail "status without a leak status"
  grep -q 'live at exit: 4[0-9]* bytes in 1000 blocks of 1 sites' "$tmp/err" || { cat "$tmp/err"; fail "no report"; }
  [ ! -e "$tmp/heap" ] || fail "a profile without being asked"
  profiled keep HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_LEAKS=0 HAKMEM_PROFILE_LEAK_STATUS=7 2>"$tmp/err" >"$tmp/out" ||
    fail "status without a report"
  expect_equal "standard error" "$(cat "$tmp/err")" ""
  status=0
  profiled keep HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_LEAKS=1M HAKMEM_PROFILE_LEAK_STATUS=7 2>"$tmp/err" >"$tmp/out" || status=$?
  expect_equal "status" "$status" 7
}

# Tables end at code that has none; the program's frame pointers lead on.
test_profile_unwind() {
  for unwind in tables frame-pointers; do
    profiled jit HAKMEM_PROFILE=1 HAKMEM_PROFILE_RATE=1 HAKMEM_PROFILE_UNWIND=$unwind
    sed -n 's/^[0-9].* \[ *3000: *[0-9]*\] @//p' "$tmp/heap" >"$tmp/callers"
    expect_equal "stacks of 3000 blocks with $unwind" "$(wc -l <"$tmp/callers")" 1
    wc -w <"$tmp/callers" >"$tmp/$unwind"
  done
  [ "$("$(program tools/profiled)" has-jit)" = yes ] || skip "no code without tables for this machine: the ways to find callers were not told apart"
  expect_equal "callers by tables" "$(($(cat "$tmp/tables")))" 2
  expect "$(cat "$tmp/frame-pointers")" -ge 3 "callers by frame pointers"
}

# figure FILE NAME: a number of the report.
figure() { tr -d '\n' <"$1" | sed -n 's/.*"'"$2"'":\([0-9]*\).*/\1/p'; }

# Waves of 60 MB with pauses. As a rule patience sees to it that little is faulted in again: most of it lies idle.
waves() {
  waves_file=$1
  shift
  load "$waves_file" "$@" -- waves 30000 2000 30 60
}

test_ace() {
  waves "$tmp/off" HAKMEM_ACE=off HAKMEM_ACE_KEEP_MS=1
  expect_equal "windows without it" "$(figure "$tmp/off" ace_windows)" 0
  waves "$tmp/on" HAKMEM_ACE=on HAKMEM_ACE_KEEP_MS=1 HAKMEM_ACE_LOG="$tmp/log.%p"
  expect "$(figure "$tmp/on" ace_trials)" -ge 1 "trials"
  expect_equal "logs with the process's number" "$(ls "$tmp" | grep -c '^log\.[0-9]*$')" 1
  grep -q '^ace [0-9]* ms pages: .* tries to keep less' "$tmp"/log.* || fail "no such decision: $(cat "$tmp"/log.*)"
  waves "$tmp/frozen" HAKMEM_ACE=freeze HAKMEM_ACE_KEEP_MS=1 HAKMEM_ACE_LOG="$tmp/frozen.log"
  expect_equal "trials, frozen" "$(figure "$tmp/frozen" ace_trials)" 0
  expect_equal "delay, frozen" "$(figure "$tmp/frozen" ace_purge_delay_ms)" 25
  grep -q 'frozen; would try to keep less' "$tmp/frozen.log" || fail "no word of what it would try: $(cat "$tmp/frozen.log")"
}

# The same program, and a fault is said to be dear.
test_ace_keep() {
  waves "$tmp/dear" HAKMEM_ACE=on HAKMEM_ACE_KEEP_MS=60000 HAKMEM_ACE_LOG="$tmp/dear.log"
  ! grep -q 'tries to keep less' "$tmp/dear.log" || fail "a trial of keeping less: $(cat "$tmp/dear.log")"
}

# Where each free span is given back at once, each wave is faulted in again: more is tried, up to the bounds.
hasty_waves() { waves "$tmp/report" HAKMEM_ACE=on HAKMEM_ACE_KEEP_MS=60000 HAKMEM_BATCH_MADVISE=0 HAKMEM_ACE_LOG="$tmp/$1" $2; }
test_ace_bounds() {
  hasty_waves wide.log
  grep -q 'tries to keep more.* delay 50 ms, flush 8192 KiB, 32 empty' "$tmp/wide.log" || fail "no trial: $(cat "$tmp/wide.log")"
  hasty_waves delay.log HAKMEM_ACE_DELAY_MAX_MS=25
  grep -q 'tries to keep more.* delay 25 ms, flush 8192 KiB, 32 empty' "$tmp/delay.log" || fail "no trial up to the bound: $(cat "$tmp/delay.log")"
  hasty_waves idle.log HAKMEM_ACE_IDLE_MAX_MB=4
  grep -q 'tries to keep more.* delay 50 ms, flush 4096 KiB, 16 empty' "$tmp/idle.log" || fail "no trial up to the bound: $(cat "$tmp/idle.log")"
}

test_debug_level() {
  for level in 0 1 2 3; do
    preloaded HAKMEM_DEBUG_LEVEL=$level HAKMEM_WHALE=maybe "$(program hazards/workload)" 100 2>"$tmp/$level" >"$tmp/out"
  done
  expect_equal "nothing" "$(cat "$tmp/0")" ""
  expect_equal "errors" "$(wc -l <"$tmp/1")" 1
  expect "$(wc -l <"$tmp/2")" -gt 1 "lines with information"
  expect "$(wc -l <"$tmp/3")" -ge "$(wc -l <"$tmp/2")" "lines with more"
}

test_report_shows_what_is_in_force() {
  load "$tmp/report" HAKMEM_WHALE_SLOTS=5 HAKMEM_BATCH_MIN_SIZE=128K HAKMEM_MODE=minimal HAKMEM_BIGCACHE_MAX_MB=1G -- tiers
  expect_equal WHALE_SLOTS "$(value "$tmp/report" WHALE_SLOTS)" 5
  expect_equal BATCH_MIN_SIZE "$(value "$tmp/report" BATCH_MIN_SIZE)" 128K
  expect_equal PURGE_DELAY_MS "$(value "$tmp/report" PURGE_DELAY_MS)" 0
  expect_equal BIGCACHE_MAX_MB "$(value "$tmp/report" BIGCACHE_MAX_MB)" 1024
}

run_tests "$@"
