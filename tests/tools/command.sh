#!/bin/sh
# command.sh - hakmemctl's command line: help, mistakes, "run" and "compare".
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

test_help_names_every_command() {
  "$tool" --help >"$tmp/help"
  for command in run compare profile enable disable status ps stat options check help; do
    grep -q "^  $command " "$tmp/help" || fail "--help does not name $command"
    "$tool" help "$command" >"$tmp/text"
    grep -q "^Usage: hakmemctl $command" "$tmp/text" || fail "help $command has no usage"
    "$tool" "$command" --help | cmp - "$tmp/text" || fail "$command --help is not help $command"
  done
  # Shell completion knows what the tool knows.
  sed -n 's/^  \([a-z]*\) .*/\1/p' "$tmp/help" | while read -r command; do
    grep -qw "$command" "$HAK_TEST_SRCDIR/tools/hakmemctl.bash" || fail "the completion does not know $command"
  done
}

test_version() {
  "$tool" --version | grep -q '^hakmemctl (libhakmem) [0-9]' || fail "no version"
}

test_mistakes_have_status_2() {
  refused 2 "no command given" "$tool"
  refused 2 "unknown command 'nonsense'" "$tool" nonsense
  refused 2 "unknown option '--nonsense'" "$tool" --nonsense
  refused 2 "unknown command 'nonsense'" "$tool" help nonsense
  for command in run compare profile enable disable status ps stat options check help; do
    refused 2 "$command: unknown option '--nonsense'" "$tool" "$command" --nonsense
    refused 2 "$command: unknown option '-Z'" "$tool" "$command" -Z
    grep -q "^Usage: hakmemctl $command" "$tmp/err" || fail "no usage line"
  done
  for command in ps options; do refused 2 "unexpected argument 'more'" "$tool" "$command" more; done
  refused 2 "unexpected argument 'more'" "$tool" check file more
  refused 2 "unexpected argument 'more'" "$tool" stat 1 more
  refused 2 "which process?" "$tool" stat
  for number in 0 -- x 1x 99999999999; do refused 2 "stat" "$tool" stat "$number"; done
  for command in enable disable status; do
    refused 2 "unexpected argument 'more'" "$tool" "$command" more
    refused 2 "option '--root' needs a value" "$tool" "$command" --root
  done
  refused 2 "option '--json' takes no value" "$tool" status --json=yes
  refused 2 "no program given" "$tool" run
  refused 2 "no program given" "$tool" compare -n 3
  refused 2 "'STATS' is not NAME=VALUE" "$tool" run -o STATS true
  refused 2 "'st ats=1' is not NAME=VALUE" "$tool" run -o 'st ats=1' true
  refused 2 "'x' is no number of runs" "$tool" compare -n x true
  refused 2 "'0' is no number of runs" "$tool" compare -n 0 true
  refused 2 "'other' is not NAME=LIBRARY" "$tool" compare --with other true
  for time in 0 30 min 5x 1h30 99d -5s 99999999999999999999s; do
    refused 2 "'$time' is no time" "$tool" enable --for "$time"
  done
  refused 2 "'/usr/lib/other.so' is not an absolute path of a file libhakmem-preload.so" \
    "$tool" enable --library /usr/lib/other.so
  refused 2 "is not an absolute path" "$tool" enable --library libhakmem-preload.so
}

test_output_that_cannot_be_written() {
  [ -e /dev/full ] || skip "no /dev/full"
  status=0
  "$tool" --help >/dev/full 2>"$tmp/err" || status=$?
  expect_equal "status" "$status" 1
  grep -q 'cannot write to standard output' "$tmp/err"
}

test_is_static() {
  [ -z "$HAK_TEST_SANITIZER" ] || skip "not with a sanitizer"
  grep -q '^STATIC_LDFLAGS = *$' "$HAK_TEST_BUILDDIR/Makefile" && skip "configure found no static C library"
  printf 'no library\n' >"$tmp/broken.so"
  LD_PRELOAD="$tmp/broken.so" "$tool" --version 2>"$tmp/err" >"$tmp/out"
  [ ! -s "$tmp/err" ] || fail "the dynamic loader has a say: $(cat "$tmp/err")"
}

test_run() {
  need_machine_preload
  "$tool" run -l "$HAK_TEST_PRELOAD" -o STATS=1 -o HAKMEM_LOG_FILE="$tmp/log" -- sh -c 'exec sort "$1"' sh /etc/passwd \
    >"$tmp/sorted"
  grep -q '^hakmem: statistics of sort' "$tmp/log" || fail "no report of sort"
  LC_ALL=C sort /etc/passwd | cmp - "$tmp/sorted" || fail "another output"
  status=0
  "$tool" run -l "$HAK_TEST_PRELOAD" sh -c 'exit 5' || status=$?
  expect_equal "status of the program" "$status" 5
}

test_run_keeps_what_is_preloaded() {
  need_machine_preload
  first=$(LD_PRELOAD=/other.so "$tool" run -l "$HAK_TEST_PRELOAD" env 2>/dev/null | sed -n 's/^LD_PRELOAD=//p')
  expect_equal "LD_PRELOAD" "$first" "$(realpath "$HAK_TEST_PRELOAD"):/other.so"
}

test_run_that_cannot() {
  need_machine_preload
  refused 127 "cannot run $tmp/none: No such file" "$tool" run -l "$HAK_TEST_PRELOAD" "$tmp/none"
  : >"$tmp/text"
  refused 126 "cannot run $tmp/text: Permission denied" "$tool" run -l "$HAK_TEST_PRELOAD" "$tmp/text"
  refused 1 "the library $tmp/none.so is missing" "$tool" run -l "$tmp/none.so" true
  refused 1 "is empty" "$tool" run -l "$tmp/text" true
  echo text >"$tmp/text"
  refused 1 "is no ELF file" "$tool" run -l "$tmp/text" true
  head -c 20000 "$HAK_TEST_PRELOAD" >"$tmp/part.so"
  refused 1 "is truncated" "$tool" run -l "$tmp/part.so" true
  refused 1 "is not a file" "$tool" run -l "$tmp" true
}

test_run_tells_what_is_not_affected() {
  need_machine_preload
  [ -z "$HAK_TEST_SANITIZER" ] || skip "not with a sanitizer"
  grep -q '^STATIC_LDFLAGS = *$' "$HAK_TEST_BUILDDIR/Makefile" && skip "configure found no static C library"
  refused 0 "is statically linked: it loads no library" "$tool" run -l "$HAK_TEST_PRELOAD" "$tool" --version
}

# The machine's programs under the interposer; none is in a build with a sanitizer.
need_machine_preload() {
  [ -z "$HAK_TEST_SANITIZER" ] || skip "no interposer in a build with the sanitizer $HAK_TEST_SANITIZER"
  need_machine
}

# number ALLOCATOR KIND WHAT: from the JSON of compare.
number() {
  sed -n 's/.*"name": "'"$1"'".*"'"$2"'": {[^}]*"'"$3"'": \([^,}]*\).*/\1/p' "$tmp/json"
}

# Ten times the memory is more on whatever machine, however loaded.
test_compare_sees_what_differs() {
  need_machine_preload
  object "$tmp/waster.so" '#include <string.h>
    #include <stdlib.h>
    __attribute__((constructor)) static void waste(void) { volatile char *b = malloc(30 << 20);
      for (long i = 0; i < 30 << 20; i += 1000) b[i] = 1; }'
  "$tool" compare --json -n 5 -l "$HAK_TEST_PRELOAD" --with waster="$tmp/waster.so" -- /bin/true >"$tmp/json" 2>"$tmp/err"
  cat "$tmp/json" "$tmp/err"
  expect_equal "verdict on memory" "$(number waster peak_kib verdict)" '"more"'
  expect_equal "verdict on page faults" "$(number waster page_faults verdict)" '"more"'
  median=$(number waster peak_kib median)
  expect "${median%.*}" -gt 30000 "the peak of the waster"
  grep -q '"agree": true' "$tmp/json" || fail "the runs agree"
  grep -q 'run 5 of 5' "$tmp/err" || fail "no progress"
  ! command -v python3 >/dev/null || python3 -m json.tool <"$tmp/json" >/dev/null || fail "that is no JSON"
  "$tool" compare -n 5 -l "$HAK_TEST_PRELOAD" --with waster="$tmp/waster.so" -- /bin/true >"$tmp/text" 2>/dev/null
  grep 'waster' "$tmp/text" | grep -q 'more$' || fail "the table has no verdict"
}

test_compare_needs_runs_for_a_verdict() {
  need_machine_preload
  "$tool" compare --json -n 4 -l "$HAK_TEST_PRELOAD" /bin/true >"$tmp/json" 2>/dev/null
  expect_equal "verdict of four runs" "$(number hakmem peak_kib verdict)" '"too few runs"'
}

test_compare_wants_agreement() {
  need_machine_preload
  refused 1 "on hakmem the program ended with status 3; in the first run, on libc, with status 0" \
    "$tool" compare -n 1 -l "$HAK_TEST_PRELOAD" sh -c 'case $LD_PRELOAD in *hakmem*) exit 3 ;; esac'
  grep -q 'DO NOT AGREE' "$tmp/out" || fail "the table does not say it"
  refused 1 "on hakmem the program ended with signal 9" \
    "$tool" compare -n 1 -l "$HAK_TEST_PRELOAD" sh -c 'case $LD_PRELOAD in *hakmem*) kill -9 $$ ;; esac'
  refused 1 "on hakmem the program had another output" \
    "$tool" compare -n 1 --output -l "$HAK_TEST_PRELOAD" sh -c 'echo "$LD_PRELOAD"'
  # What is not asked for does not count.
  "$tool" compare -n 1 -l "$HAK_TEST_PRELOAD" sh -c 'echo "$LD_PRELOAD"' >"$tmp/out"
  "$tool" compare -n 1 --output -l "$HAK_TEST_PRELOAD" sh -c 'echo the same' >"$tmp/out"
  refused 1 "cannot run $tmp/none: No such file" "$tool" compare -l "$HAK_TEST_PRELOAD" "$tmp/none"
  refused 1 "the library $tmp/none.so is missing" "$tool" compare -l "$HAK_TEST_PRELOAD" --with a="$tmp/none.so" true
}

# Each run reads all of standard input when that is a file.
test_compare_gives_each_run_the_input() {
  need_machine_preload
  printf 'one\ntwo\n' >"$tmp/input"
  "$tool" compare -n 2 --output -l "$HAK_TEST_PRELOAD" sh -c 'test "$(wc -l)" = 2' <"$tmp/input" >"$tmp/out"
  { read -r first; "$tool" compare -n 1 -l "$HAK_TEST_PRELOAD" sh -c 'test "$(cat)" = two'; } <"$tmp/input" >"$tmp/out"
  : "$first"
}

# Where everything is on libhakmem already, the C library's figures are its own all the same.
test_compare_on_libhakmem_itself() {
  need_machine_preload
  LD_PRELOAD="$HAK_TEST_PRELOAD" "$tool" compare -n 1 --output -l "$HAK_TEST_PRELOAD" \
    sh -c 'echo "$HAKMEM_FORCE_LIBC_ALLOC" >>"$0"' "$tmp/values" >"$tmp/out" 2>"$tmp/err"
  grep -q 'loaded into this program already' "$tmp/err" || fail "no word about it"
  expect_equal "values" "$(tr '\n' ' ' <"$tmp/values")" "1  1  "
}

run_tests "$@"
