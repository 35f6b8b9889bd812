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
  CFLAGS="$CFLAGS -fPIC -shared -Wl,-z,defs"   # all that it needs is there, too: not with another C library than gcc's
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

# HAK_CHECK_STATIC
# How a program is linked with the C library's archive and without the dynamic loader: as STATIC_CFLAGS and
# STATIC_LDFLAGS, position-independent if that can be; hak_static is "no" if neither can.
AC_DEFUN([HAK_CHECK_STATIC], [
  STATIC_CFLAGS=
  STATIC_LDFLAGS=
  hak_saved_LDFLAGS=$LDFLAGS
  hak_saved_CFLAGS=$CFLAGS
  AC_MSG_CHECKING([how to link a program statically])
  hak_static=no
  for hak_flag in -static-pie -static; do
    AS_IF([test $hak_static = no],
      [AS_IF([test $hak_flag = -static-pie], [hak_position=-fPIE], [hak_position=])
       CFLAGS="$hak_saved_CFLAGS $hak_position"
       LDFLAGS="$hak_saved_LDFLAGS $hak_flag"
       AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("")]])],
         [hak_static=$hak_flag
          STATIC_CFLAGS=$hak_position
          STATIC_LDFLAGS=$hak_flag])])
  done
  AC_MSG_RESULT([$hak_static])
  LDFLAGS=$hak_saved_LDFLAGS
  CFLAGS=$hak_saved_CFLAGS
  AC_SUBST([STATIC_CFLAGS])
  AC_SUBST([STATIC_LDFLAGS])
])

# HAK_CHECK_UNWIND
# Sets hak_unwind, if it is "auto", to what there is: libgcc, if a shared object can have the unwinder of gcc's library in
# it, so that nothing else has to be loaded; else no. UNWIND_LIBS is what it is linked with.
AC_DEFUN([HAK_CHECK_UNWIND], [
  UNWIND_LIBS=
  hak_saved_LIBS=$LIBS
  hak_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -fPIC -shared -Wl,-z,defs"   # all that it needs is there, too: not with another C library than gcc's
  LIBS="-lgcc_eh $LIBS"
  AS_IF([test $hak_unwind != no],
    [AC_MSG_CHECKING([whether the unwinder of libgcc can be linked in])
     AC_LINK_IFELSE([AC_LANG_SOURCE([[
#include <unwind.h>
static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *last) {
  *(_Unwind_Ptr *)last = _Unwind_GetIP(context);
  return _URC_NO_REASON;
}
_Unwind_Ptr hak_try(void);
_Unwind_Ptr hak_try(void) { _Unwind_Ptr last = 0; _Unwind_Backtrace(visit, &last); return last; }
]])],
       [AC_MSG_RESULT([yes])
        hak_unwind=libgcc
        UNWIND_LIBS=-lgcc_eh],
       [AC_MSG_RESULT([no])
        AS_IF([test $hak_unwind = libgcc], [AC_MSG_ERROR([--with-unwind=libgcc: libgcc_eh.a was not found])])
        hak_unwind=no])])
  CFLAGS=$hak_saved_CFLAGS
  LIBS=$hak_saved_LIBS
  AC_SUBST([UNWIND_LIBS])
])

# HAK_TRY_CHECK
# Sets have_check: whether a program can be linked with the libcheck that was found. It may be of another machine or
# another C library than the compiler's.
AC_DEFUN([HAK_TRY_CHECK], [
  hak_saved_CFLAGS=$CFLAGS
  hak_saved_LIBS=$LIBS
  CFLAGS="$CFLAGS $CHECK_CFLAGS -pthread"
  LIBS="$CHECK_LIBS $LIBS"
  AC_MSG_CHECKING([whether programs can be linked with libcheck])
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <check.h>]], [[return suite_create("try") == NULL;]])],
    [have_check=yes],
    [have_check=no])
  AC_MSG_RESULT([$have_check])
  CFLAGS=$hak_saved_CFLAGS
  LIBS=$hak_saved_LIBS
  AS_IF([test $have_check = no],
    [AC_MSG_WARN([the libcheck that was found is not for $CC: make check leaves the unit tests out
    (CHECK_CFLAGS and CHECK_LIBS name another one)])])
])
