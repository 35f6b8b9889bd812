# HAK_CHECK_CFLAGS(VARIABLE, FLAGS)
# Puts those of FLAGS that the C compiler accepts without a warning into VARIABLE.
AC_DEFUN([HAK_CHECK_CFLAGS], [
  $1=
  hak_saved_CFLAGS=$CFLAGS
  for hak_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC accepts $hak_flag])
    CFLAGS="$hak_saved_CFLAGS -Werror $hak_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes])
       AS_IF([test "x$$1" = x], [$1=$hak_flag], [$1="$$1 $hak_flag"])],
      [AC_MSG_RESULT([no])])
  done
  CFLAGS=$hak_saved_CFLAGS
  AC_SUBST([$1])
])

# HAK_CHECK_LDFLAGS(VARIABLE, FLAGS)
# The same for flags of the linker, tried on a shared object.
AC_DEFUN([HAK_CHECK_LDFLAGS], [
  $1=
  hak_saved_LDFLAGS=$LDFLAGS
  hak_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -fPIC -shared"
  for hak_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether the linker accepts $hak_flag])
    LDFLAGS="$hak_saved_LDFLAGS $hak_flag"
    AC_LINK_IFELSE([AC_LANG_SOURCE([int hak_try(void) { return 0; }])],
      [AC_MSG_RESULT([yes])
       AS_IF([test "x$$1" = x], [$1=$hak_flag], [$1="$$1 $hak_flag"])],
      [AC_MSG_RESULT([no])])
  done
  LDFLAGS=$hak_saved_LDFLAGS
  CFLAGS=$hak_saved_CFLAGS
])
