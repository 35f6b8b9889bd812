#!/bin/sh
# trouble.sh - whatever goes wrong while /etc/ld.so.preload is changed: the old file stays, and the reason is said.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
need_preload
fits_the_machine || { echo "SKIP: the machine's programs are of another architecture than the interposer"; exit 77; }
in_namespace "$@"

old='# as it was\n/opt/other.so\n'
with_old_file() {
  make_root
  # shellcheck disable=SC2059
  printf "$old" >"$preload"
  cp "$preload" "$tmp/before"
}
unchanged() {
  cmp "$preload" "$tmp/before" || fail "the old file is not as it was"
  [ -z "$(ls -A "$root/etc" | grep -v '^passwd$\|^ld.so.preload$')" ] || fail "left in etc: $(ls -A "$root/etc")"
}

test_symbolic_links() {
  make_root
  printf '%s\n' "$library" >"$root/opt/list"
  ln -s /opt/list "$preload"
  refused 1 "/etc/ld.so.preload is a symbolic link: refused" enable
  refused 1 "/etc/ld.so.preload is a symbolic link: refused" disable
  refused 1 "/etc/ld.so.preload is a symbolic link: refused" "$tool" status --root "$root"
  [ -L "$preload" ] && [ "$(cat "$root/opt/list")" = "$library" ] || fail "something was written"
  rm "$preload"
  mkdir "$preload"
  refused 1 "/etc/ld.so.preload is not a file" enable
  rmdir "$preload"
  mv "$root/etc" "$root/opt/etc"
  ln -s opt/etc "$root/etc"
  refused 1 "/etc: is a symbolic link" enable
  refused 1 "No such file or directory" "$tool" disable --root "$tmp/nowhere"
}

test_a_file_that_is_no_list() {
  make_root
  head -c 2000000 /dev/zero >"$preload"
  refused 1 "is longer than 1 MiB" enable
  expect_equal "its size" "$(stat -c %s "$preload")" 2000000
}

test_read_only_etc() {
  with_old_file
  mount --bind "$root/etc" "$root/etc"
  mount -o remount,bind,ro "$root/etc"
  refused 1 "/etc/ld.so.preload cannot be replaced: Read-only file system" enable
  unchanged
  umount "$root/etc"
  printf '%s\n' "$library" >"$preload"
  cp "$preload" "$tmp/before"
  mount --bind "$root/etc" "$root/etc"
  mount -o remount,bind,ro "$root/etc"
  refused 1 "Read-only file system" disable
  unchanged
}

test_full_disk() {
  make_root
  mount -t tmpfs -o mode=755,size=16k tmpfs "$root/etc"
  # shellcheck disable=SC2059
  printf "$old" >"$preload"
  cp "$preload" "$tmp/before"
  : >"$root/etc/passwd"
  cat /dev/zero >"$root/etc/passwd" 2>/dev/null || :
  refused 1 "cannot be replaced: No space left on device; the old one stays as it is" enable
  unchanged
  : >"$root/etc/passwd"
  enable >/dev/null
  cp "$preload" "$tmp/before"
  cat /dev/zero >"$root/etc/passwd" 2>/dev/null || :
  refused 1 "No space left on device" disable
  unchanged
}

test_no_permission() {
  with_old_file
  need setpriv
  chmod 755 "$work" "$tmp"
  as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
  refused 1 "cannot be replaced: Permission denied" \
    as_nobody "$root/opt/hakmem/hakmemctl" enable --root "$root" --library "$library"
  printf '%s\n' "$library" >"$preload"
  cp "$preload" "$tmp/before"
  refused 1 "cannot be removed: Permission denied" as_nobody "$root/opt/hakmem/hakmemctl" disable --root "$root"
  as_nobody "$root/opt/hakmem/hakmemctl" status --root "$root" | grep -q '^enabled: *yes' || fail "status is for everybody"
  unchanged
  # One who may write there, and may make no namespace.
  rm "$preload"
  chown -R 65534 "$root/etc" "$root/opt"
  refused 1 "new mount namespace: Operation not permitted (it needs root" \
    as_nobody "$root/opt/hakmem/hakmemctl" enable --root "$root" --library "$library"
  [ ! -e "$preload" ] || fail "there is a file now"
}

test_two_at_once() {
  with_old_file
  for i in 1 2 3 4 5 6; do
    { enable || disable; } >"$tmp/out.$i" 2>&1 &
    { disable || :; } >"$tmp/err.$i" 2>&1 &
  done
  wait
  sed '/^\/opt\/hakmem/d' "$preload" | cmp - "$tmp/before" || fail "torn: $(cat "$preload")"
  disable >/dev/null
  unchanged
  # One waits for the other.
  flock "$root/etc" sleep 1.2 &
  sleep 0.2
  enable >/dev/null &
  sleep 0.5
  unchanged
  wait
  loaded || fail "the one that waited did nothing"
  disable >/dev/null
  unchanged
}

test_the_lock_is_not_waited_for_for_ever() {
  with_old_file
  [ -z "${HAK_TEST_QUICK:-}" ] || skip "takes ten seconds"
  flock "$root/etc" sleep 30 &
  holder=$!
  sleep 0.2
  refused 1 "another hakmemctl has been writing to $root/etc for 10 seconds: nothing was changed" enable
  unchanged
  kill "$holder"
}

need_tracing() {
  need strace
  strace -o /dev/null /bin/true 2>/dev/null || skip "strace cannot trace here"
}

# The file is seen by somebody else between the trial and the lock.
test_changed_during_the_trial() {
  with_old_file
  need_tracing
  strace -o "$tmp/trace" -e trace=flock -e inject=flock:delay_enter=1500000:when=1 \
    "$tool" enable --root "$root" --library "$library" >"$tmp/out" 2>"$tmp/err" &
  sleep 1
  echo /opt/another.so >>"$preload"
  cp "$preload" "$tmp/before"
  status=0
  wait $! || status=$?
  cat "$tmp/err"
  expect_equal "status" "$status" 1
  grep -q 'changed by somebody else during the trial: nothing was written' "$tmp/err" || fail "not said"
  unchanged
}

# Killed, and failing, at each of the calls that write: always the old file or the new one.
test_killed_while_writing() {
  with_old_file
  need_tracing
  { cat "$tmp/before"; printf '%s\n' "$library"; } >"$tmp/after"
  for call in openat write fchmod fsync close renameat; do
    strace -o "$tmp/trace" -e trace=unlinkat,"$call" "$tool" enable --root "$root" --library "$library" >/dev/null
    disable >/dev/null
    unchanged
    # Which of these calls is the one on the new file: the first after the stale one was unlinked.
    count=$(sed -n '/^unlinkat.*hakmemctl/q; s/^'"$call"'(.*/x/p' "$tmp/trace" | wc -l)
    strace -o "$tmp/trace" -e trace="$call" -e inject="$call:signal=KILL:when=$((count + 1))" \
      "$tool" enable --root "$root" --library "$library" >"$tmp/out" 2>&1 || :
    grep -q 'killed by SIGKILL' "$tmp/trace" || fail "not killed in $call"
    cmp -s "$preload" "$tmp/before" || cmp -s "$preload" "$tmp/after" || fail "killed in $call: $(cat "$preload")"
    # The next one cleans up after it.
    enable >/dev/null
    cmp "$preload" "$tmp/after"
    disable >/dev/null
    unchanged
    [ "$call" != close ] || continue
    refused_text="cannot be replaced"
    status=0
    strace -o "$tmp/trace" -e trace="$call" -e inject="$call:error=EIO:when=$((count + 1))" \
      "$tool" enable --root "$root" --library "$library" >"$tmp/out" 2>"$tmp/err" || status=$?
    expect_equal "status when $call fails" "$status" 1
    grep -q "$refused_text: Input/output error; the old one stays" "$tmp/err" || fail "$call fails: $(cat "$tmp/err")"
    unchanged
  done
}

# A signal that comes while the file is written waits until it is whole.
test_signals_while_writing() {
  with_old_file
  need_tracing
  for signal in INT TERM HUP; do
    status=0
    # A shell's background jobs, and what they start, ignore SIGINT.
    env --default-signal=$signal strace -o "$tmp/trace" -e trace=fsync -e inject=fsync:signal=$signal:when=1 \
      "$tool" enable --root "$root" --library "$library" >"$tmp/out" 2>&1 || status=$?
    [ "$status" != 0 ] || fail "SIG$signal did nothing"
    expect_equal "the last line" "$(tail -n 1 "$preload")" "$library"
    sed '$d' "$preload" | cmp - "$tmp/before" || fail "torn by SIG$signal"
    disable >/dev/null
    unchanged
  done
}

run_tests "$@"
