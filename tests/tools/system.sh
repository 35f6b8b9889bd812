#!/bin/sh
# system.sh - "hakmemctl enable", "disable" and "status" on a system in a folder.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
need_preload
fits_the_machine || { echo "SKIP: the machine's programs are of another architecture than the interposer"; exit 77; }
in_namespace "$@"

test_there_and_back() {
  make_root
  "$tool" status --root "$root" >"$tmp/status"
  grep -q '^enabled: *no$' "$tmp/status" || fail "status: enabled before"
  enable >"$tmp/out"
  cat "$tmp/out"
  expect_equal "the file" "$(cat "$preload")" "$library"
  loaded || fail "programs do not load it"
  for kind in shell 'C program' 'C++ program' 'setuid program' 'sandboxed program'; do
    grep -q "^\(not \)\{0,1\}tried: $kind" "$tmp/out" || fail "no word about a $kind"
  done
  grep -q '^tried: shell (/bin/sh' "$tmp/out" && grep -q '^tried: C program' "$tmp/out" &&
    grep -q '^tried: sandboxed' "$tmp/out" || fail "what every system has was not tried"
  "$tool" status --root "$root" >"$tmp/status"
  grep -q '^enabled: *yes$' "$tmp/status" && grep -q "^line: *$library\$" "$tmp/status" || fail "status: $(cat "$tmp/status")"
  "$tool" status --json --root "$root" >"$tmp/json"
  grep -q '"enabled": true, "seconds_left": null' "$tmp/json" && grep -q '"problem": null' "$tmp/json" || fail "$(cat "$tmp/json")"
  enable | grep -q 'already' || fail "a second time"
  expect_equal "the file, after the second time" "$(cat "$preload")" "$library"
  disable
  [ ! -e "$preload" ] || fail "there was no file before"
  ! loaded || fail "programs still load it"
  disable | grep -q 'nothing to do' || fail "disabled twice"
  expect_equal "what is in etc" "$(ls -A "$root/etc")" passwd
}

# The setuid program of the trial really runs with the rights of its owner.
test_setuid_program_is_secure() {
  make_root
  need strace
  [ -u /bin/su ] || skip "no setuid su"
  printf '#!/bin/sh\n' >"$root/etc/nothing"
  enable >"$tmp/out"
  grep -q '^tried: setuid program (/bin/su' "$tmp/out" || skip "su is not usable here"
  disable >/dev/null
  strace -f -o "$tmp/trace" -e trace=setresuid,execve "$tool" enable --root "$root" --library "$library" >/dev/null
  grep -A3 'setresuid(65534, 65534, 65534)' "$tmp/trace" | grep -q 'execve("/bin/su"' || fail "su was not run by nobody"
}

# kept TEXT (as printf's): what the file has comes back to the byte, and the line in between works.
kept() {
  rm -f "$preload"
  # shellcheck disable=SC2059
  printf "$1" >"$preload"
  chmod 640 "$preload"
  chown 3:4 "$preload"
  cp -p "$preload" "$tmp/before"
  # grep ends the last line.
  grep '' "$tmp/before" >"$tmp/lines" || :
  enable >"$tmp/out"
  expect_equal "mode and owner" "$(stat -c '%a %u %g' "$preload")" "640 3 4"
  expect_equal "lines of the library" "$(grep -cx "$library" "$preload")" 1
  grep -vx "$library" "$preload" | cmp - "$tmp/lines" || fail "the rest is not as before"
  loaded || fail "not loaded: $1"
  disable >/dev/null
  cmp "$preload" "$tmp/before" || fail "not as before"
  expect_equal "mode and owner after disable" "$(stat -c '%a %u %g' "$preload")" "640 3 4"
}

test_other_entries_stay() {
  make_root
  object "$root/opt/other.so" 'int other_library;'
  kept '/opt/other.so\n'
  kept '/opt/other.so'
  kept '# comment\n\n/opt/other.so # another\n'
  kept '/opt/other.so:/opt/other.so /opt/other.so\n\n\n'
  kept '#only a comment'
  kept '# one\n# two\n/opt/other.so # three\n# four\n'
  kept '\n'
  # ld.so takes the carriage return for a part of the name, before and after alike.
  kept '# first\r\n/opt/other.so\r\n'
  kept '/opt/other.so\r\n/opt/other.so\r\n\r\n'
}

test_words_in_the_middle_are_found() {
  make_root
  printf '/opt/a.so:%s /opt/b.so # %s stays\n/opt/c.so %s\r\n' "$library" "$library" "$library" >"$preload"
  "$tool" status --json --root "$root" | grep -q '"enabled": true.*"other_libraries": 3' || fail "status does not see it"
  disable
  printf '/opt/a.so:/opt/b.so # %s stays\n/opt/c.so\n' "$library" >"$tmp/wanted"
  cmp "$preload" "$tmp/wanted" || fail "$(cat -v "$preload")"
}

test_refuses_libraries() {
  make_root
  # $1 what is done to the library, $2 what is said; nothing may have changed.
  bad() {
    cp "$HAK_TEST_PRELOAD" "$root$library.good"
    chmod 644 "$root$library.good"
    mv "$root$library.good" "$root$library"
    eval "$1"
    refused 1 "$2" enable
    [ ! -e "$preload" ] || fail "$1: there is a file now"
  }
  bad 'rm "$root$library"' "is missing"
  bad ': >"$root$library"' "is empty"
  bad 'echo text >"$root$library"' "is no ELF file"
  bad 'truncate -s -1 "$root$library"' "is truncated"
  bad 'truncate -s 5000 "$root$library"' "is truncated"
  bad 'truncate -s 100 "$root$library"; :' "is truncated"
  bad 'printf "\001" | dd of="$root$library" bs=1 seek=4 conv=notrunc 2>/dev/null' ""
  bad 'printf "\377" | dd of="$root$library" bs=1 seek=18 conv=notrunc 2>/dev/null' "the programs here are for"
  bad 'chmod o+w "$root$library"' "can be replaced by anybody ($library is writable by others)"
  bad 'chgrp 5 "$root$library"; chmod g+w "$root$library"' "can be replaced by a group"
  bad 'chown 5 "$root$library"' "belongs to a user who is not root"
  bad 'chmod o+w "$root/opt/hakmem"' "/opt/hakmem is writable by others"
  chmod o-w "$root/opt/hakmem"
  bad 'chmod o+w "$root/opt"' "/opt is writable by others"
  chmod o-w "$root/opt"
  bad 'chown 7 "$root/opt"' "/opt is of uid 7"
  chown 0 "$root/opt"
  bad 'chmod o+w "$root"' "/ is writable by others"
  chmod o-w "$root"
  bad 'mv "$root$library" "$root/opt/real.so"; ln -s /opt/real.so "$root$library"' "symbolic link"
  rm "$root$library"
  bad 'mv "$root/opt/hakmem" "$root/opt/real"; ln -s real "$root/opt/hakmem"' "symbolic link"
}

# The library is in order, to look at, and programs fail with it.
test_the_trial_finds_what_is_broken() {
  make_root
  # $1 a name, $2 source, $3 what is said
  broken() {
    rm -f "$root$library"
    object "$root$library" "$2"
    chmod 644 "$root$library"
    refused 1 "$3" enable
    [ ! -e "$preload" ] || fail "$1: there is a file now"
  }
  real='extern void *__libc_malloc(unsigned long); extern void __libc_free(void *);
    extern void *__libc_realloc(void *, unsigned long);'
  broken crash '__attribute__((constructor)) static void c(void) { *(volatile int *)8 = 1; }' "was killed by signal 11"
  broken nothing 'int nothing;' "does not load"
  broken undefined 'extern int no_such_function(void); int use(void); int use(void) { return no_such_function(); }
    int (*pointer)(void) = no_such_function;' "the trial failed"
  broken status "$real"' void *malloc(unsigned long n) { return __libc_malloc(n); }
    extern void _exit(int); extern int getpid(void); extern char *program_invocation_short_name;
    __attribute__((destructor)) static void d(void) { if (program_invocation_short_name[0] == (char)115 &&
    program_invocation_short_name[1] == (char)111) _exit(9); }' "C program (/usr/bin/sort /etc/passwd) ended with status 9"
  broken message "$real"' void *malloc(unsigned long n) { return __libc_malloc(n); } extern long write(int, const void *, unsigned long);
    __attribute__((constructor)) static void c(void) { write(2, "hello\n", 6); }' "has another standard error than without the library: hello"
  broken sandbox "$real"' extern int getppid(void); void *malloc(unsigned long n) { getppid(); return __libc_malloc(n); }
    void *realloc(void *p, unsigned long n) { getppid(); return __libc_realloc(p, n); }' \
    "sandboxed program (allocations under a strict seccomp filter) was killed by signal 31"
  broken secure "$real"' extern unsigned long getauxval(unsigned long); extern void abort(void);
    void *malloc(unsigned long n) { if (getauxval(23)) abort(); return __libc_malloc(n); }' \
    "setuid program (/bin/su --help) was killed by signal 6"
  ! grep -q "ld.so.preload" /proc/self/mountinfo || fail "a mount is left"
}

# The trial has a file system of its own over etc; outside nobody sees it, and nothing is left.
test_the_trial_changes_nothing() {
  make_root
  # As on most systems: other namespaces would see what is mounted here.
  mount --make-rshared "$root"
  before=$(ls -la --time-style=full-iso "$root/etc" "$root/run")
  cp /proc/self/mountinfo "$tmp/mounts"
  rm -f "$root$library"
  object "$root$library" 'extern void *__libc_malloc(unsigned long); void *malloc(unsigned long n) { return __libc_malloc(n); }
    extern void _exit(int); extern char *program_invocation_short_name;
    __attribute__((destructor)) static void d(void) { if (program_invocation_short_name[0] == 115) _exit(9); }'
  refused 1 "the trial failed" enable
  expect_equal "etc and run" "$(ls -la --time-style=full-iso "$root/etc" "$root/run")" "$before"
  cmp "$tmp/mounts" /proc/self/mountinfo || fail "mounts have changed"
}

# The tool runs in the system whose programs do not start any more.
test_disable_with_a_broken_library() {
  make_root
  grep -q '^STATIC_LDFLAGS = *$' "$HAK_TEST_BUILDDIR/Makefile" && skip "configure found no static C library"
  # $1 what is done to the library; $2: 1 if that stops every program
  rescue() {
    rm -rf "$root$library"
    cp "$HAK_TEST_PRELOAD" "$root$library"
    eval "$1"
    printf '# kept\n%s\n' "$library" >"$preload"
    status=0
    inside /bin/true 2>"$tmp/err" || status=$?
    [ "$2" = 0 ] || [ "$status" != 0 ] || fail "$1: programs run all the same"
    [ "$2" = 1 ] || [ -s "$tmp/err" ] || fail "$1: ld.so does not say anything"
    inside /opt/hakmem/hakmemctl status | grep -q '^enabled: *yes' || fail "$1: no status"
    inside /opt/hakmem/hakmemctl disable >"$tmp/out" 2>"$tmp/err" || fail "$1: $(cat "$tmp/out" "$tmp/err")"
    expect_equal "$1: the file" "$(cat "$preload")" "# kept"
    inside /bin/true || fail "$1: programs do not run again"
  }
  rescue 'rm "$root$library"' 0
  rescue ': >"$root$library"' 0
  rescue 'truncate -s 100 "$root$library"' 0
  rescue 'truncate -s 5000 "$root$library"' 1
  rescue 'rm "$root$library"; object "$root$library" "__attribute__((constructor)) static void c(void) { *(volatile int *)8 = 1; }"' 1
  rescue 'rm "$root$library"; mkdir "$root$library"' 0
}

run_tests "$@"
