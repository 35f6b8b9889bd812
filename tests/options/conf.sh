#!/bin/sh
# conf.sh - the configuration file: what it sets, for whom, and that nothing in it stops a program.
#
# The file is put into a copy of its folder on a tmpfs in a mount namespace of its own, never into the machine's.
. "$(dirname "$0")/../lib.sh"
need_preload

conf=${HAK_TEST_CONF:-/etc/hakmem.conf}
folder=$(dirname "$conf")
if [ ! -d "$folder" ]; then
  echo "SKIP: there is no folder $folder on this machine to put a file system over"
  exit 77
fi
if [ "$(id -u)" = 0 ]; then in_namespace="unshare -m"; else in_namespace="unshare -U -r -m"; fi
if ! $in_namespace true 2>/dev/null; then
  echo "SKIP: no private mounts here"
  exit 77
fi

# with_conf COMMAND [ARGUMENT...]: runs a shell command where $tmp/conf, if it is there, is the configuration file. In it,
# $conf, $tmp and $preload are known.
with_conf() {
  command=$1
  shift
  conf=$conf tmp=$tmp preload=$HAK_TEST_PRELOAD command=$command $in_namespace sh -ec '
    folder=$(dirname "$conf")
    mkdir -p "$tmp/folder"
    mount -t tmpfs -o mode=755 none "$tmp/folder"
    cp -a "$folder/." "$tmp/folder/"
    mount --bind "$tmp/folder" "$folder"
    rm -rf "$conf"
    if [ -e "$tmp/conf" ]; then cp "$tmp/conf" "$conf"; chmod 644 "$conf"; fi
    eval "$command"' sh "$@"
}
helper=$(program hazards/secure_helper) || exit 1
run='LD_PRELOAD=$preload "$@"'
# option NAME: its value in force in the statistics in $tmp/log.
option() { tr -d '\n' <"$tmp/log" | sed -n 's/.*"options":{.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
report='HAKMEM_STATS=json HAKMEM_LOG_FILE=$tmp/log LD_PRELOAD=$preload'

test_it_sets_options() {
  printf '# all\r\nWHALE_SLOTS=3\r\n HAKMEM_THP = never \n' >"$tmp/conf"
  with_conf "$report "'"$@"' "$helper" >"$tmp/out" 2>"$tmp/err"
  expect_equal "standard error" "$(cat "$tmp/err")" ""
  expect_equal WHALE_SLOTS "$(option WHALE_SLOTS)" 3
  expect_equal THP "$(option THP)" never
  expect_equal BIGCACHE "$(option BIGCACHE)" 1
  with_conf "HAKMEM_THP=inherit $report "'"$@"' "$helper" >"$tmp/out"
  expect_equal "THP, which the environment sets too" "$(option THP)" inherit
  expect_equal WHALE_SLOTS "$(option WHALE_SLOTS)" 3
}

test_sections() {
  need_machine
  cat >"$tmp/conf" <<END
WHALE_SLOTS=1
[program: secure_helper]
WHALE_SLOTS=2
[program: ${helper%/*}/secure_*]
BATCH_MIN_SIZE=128K
[program: other $helper-not]
WHALE_SLOTS=4
[program: script]
PURGE_DELAY_MS=9
[program: perl]
SUPERSLAB_MAX_CACHED=8
END
  with_conf "$report "'"$@"' "$helper" >"$tmp/out" 2>"$tmp/err"
  expect_equal "standard error" "$(cat "$tmp/err")" ""
  expect_equal "WHALE_SLOTS by name" "$(option WHALE_SLOTS)" 2
  expect_equal "BATCH_MIN_SIZE by path" "$(option BATCH_MIN_SIZE)" 128K
  # A script is known by its own name and by its interpreter's.
  need perl
  printf '#!%s -w\nmy @a = (1 .. 9);\n' "$(command -v perl)" >"$tmp/script"
  chmod +x "$tmp/script"
  with_conf "$report "'"$@"' "$tmp/script"
  expect_equal "WHALE_SLOTS of a script" "$(option WHALE_SLOTS)" 1
  expect_equal "PURGE_DELAY_MS of a script" "$(option PURGE_DELAY_MS)" 9
  expect_equal "SUPERSLAB_MAX_CACHED of its interpreter" "$(option SUPERSLAB_MAX_CACHED)" 8
  with_conf "$report "'"$@"' perl -e 'my @a = (1 .. 9)' script
  expect_equal "PURGE_DELAY_MS of perl" "$(option PURGE_DELAY_MS)" 25
  expect_equal "SUPERSLAB_MAX_CACHED of perl" "$(option SUPERSLAB_MAX_CACHED)" 8
}

test_exclude() {
  echo 'exclude = firefox secure_*' >"$tmp/conf"
  with_conf "$run" "$helper" >"$tmp/out"
  expect_equal "an excluded program" "$(cat "$tmp/out")" "secure=0 ours=0"
  with_conf "HAKMEM_FORCE_LIBC_ALLOC=0 $run" "$helper" >"$tmp/out"
  expect_equal "one that the environment takes back" "$(cat "$tmp/out")" "secure=0 ours=1"
  echo 'exclude = firefox' >"$tmp/conf"
  with_conf "$run" "$helper" >"$tmp/out"
  expect_equal "another program" "$(cat "$tmp/out")" "secure=0 ours=1"
}

test_the_library_reads_it_too() {
  bench=$HAK_TEST_BUILDDIR/bench/bench_random_mixed_hakmem
  [ -x "$bench" ] || skip "the benchmarks are not built"
  echo 'WHALE_SLOTS=3' >"$tmp/conf"
  with_conf 'HAKMEM_STATS=json HAKMEM_LOG_FILE=$tmp/log "$@"' "$bench" 2000 200 5 >"$tmp/out" 2>&1
  expect_equal WHALE_SLOTS "$(option WHALE_SLOTS)" 3
}

test_no_file_is_one_call() {
  need_no_emulator "system calls are its own"
  need strace
  strace true >/dev/null 2>&1 || skip "strace does not work here"
  with_conf 'strace -f -o "$tmp/trace" -E LD_PRELOAD="$preload" "$@"' "$helper" >"$tmp/out"
  expect_equal "output" "$(cat "$tmp/out")" "secure=0 ours=1"
  expect_equal "calls with the file" "$(grep -c "hakmem.conf" "$tmp/trace")" 1
  grep -q 'openat(.*hakmem.conf.*ENOENT' "$tmp/trace" || fail "$(grep hakmem.conf "$tmp/trace")"
  # An empty one adds six calls; that the addresses of mappings are others then may add a few.
  : >"$tmp/conf"
  with_conf 'strace -f -o "$tmp/trace2" -E LD_PRELOAD="$preload" "$@"' "$helper" >"$tmp/out"
  expect "$(wc -l <"$tmp/trace2")" -le $(($(wc -l <"$tmp/trace") + 12)) "system calls"
  expect_equal "files opened" "$(grep -c 'openat(' "$tmp/trace2")" "$(grep -c 'openat(' "$tmp/trace")"
}

# survives WHAT LINE COMMAND...: the program runs as ever, and prints that one line.
survives() {
  what=$1 line=$2 prepare=$3
  with_conf "$prepare; timeout 20 env LD_PRELOAD=\"\$preload\" "'"$@"' "$helper" >"$tmp/out" 2>"$tmp/err" ||
    fail "$what: status $?: $(cat "$tmp/err")"
  expect_equal "$what: output" "$(cat "$tmp/out")" "secure=0 ours=1"
  expect_equal "$what: standard error" "$(sed "s/^hakmem: secure_helper\[[0-9]*\]: //; s|$conf|FILE|" "$tmp/err")" "$line"
}

test_bad_files() {
  [ "$(id -u)" != 0 ] || fits_the_machine || skip "the machine's programs are of another architecture"
  survives binary "FILE: is not a text file; it is ignored" 'cp "$preload" "$conf"; truncate -s 5000 "$conf"'
  survives huge "FILE: has more than 64 KiB; it is ignored" 'yes "#a comment" | head -c 10000000 >"$conf"'
  survives folder "FILE: is not a regular file; it is ignored" 'mkdir "$conf"'
  survives pipe "FILE: is not a regular file; it is ignored" 'mkfifo "$conf"'
  survives device "FILE: is not a regular file; it is ignored" 'ln -s /dev/zero "$conf"'
  survives "a link to itself" "FILE: cannot be opened; it is ignored" 'ln -s "$conf" "$conf"'
  survives "a link to nothing" "" 'ln -s nowhere "$conf"'
  survives malformed "FILE:1: neither NAME=VALUE nor a section nor a comment; it is ignored" 'echo hello >"$conf"'
  survives several "FILE:2: HAKMEM_WHALE=maybe: not accepted (accepted: 0, 1); 1 is used instead (hakmemctl check names 2 more)" \
    'printf "THP=never\nWHALE=maybe\nX=1\n[program\n" >"$conf"'
  survives "another program's" "" 'printf "[program: other]\nWHALE=maybe\nX=1\n" >"$conf"'
  survives random "FILE: is not a text file; it is ignored" 'head -c 60000 /dev/urandom >"$conf"'
  survives quiet "" 'printf "DEBUG_LEVEL=0\nWHALE=maybe\n" >"$conf"'
}

# A file that may not be opened is no reason to say something: it may be a sandbox that forbids it. hakmemctl tells.
test_unreadable() {
  need_root
  need setpriv
  echo 'WHALE_SLOTS=3' >"$tmp/conf"
  chmod 755 "$work" "$tmp"
  cp "$HAK_TEST_PRELOAD" "$tmp/preload.so"
  cp "$helper" "$tmp/helper"
  chmod 755 "$tmp/preload.so" "$tmp/helper"
  for level in 1 2; do
    with_conf 'chmod 600 "$conf"; setpriv --reuid=65534 --regid=65534 --clear-groups \
      env LD_PRELOAD="$tmp/preload.so" HAKMEM_DEBUG_LEVEL='$level' "$tmp/helper"' >"$tmp/out" 2>"$tmp/err.$level"
    expect_equal output "$(cat "$tmp/out")" "secure=0 ours=1"
  done
  expect_equal "standard error" "$(cat "$tmp/err.1")" ""
  grep -q "$conf: cannot be opened; it is ignored" "$tmp/err.2" || fail "nothing at level 2 either: $(cat "$tmp/err.2")"

  : "${HAK_TEST_TOOL:=$HAK_TEST_BUILDDIR/tools/hakmemctl}"
  cp "$HAK_TEST_TOOL" "$tmp/tool"
  status=0
  with_conf 'chmod 600 "$conf"; "$tmp/tool" check' >"$tmp/out" || status=$?
  expect_equal "check, of root" "$status $(cat "$tmp/out")" "1 $conf: may not be read by all; programs of other users ignore it"
  with_conf '"$tmp/tool" check' >"$tmp/out" || fail "check finds fault with a good file: $(cat "$tmp/out")"
  status=0
  with_conf 'chmod 646 "$conf"; "$tmp/tool" check' >"$tmp/out" || status=$?
  expect_equal "check, when others may write" "$status $(cat "$tmp/out")" \
    "1 $conf: may be written by others than root; setuid programs ignore it"
}

# A setuid program as an ordinary user: it has the interposer by /etc/ld.so.preload, here by a file system over /etc.
secure() {
  with_conf "$1"'
    chmod 755 "$tmp/.." "$tmp"
    mkdir -p "$tmp/suid"
    mount -t tmpfs -o suid,exec,mode=755 none "$tmp/suid"
    cp "$preload" "$tmp/suid/preload.so"
    chmod 755 "$tmp/suid/preload.so"
    install -m 4755 "$1" "$tmp/suid/helper"
    if [ "$folder" != /etc ]; then
      mkdir -p "$tmp/etc"
      mount -t tmpfs -o mode=755 none "$tmp/etc"
      cp -a /etc/. "$tmp/etc/"
      mount --bind "$tmp/etc" /etc
    fi
    echo "$tmp/suid/preload.so" >/etc/ld.so.preload
    setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/suid/helper"' "$helper" >"$tmp/out" 2>"$tmp/all"
  ! grep -q secure=0 "$tmp/out" || skip "the setuid bit has no effect here"
  # Other programs say what they find wrong, a secure one nothing.
  grep 'helper\[' "$tmp/all" >"$tmp/err" || true
}
test_secure_processes() {
  need_root
  need setpriv install
  secure 'echo "exclude = helper" >"$conf"; chmod 644 "$conf";'
  expect_equal "a file of root's" "$(cat "$tmp/out" "$tmp/err")" "secure=1 ours=0"
  secure 'echo "exclude = helper" >"$conf"; chmod 664 "$conf";'
  expect_equal "one that the group may write" "$(cat "$tmp/out" "$tmp/err")" "secure=1 ours=1"
  secure 'echo "exclude = helper" >"$conf"; chmod 646 "$conf";'
  expect_equal "one that all may write" "$(cat "$tmp/out" "$tmp/err")" "secure=1 ours=1"
  secure 'echo "exclude = helper" >"$conf"; chmod 644 "$conf"; chown 65534 "$conf";'
  expect_equal "one of another user's" "$(cat "$tmp/out" "$tmp/err")" "secure=1 ours=1"
  secure 'printf "hello\nWHALE=x\nSTATS=1\nDEBUG_LEVEL=3\n" >"$conf";'
  expect_equal "a bad one" "$(cat "$tmp/out" "$tmp/err")" "secure=1 ours=1"
  secure 'printf "STATS=1\nLOG_FILE=%s\nSTATS_DIR=%s\nFREE_ROUTE_TRACE=1\n" \
    "$tmp/log" "$tmp" >"$conf";'
  expect_equal "one that asks for reports" "$(cat "$tmp/out" "$tmp/err")" "secure=1 ours=1"
}

# The programs that start a machine run before the folder is made; the one that sets it for itself wants to know.
test_a_folder_for_figures_that_is_not_there_yet() {
  echo "STATS_DIR=$tmp/later" >"$tmp/conf"
  with_conf "$run" "$helper" >"$tmp/out" 2>"$tmp/err"
  expect_equal "standard error" "$(cat "$tmp/err")" ""
  expect_equal "output" "$(cat "$tmp/out")" "secure=0 ours=1"
  with_conf "HAKMEM_STATS_DIR=\$tmp/later $run" "$helper" >"$tmp/out" 2>"$tmp/err"
  expect_equal "lines" "$(grep -c 'no figures are published' "$tmp/err")" 1
  mkdir -m 1777 "$tmp/later"
  with_conf "$run" "$helper" >"$tmp/out" 2>"$tmp/err"
  expect_equal "files" "$(ls "$tmp/later")" "hakmem-figures.$(id -u)"
}

test_the_file_that_is_shipped() {
  with_conf "cp '$source_dir/../../hakmem.conf' \"\$conf\"; cp \"\$2\" \"\$tmp/firefox-esr\"
    LD_PRELOAD=\$preload \"\$1\"; LD_PRELOAD=\$preload \"\$tmp/firefox-esr\"" "$helper" "$helper" >"$tmp/out" 2>"$tmp/err"
  expect_equal "output" "$(cat "$tmp/out" "$tmp/err" | tr '\n' ' ')" "secure=0 ours=1 secure=0 ours=0 "
}

run_tests "$@"
