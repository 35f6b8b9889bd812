#!/bin/sh
# timed.sh - "hakmemctl enable --for": a trial that takes itself back.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
need_preload
[ -z "${HAK_TEST_QUICK:-}" ] || { echo "SKIP: it waits for clocks, whatever the build"; exit 77; }
fits_the_machine || { echo "SKIP: the machine's programs are of another architecture than the interposer"; exit 77; }
in_namespace "$@"

# The process that waits for the end of the system's trial.
sleepers() {
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd" 2>/dev/null)" != "$root" ] || [ "$(readlink "$process/exe")" != "$(realpath "$tool")" ] ||
      echo "${process#/proc/}"
  done
}
ended() { ! loaded && [ ! -e "$preload" ]; }
# within SECONDS COMMAND...: it becomes true in that time.
within() {
  tries=$(($1 * 10))
  shift
  while ! "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}
no_sleepers() { [ -z "$(sleepers)" ]; }
has_sleepers() { [ -n "$(sleepers)" ]; }

test_ends_by_itself() {
  make_root
  enable --for 2s >"$tmp/out"
  grep -q 'for 2 s' "$tmp/out" || fail "the time is not named"
  loaded || fail "not loaded"
  left=$("$tool" status --json --root "$root" | sed -n 's/.*"seconds_left": \([0-9]*\),.*/\1/p')
  expect "${left:-9}" -le 2 "seconds left"
  within 8 ended || fail "it did not end"
  within 2 no_sleepers || fail "a process is left"
  expect_equal "what is left" "$(ls -A "$root/etc" "$root/run/libhakmem" | tr '\n' ' ')" "$root/etc: passwd  $root/run/libhakmem: "
}

test_disable_ends_it() {
  make_root
  printf '/opt/other.so' >"$preload"
  enable --for 1h >/dev/null
  within 3 has_sleepers || fail "nobody waits for the end"
  grep -q "$library" "$preload" || fail "not enabled"
  refused 1 "with a time limit" enable
  disable
  expect_equal "the file" "$(cat "$preload")" /opt/other.so
  within 2 no_sleepers || fail "a process is left"
  "$tool" status --root "$root" | grep -q '^enabled: *no' || fail "status"
}

# What a reboot leaves is what is on the disk: mounts and processes are gone.
test_a_reboot_ends_it() {
  make_root
  enable --for 1h >/dev/null
  umount "$preload"
  [ ! -s "$preload" ] || fail "it is on the disk"
  "$tool" status --root "$root" | grep -q '^enabled: *no' || fail "status"
  ! loaded || fail "loaded"
  # run may have survived; a trial begun for good is not taken back by what it says.
  enable >/dev/null
  printf '1\n' >"$root/run/libhakmem/deadline"
  expect_equal "what is said" "$(disable --if-expired)" ""
  loaded || fail "what had no time limit was taken back"
  disable >/dev/null
}

# The process that waits is killed: the next call after the time, from cron or at the next start, takes it back.
test_if_expired() {
  make_root
  printf '/opt/other.so\n' >"$preload"
  enable --for 1s >/dev/null
  # shellcheck disable=SC2046
  kill -9 $(sleepers)
  sleep 1.1
  grep -q "$library" "$preload" || fail "somebody took it back"
  disable --if-expired
  expect_equal "the file" "$(cat "$preload")" /opt/other.so
  enable --for 1h >/dev/null
  disable --if-expired
  grep -q "$library" "$preload" || fail "the time was not over"
  # Whoever has cleared run does not make the trial last for ever.
  rm -r "$root/run/libhakmem"
  disable --if-expired
  expect_equal "the file" "$(cat "$preload")" /opt/other.so
}

test_lengthen() {
  make_root
  enable --for 1s >/dev/null
  enable --for 1h | grep -q '1 h 0 min' || fail "not said"
  sleep 1.5
  loaded || fail "the first time still counts"
  disable >/dev/null
  enable >/dev/null
  refused 1 "without a time limit" enable --for 1h
  disable >/dev/null
}

# etc may be read-only: nothing is written there if the file exists.
test_read_only_etc() {
  make_root
  : >"$preload"
  mount --bind "$root/etc" "$root/etc"
  mount -o remount,bind,ro "$root/etc"
  enable --for 1h >/dev/null
  loaded || fail "not loaded"
  disable
  [ -e "$preload" ] && ! loaded || fail "not disabled"
}

# What was begun is taken back when the tool dies in the middle.
test_killed_in_the_middle() {
  make_root
  need strace
  strace -o /dev/null /bin/true 2>/dev/null || skip "strace cannot trace here"
  status=0
  # The parent's only mount is that of the list.
  strace -o "$tmp/trace" -e trace=mount -e inject=mount:signal=KILL:when=1 \
    "$tool" enable --for 1s --root "$root" --library "$library" >"$tmp/out" 2>&1 || status=$?
  [ "$status" != 0 ] || fail "it was not killed: $(cat "$tmp/trace")"
  within 8 ended || fail "it did not end: $(cat "$preload")"
  within 2 no_sleepers || fail "a process is left"
}

# The tool, in the system, with a systemd-run of ours.
with_systemd() { inside /usr/bin/env PATH=/opt/bin:/usr/bin:/bin /opt/hakmem/hakmemctl "$@"; }

# systemd runs the way back where it is there: a timer that calls the tool.
test_systemd_timer() {
  make_root
  mkdir -p "$root/run/systemd/system" "$root/opt/bin"
  cat >"$root/opt/bin/systemd-run" <<'END2'
#!/bin/sh
for word; do printf '%s\n' "$word"; done >/run/words
END2
  chmod 755 "$root/opt/bin/systemd-run"
  with_systemd enable --for 90min --library "$library" >"$tmp/out" 2>"$tmp/err"
  [ ! -s "$tmp/err" ] || fail "$(cat "$tmp/err")"
  loaded || fail "not loaded"
  expect_equal "sleepers" "$(sleepers)" ""
  cat "$root/run/words"
  grep -q '^--on-active=\(5400000\|5399[0-9]*\)ms$' "$root/run/words" || fail "another time"
  expect_equal "what is run" "$(tail -n 3 "$root/run/words" | tr '\n' ' ')" "/opt/hakmem/hakmemctl disable --if-expired "
  # The time is over; the timer does what it was told.
  printf '1\n' >"$root/run/libhakmem/deadline"
  # shellcheck disable=SC2046
  inside $(tail -n 3 "$root/run/words")
  ended || fail "the timer's command does not end it"
}

test_systemd_that_fails() {
  make_root
  mkdir -p "$root/run/systemd/system" "$root/opt/bin"
  printf '#!/bin/sh\nexit 1\n' >"$root/opt/bin/systemd-run"
  chmod 755 "$root/opt/bin/systemd-run"
  with_systemd enable --for 1s --library "$library" >"$tmp/out" 2>"$tmp/err"
  grep -q 'systemd-run failed' "$tmp/err" || fail "no warning"
  within 8 ended || fail "it did not end without systemd"
}

# A timer would look at other mounts.
test_another_mount_namespace() {
  make_root
  mkdir -p "$root/run/systemd/system" "$root/opt/bin"
  printf '#!/bin/sh\necho called >/run/words\n' >"$root/opt/bin/systemd-run"
  chmod 755 "$root/opt/bin/systemd-run"
  unshare --mount chroot "$root" /usr/bin/env PATH=/opt/bin:/usr/bin:/bin sh -c "
    /opt/hakmem/hakmemctl enable --for 1s --library $library >/dev/null
    grep -c $library /etc/ld.so.preload
    sleep 2
    ls /etc" >"$tmp/out" 2>"$tmp/err"
  grep -q 'only programs in it will see the trial' "$tmp/err" || fail "no warning"
  expect_equal "enabled, and then no file" "$(tr '\n' ' ' <"$tmp/out")" "1 passwd "
  [ ! -e "$root/run/words" ] || fail "a timer was started"
}

run_tests "$@"
