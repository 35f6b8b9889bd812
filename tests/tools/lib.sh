# lib.sh - what the tests of hakmemctl share. Sourced, after tests/lib.sh.
#
#   HAK_TEST_TOOL    hakmemctl, with hakmemctl-trial beside it or installed

: "${HAK_TEST_TOOL:=$HAK_TEST_BUILDDIR/tools/hakmemctl}"
tool=$HAK_TEST_TOOL

# refused STATUS TEXT COMMAND...: it must end with the status and say the text on standard error, and no crash.
refused() {
  refused_wanted=$1 refused_text=$2 refused_status=0
  shift 2
  "$@" >"$tmp/out" 2>"$tmp/err" || refused_status=$?
  cat "$tmp/out" "$tmp/err"
  expect_equal "status of $*" "$refused_status" "$refused_wanted"
  grep -qF -e "$refused_text" "$tmp/err" || fail "$* does not say: $refused_text"
}

# The rest of the script in a mount namespace of its own, where a system in a folder can be put together; and in
# a process namespace, so that nothing goes on when it ends.
# The folder $work is made and removed outside, where none of those mounts is seen: nothing of the machine's
# can be removed with it.
in_namespace() {
  if [ -n "${HAK_TEST_NAMESPACE_WORK:-}" ]; then
    trap - EXIT
    rmdir "$work"
    work=$HAK_TEST_NAMESPACE_WORK
    return 0
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "SKIP: needs root, to make a mount namespace"
    exit 77
  fi
  if ! unshare --mount --pid --fork --mount-proc true 2>/dev/null; then
    echo "SKIP: no mount and process namespaces can be made here"
    exit 77
  fi
  inner_status=0
  HAK_TEST_NAMESPACE_WORK=$work unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    sh "$0" "$@" || inner_status=$?
  exit $inner_status
}

library=/opt/hakmem/libhakmem-preload.so

# A system in the folder $root: the machine's programs, read-only, and folders of its own for all that
# changes. Its mounts end with the namespace.
make_root() {
  root=$tmp/root
  mkdir -m 755 "$root"
  mount -t tmpfs -o mode=755,size=16m tmpfs "$root"
  for name in usr bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then
      cp -a "/$name" "$root/$name"
    elif [ -d "/$name" ]; then
      mkdir -m 755 "$root/$name"
      mount --bind "/$name" "$root/$name"
      mount -o remount,bind,ro "$root/$name"
    fi
  done
  mkdir -m 755 "$root/etc" "$root/run" "$root/proc" "$root/dev" "$root/opt" "$root/opt/hakmem"
  mount -t proc proc "$root/proc"
  mknod -m 666 "$root/dev/null" c 1 3
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
  preload=$root/etc/ld.so.preload
  install -m 644 "$HAK_TEST_PRELOAD" "$root$library"
  # Beside each other, so that the tool finds its helper.
  install -m 755 "$tool" "$root/opt/hakmem/hakmemctl"
  for helper in "$(dirname "$tool")/hakmemctl-trial" /usr/libexec/libhakmem/hakmemctl-trial; do
    [ ! -x "$helper" ] || { install -m 755 "$helper" "$root/opt/hakmem/hakmemctl-trial"; break; }
  done
}
inside() { chroot "$root" "$@"; }

enable() { "$tool" enable --root "$root" --library "$library" "$@"; }
disable() { "$tool" disable --root "$root" "$@"; }
# What a program that starts in the system has loaded.
loaded() { inside /bin/cat /proc/self/maps | grep -q "$library"; }

# object FILE TEXT: a shared object of C, in the system, in the place of the library.
object() {
  printf '%s\n' "$2" >"$tmp/object.c"
  # shellcheck disable=SC2086
  $HAK_TEST_CC -shared -fPIC -o "$1" "$tmp/object.c" || skip "no compiler ($HAK_TEST_CC)"
}
