#!/bin/sh
# memory.sh - memory goes back, small processes stay small, huge pages only where they pay.
. "$(dirname "$0")/../lib.sh"
need_preload
! emulated || { echo "SKIP: under an emulator: what is resident is its own"; exit 77; }

test_memory_returns_within_a_second() {
  preloaded "$(program hazards/returns_memory)" >"$tmp/out"
  read -r peak after <"$tmp/out"
  expect "$peak" -gt 100000 "peak, kB"
  expect "$after" -lt $((peak / 4)) "kB a second after the peak of $peak"
}

test_idle_process_keeps_little() {
  # Nothing runs when a process only sleeps: what free() itself did not give back stays, within a bound.
  preloaded "$(program hazards/returns_memory)" idle >"$tmp/out"
  read -r peak after <"$tmp/out"
  expect "$after" -lt $((peak / 2)) "kB of an idle process after a peak of $peak"
}

test_pages_between_live_blocks_return() {
  # Nearly every slab holds some live blocks: 6 MB in all, of a peak of 120 MB. On a machine that does much else
  # the program does little in its second: the best of three.
  for _ in 1 2 3; do
    preloaded "$(program hazards/returns_memory)" runs
  done | sort -n -k 2 >"$tmp/out"
  read -r peak after <"$tmp/out"
  expect "$peak" -gt 100000 "peak, kB"
  expect "$after" -lt $((peak / 8)) "kB a second after the peak of $peak"
}

test_no_purge_on_request() {
  preloaded HAKMEM_PURGE_DELAY_MS=-1 "$(program hazards/returns_memory)" >"$tmp/out"
  read -r peak after <"$tmp/out"
  expect "$after" -gt $((peak / 2)) "kB, nothing purged, after a peak of $peak"
}

# resident COMMAND...: kB of anonymous memory of a sleeping shell, whose own malloc is in use.
resident() {
  env "$@" sh -c 'x=$(echo "$PATH"); grep -h "^Anonymous:" /proc/$$/smaps_rollup' | awk '{ print $2 }'
}

test_small_process_stays_small() {
  need_machine
  need awk
  [ -r /proc/self/smaps_rollup ] || skip "no smaps_rollup"
  without=$(resident A=b)
  with=$(resident LD_PRELOAD="$HAK_TEST_PRELOAD")
  echo "a shell: $without kB without, $with kB with"
  expect $((with - without)) -le 160 "more kB in a shell than with the C library ($with, $without)"
}

# anonymous_kib LIBRARY COMMAND...: of the command, when it has come to rest; without its stack, since where the kernel lets
# that begin within its page is drawn by lot. In an environment of our own: a shell makes variables of what is in it.
anonymous_kib() {
  library=$1
  shift
  rm -f "$tmp/input"
  mkfifo "$tmp/input"
  env -i LC_ALL=C PATH=/usr/bin:/bin ${library:+LD_PRELOAD="$library"} "$@" <"$tmp/input" &
  exec 4>"$tmp/input"   # it waits for a line until this is closed
  sleep 0.3
  awk '/^[0-9a-f]+-[0-9a-f]+ / { stack = $6 == "[stack]" } /^Anonymous:/ && !stack { sum += $2 } END { print sum }' /proc/$!/smaps
  kill $!
  exec 4>&-
  wait $! 2>/dev/null || :
}

test_idle_process_stays_small() {
  need_machine
  need awk bash
  [ -r /proc/self/smaps ] || skip "no smaps"
  [ "$(uname -m) $(getconf PAGESIZE)" = "x86_64 4096" ] || skip "the figure is for x86-64"
  case $HAK_TEST_CC in *clang*) skip "clang puts sparse arrays among the variables" ;; *-O[23]*) ;; *) skip "built without -O2" ;; esac
  while read -r bound command; do
    # shellcheck disable=SC2086
    without=$(anonymous_kib "" $command)
    # shellcheck disable=SC2086
    with=$(anonymous_kib "$HAK_TEST_PRELOAD" $command)
    echo "$command: $without kB without, $with kB with"
    expect $((with - without)) -le "$bound" "more kB in $command than with the C library ($with, $without)"
  done <<'END'
32 sleep 100
52 bash --norc --noprofile -c read
END
}

test_huge_pages_only_where_they_pay() {
  need_machine
  mode=$(sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null) || true
  [ -n "$mode" ] || skip "no transparent huge pages in this kernel"
  need awk
  echo "mode: $mode (the machine's, which a test does not change)"
  without=$(resident A=b)
  with=$(resident LD_PRELOAD="$HAK_TEST_PRELOAD" HAKMEM_THP=auto)
  expect $((with - without)) -le 256 "more kB in a shell under THP $mode"
}

test_valgrind() {
  need_machine
  need valgrind
  valgrind -q /bin/true || skip "valgrind does not work here"
  preloaded valgrind -q --error-exitcode=9 /bin/true >"$tmp/out" 2>&1 || { cat "$tmp/out"; fail "valgrind /bin/true"; }
  ! grep -qi 'hakmem:' "$tmp/out" || fail "the library complains: $(cat "$tmp/out")"
}

test_callgrind_counts() {
  need_machine
  need valgrind
  preloaded valgrind -q --tool=callgrind --callgrind-out-file="$tmp/callgrind" "$(program hazards/workload)" 200 >"$tmp/out"
  "$(program hazards/workload)" 200 >"$tmp/plain"
  cmp "$tmp/plain" "$tmp/out"
  grep -q hak_ "$tmp/callgrind" || grep -q libhakmem "$tmp/callgrind" || fail "the interposer was not in use"
}

# build_asan COMPILER: a program with AddressSanitizer, $tmp/a.
build_asan() {
  need "$1"
  cat >"$tmp/a.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
  char *volatile text = strdup("sanitized");
  puts(text);
  free(text);
  return 0;
}
END
  "$1" -fsanitize=address -o "$tmp/a" "$tmp/a.c" || skip "$1 has no AddressSanitizer"
  "$tmp/a" >"$tmp/plain" 2>&1 || skip "AddressSanitizer does not run here: $(head -n 1 "$tmp/plain")"
}

test_asan_program_with_its_runtime_inside() {
  need_machine
  build_asan clang
  expect_equal "output" "$(preloaded "$tmp/a")" "sanitized"
}

test_asan_program_with_a_shared_runtime() {
  need_machine
  build_asan gcc
  runtime=$(gcc -print-file-name=libasan.so)
  [ "$runtime" != libasan.so ] || skip "gcc has no shared runtime"
  # AddressSanitizer wants to be first, and says so; put first, it has its way.
  preloaded "$tmp/a" >"$tmp/out" 2>"$tmp/err" && fail "it ran: this test is out of date"
  grep -q 'ASan runtime does not come first' "$tmp/err" || { cat "$tmp/err"; fail "another end than AddressSanitizer's own"; }
  expect_equal "output" "$(env LD_PRELOAD="$runtime $HAK_TEST_PRELOAD" "$tmp/a")" "sanitized"
}

run_tests "$@"
