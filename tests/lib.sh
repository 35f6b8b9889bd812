# lib.sh - what the shell tests share. Sourced, not run.
#
# A test is a function test_NAME; run_tests at the end of a script runs them all, each in
# a subshell of its own with `set -e`, and exits 0, 1 or (all skipped) 77. The scripts run
# in the top of the build tree, or anywhere with these in the environment (make check sets them):
#
#   HAK_TEST_PRELOAD    the interposer                     HAK_TEST_LIBRARY  libhakmem.so.0
#   HAK_TEST_BUILDDIR   the folder that holds tests/ with the built programs
#   HAK_TEST_SANITIZER  the sanitizer that the build has, empty for none
#   HAK_TEST_CC         a compiler with its flags

LC_ALL=C
export LC_ALL
for variable in $(env | sed -n 's/^\(HAKMEM_[A-Z0-9_]*\)=.*/\1/p'); do unset "$variable"; done
unset LD_PRELOAD MALLOC_CHECK_ MALLOC_PERTURB_ GLIBC_TUNABLES

source_dir=$(cd "$(dirname "$0")" && pwd)
: "${HAK_TEST_BUILDDIR:=$PWD}"
: "${HAK_TEST_PRELOAD=$HAK_TEST_BUILDDIR/src/libhakmem-preload.so}"   # empty: the build has none
: "${HAK_TEST_LIBRARY:=$HAK_TEST_BUILDDIR/src/.libs/libhakmem.so.0}"
: "${HAK_TEST_SANITIZER:=}"
: "${HAK_TEST_CC:=cc}"
script_name=$(basename "$0" .sh)

work=$(mktemp -d "${TMPDIR:-/tmp}/hakmem-$script_name.XXXXXX") || exit 99
trap 'chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 129' HUP INT TERM

# Ends the running test: as not run, or as failed.
skip() { echo "SKIP: $*"; exit 77; }
fail() { echo "FAIL: $*"; exit 1; }

# Ends the running test as not run unless all the commands exist.
need() {
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || skip "$command is not installed"
  done
}
need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }

# The whole script needs the interposer; builds with a sanitizer, and for other C libraries than glibc, have none.
need_preload() {
  if [ -n "$HAK_TEST_SANITIZER" ]; then
    echo "SKIP: no interposer in a build with the sanitizer $HAK_TEST_SANITIZER"
    exit 77
  fi
  if [ -z "$HAK_TEST_PRELOAD" ]; then
    echo "SKIP: this build has no interposer"
    exit 77
  fi
  if [ ! -e "$HAK_TEST_PRELOAD" ]; then
    echo "no interposer at $HAK_TEST_PRELOAD (set HAK_TEST_PRELOAD)"
    exit 99
  fi
}

# The machine's programs must be of the interposer's architecture: a 32-bit one on a 64-bit machine is tested with our
# own programs only.
fits_the_machine() { [ -z "$(LD_PRELOAD="$HAK_TEST_PRELOAD" /bin/true 2>&1)" ]; }
need_machine() { fits_the_machine || skip "the machine's programs are of another architecture"; }

# The test programs run under an emulator of another machine (tests/foreign), and so what is asked of the kernel, or
# counted by it, is the emulator's.
emulated() { "$(program hazards/emulated)"; }
need_no_emulator() { ! emulated || skip "under an emulator: $1"; }

# program NAME: the path of a test program, which must exist.
program() {
  [ -x "$HAK_TEST_BUILDDIR/tests/$1" ] || { echo "FAIL: $HAK_TEST_BUILDDIR/tests/$1 was not built" >&2; exit 1; }
  echo "$HAK_TEST_BUILDDIR/tests/$1"
}
# module NAME: the path of a shared object that the tests load (built by libtool).
module() {
  directory=$HAK_TEST_BUILDDIR/tests/$(dirname "$1")
  for candidate in "$directory/.libs/$(basename "$1").so" "$directory/$(basename "$1").so"; do
    [ ! -e "$candidate" ] || { echo "$candidate"; return; }
  done
  echo "FAIL: $directory/$(basename "$1").so was not built" >&2
  exit 1
}

# Runs a command, [NAME=VALUE...] [timeout N] [prlimit --X=N] COMMAND [ARGUMENT...], under the interposer. Neither
# timeout nor prlimit is under it, nor has its limits: they may be of another architecture.
preloaded() {
  preloaded_count=0 preloaded_prefix=
  for preloaded_word in "$@"; do
    case $preloaded_word in
      *=*) preloaded_prefix="$preloaded_prefix $preloaded_word" preloaded_count=$((preloaded_count + 1)) ;;
      *) break ;;
    esac
  done
  shift "$preloaded_count"
  preloaded_before=
  while [ "$1" = timeout ] || [ "$1" = prlimit ]; do
    preloaded_before="$preloaded_before $1 $2"
    shift 2
  done
  $preloaded_before env LD_PRELOAD="$HAK_TEST_PRELOAD" $preloaded_prefix "$@"
}

# json_number KEY FILE: the number of a key of the statistics; fails if it is not there.
json_number() {
  value=$(tr -d ' \n\t' <"$2" | sed -n 's/.*"'"$1"'":\([0-9][0-9]*\).*/\1/p')
  [ -n "$value" ] || { echo "FAIL: no $1 in the statistics: $(cat "$2")" >&2; return 1; }
  echo "$value"
}
# json_tier TIER KEY FILE: the same, of "tiers": {TIER: {KEY: ...}}.
json_tier() {
  value=$(tr -d ' \n\t' <"$3" | sed -n 's/.*"tiers":{\(.*\)/\1/p' |
    sed -n 's/.*"'"$1"'":{\([^}]*\)}.*/\1/p' | sed -n 's/.*"'"$2"'":\([0-9][0-9]*\).*/\1/p')
  [ -n "$value" ] || { echo "FAIL: no $1.$2 in the statistics: $(cat "$3")" >&2; return 1; }
  echo "$value"
}
# statistics FILE [NAME=VALUE...] COMMAND...: runs it preloaded, with the JSON report written to FILE.
statistics() {
  statistics_file=$1
  shift
  rm -f "$statistics_file"
  preloaded HAKMEM_STATS=json HAKMEM_LOG_FILE="$statistics_file" "$@" || return $?
  [ -s "$statistics_file" ] || fail "no statistics were written by: $*"
}

# expect_equal WHAT GOT WANTED, and numbers: expect NUMBER OPERATOR NUMBER WHAT
expect_equal() { [ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"; }
expect() { [ "$1" "$2" "$3" ] || fail "$4: $1 $2 $3 is false"; }

# Runs all test_* functions of the script (or those named on its command line).
run_tests() {
  failed=0 skipped=0 passed=0
  [ $# -gt 0 ] || set -- $(sed -n 's/^\(test_[a-z0-9_]*\)() *{.*/\1/p' "$0")
  for test in "$@"; do
    mkdir -p "$work/$test"
    # Not in a condition: there the shell would ignore set -e.
    (set -e; cd_back=$PWD; tmp=$work/$test; "$test"; cd "$cd_back") >"$work/output" 2>&1
    status=$?
    case $status in
      0) passed=$((passed + 1)); echo "ok $test" ;;
      77) skipped=$((skipped + 1)); echo "skip $test: $(sed -n 's/^SKIP: //p' "$work/output" | tail -n 1)" ;;
      *) failed=$((failed + 1)); echo "not ok $test (status $status)"; sed 's/^/  /' "$work/output" ;;
    esac
  done
  echo "$script_name: $passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] || exit 1
  [ "$passed" != 0 ] || exit 77
  exit 0
}
