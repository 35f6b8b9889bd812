#!/bin/sh
# objects.sh - the shared objects themselves: thread-local storage, flags, loading and unloading, dlopen.
. "$(dirname "$0")/../lib.sh"
need_preload

# tls_size OBJECT: bytes of its TLS segment, 0 for none.
tls_size() {
  size=$(readelf --program-headers --wide "$1" | awk '$1 == "TLS" { print $6 }')
  echo $((${size:-0}))
}

test_tls_is_small() {
  need readelf awk
  expect "$(tls_size "$HAK_TEST_PRELOAD")" -le 1024 "TLS of the interposer"
  expect "$(tls_size "$HAK_TEST_PRELOAD")" -gt 0 "TLS of the interposer"
  expect "$(tls_size "$HAK_TEST_LIBRARY")" -le 16 "TLS of the library"
}

test_tls_is_initial_exec() {
  need readelf
  # A call of __tls_get_addr may allocate; the flag says that no such call is needed.
  for object in "$HAK_TEST_PRELOAD" "$HAK_TEST_LIBRARY"; do
    ! readelf --dyn-syms --wide "$object" | grep -q '__tls_get_addr' || fail "$object calls __tls_get_addr"
  done
}

test_interposer_is_never_unloaded() {
  need readelf
  readelf --dynamic --wide "$HAK_TEST_PRELOAD" | grep -q NODELETE || fail "no -z nodelete"
  preloaded "$(program hazards/dlclose_module)" "$HAK_TEST_PRELOAD" "$(module hazards/deepbind_module)"
}

test_interposer_needs_only_the_c_library() {
  need readelf
  needed=$(readelf --dynamic --wide "$HAK_TEST_PRELOAD" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux' | tr '\n' ' ')
  expect_equal "what the interposer needs" "$needed" "libc.so.6 "
}

test_library_can_be_opened_and_closed() {
  for object in "$HAK_TEST_LIBRARY" "$HAK_TEST_PRELOAD"; do
    [ "$("$(program hazards/dlopen_library)" "$object")" = "loaded twice" ] || fail "dlopen of $object"
    [ "$(preloaded "$(program hazards/dlopen_library)" "$object")" = "loaded twice" ] || fail "dlopen of $object, preloaded"
  done
}

test_deepbind_is_stripped() {
  preloaded "$(program hazards/deepbind)" "$(module hazards/deepbind_module)" >"$tmp/out"
  expect_equal "deep-bound module" "$(tr '\n' ',' <"$tmp/out")" "module's block ours,one malloc: yes,"
}

test_deepbind_is_kept_on_request() {
  # The module has the C library's malloc then, and a block of it must survive free() by the program:
  # forwarded. The other way round the C library gets a block of ours and would abort: not tried.
  preloaded HAKMEM_DEEPBIND=keep "$(program hazards/deepbind)" "$(module hazards/deepbind_module)" >"$tmp/out" 2>"$tmp/err" || true
  ! grep -q 'one malloc: yes' "$tmp/out" || fail "the flag was cleared all the same"
}

test_dlopen_knows_its_caller() {
  mkdir -p "$tmp/outer/inner"
  cp "$(module hazards/runpath_caller)" "$tmp/outer/caller.so"
  cp "$(module hazards/runpath_inner)" "$tmp/outer/inner/runpath_inner.so"
  "$(program hazards/runpath)" "$tmp/outer/caller.so"
  preloaded "$(program hazards/runpath)" "$tmp/outer/caller.so"
}

test_dlopen_ends_in_a_jump() {
  # The compiler's own, which knows the machine.
  # shellcheck disable=SC2086
  objdump=$($HAK_TEST_CC -print-prog-name=objdump)
  need "$objdump"
  "$objdump" -d --no-show-raw-insn --disassemble=dlopen "$HAK_TEST_PRELOAD" >"$tmp/code"
  case $("$objdump" -f "$HAK_TEST_PRELOAD" | sed -n 's/^architecture: \([^,]*\),.*/\1/p') in
    i386*) jump='jmp *\*\|bnd jmp \*\|notrack jmp \*' ;;
    aarch64) jump='	br	x' ;;
    riscv*) jump='	jr	t' ;;
    *) skip "the disassembly of this machine is not looked at" ;;
  esac
  grep -q "$jump" "$tmp/code" || { cat "$tmp/code"; fail "no jump to the C library's dlopen"; }
  # A return would mean that something was called in its place.
  ! grep -q '	ret' "$tmp/code" || { cat "$tmp/code"; fail "the wrapper returns by itself"; }
}

run_tests "$@"
