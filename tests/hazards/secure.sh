#!/bin/sh
# secure.sh - setuid programs under /etc/ld.so.preload: used, but deaf to the environment.
#
# The file is written to a copy of /etc on a tmpfs in a mount namespace of its own, never to the machine's.
. "$(dirname "$0")/../lib.sh"
need_preload

# in_copied_etc COMMAND: runs it with the interposer in /etc/ld.so.preload, and a folder $tmp/suid where the
# setuid bit counts and which everybody can read.
in_copied_etc() {
  unshare -m sh -ec '
    tmp=$1 preload=$2 helper=$3 command=$4
    mkdir -p "$tmp/etc" "$tmp/suid"
    mount -t tmpfs -o mode=755 none "$tmp/etc"
    cp -a /etc/. "$tmp/etc/"
    mount -t tmpfs -o suid,exec,mode=755 none "$tmp/suid"
    chmod 755 "$tmp/.." "$tmp"
    cp "$preload" "$tmp/suid/preload.so"
    chmod 755 "$tmp/suid/preload.so"
    install -m 4755 "$helper" "$tmp/suid/setuid_helper"
    install -m 755 "$helper" "$tmp/suid/plain_helper"
    mkdir "$tmp/suid/logs"
    chmod 777 "$tmp/suid/logs"
    mount --bind "$tmp/etc" /etc
    echo "$tmp/suid/preload.so" >/etc/ld.so.preload
    cd "$tmp/suid"
    eval "$command"
  ' sh "$tmp" "$HAK_TEST_PRELOAD" "$(program hazards/secure_helper)" "$1"
}

as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups env HAKMEM_STATS=json HAKMEM_FREE_ROUTE_TRACE=1 \
HAKMEM_NO_SUCH_OPTION=1 HAKMEM_WHALE=neither HAKMEM_LOG_FILE=\$PWD/logs/log HAKMEM_FORCE_LIBC_ALLOC=1"

needs() {
  need_root
  need unshare mount setpriv install
  unshare -m true 2>/dev/null || skip "no private mounts here"
}

test_setuid_program_is_deaf() {
  needs
  before=$(cat /etc/ld.so.preload 2>/dev/null || echo none)
  in_copied_etc "$as_nobody ./setuid_helper; ls logs" >"$tmp/out" 2>"$tmp/err"
  expect_equal "/etc/ld.so.preload of the machine" "$(cat /etc/ld.so.preload 2>/dev/null || echo none)" "$before"
  ! grep -q secure=0 "$tmp/out" || skip "the setuid bit has no effect here"
  # The library is there, took no option (FORCE_LIBC_ALLOC would say ours=0), opened and printed nothing.
  expect_equal "output" "$(cat "$tmp/out")" "secure=1 ours=1"
  ! grep 'setuid_helper' "$tmp/err" || fail "something was printed"
}

test_plain_program_listens() {
  needs
  in_copied_etc "$as_nobody ./plain_helper; ls logs" >"$tmp/out" 2>"$tmp/err"
  expect_equal "output" "$(cat "$tmp/out" | tr '\n' ' ')" "secure=0 ours=0 log "
  grep 'HAKMEM_NO_SUCH_OPTION' "$tmp/err" || fail "the unknown name was not named"
  grep 'HAKMEM_WHALE' "$tmp/err" || fail "the bad value was not named"
}

test_su_and_shell_under_ld_so_preload() {
  need_machine
  needs
  need su
  in_copied_etc 'su -s /bin/sh nobody -c "echo shell of \$(id -un)"; sh -c "ls / | sort | head -n 3"; true' \
    >"$tmp/out" 2>"$tmp/err"
  grep '^shell of nobody' "$tmp/out"
}

run_tests "$@"
