# ---- hakmemctl
tool_scripts = tests/tools/command.sh tests/tools/system.sh tests/tools/timed.sh tests/tools/trouble.sh tests/tools/inspect.sh \
  tests/tools/profile.sh
EXTRA_DIST += $(tool_scripts) tests/tools/lib.sh
if TOOLS
TESTS += $(tool_scripts)
if HAVE_CHECK
tool_tests = tests/tools/check_preload_list tests/tools/check_ranks
endif
endif
check_PROGRAMS += $(tool_tests)
TESTS += $(tool_tests)
tests_tools_check_preload_list_SOURCES = tests/tools/check_preload_list.c tools/preload_list.c tools/tool.c
tests_tools_check_preload_list_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tools -I$(srcdir)/tests
tests_tools_check_preload_list_LDADD = $(CHECK_LIBS)
tests_tools_check_ranks_SOURCES = tests/tools/check_ranks.c tools/ranks.c tools/tool.c
tests_tools_check_ranks_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tools -I$(srcdir)/tests
tests_tools_check_ranks_LDADD = $(CHECK_LIBS) -lm

# What profile.sh profiles. It has coroutines, which not every C library offers (musl).
if TOOLS
check_PROGRAMS += tests/tools/profiled
endif
tests_tools_profiled_SOURCES = tests/tools/profiled.c
tests_tools_profiled_LDADD = -ldl -lpthread
tests_tools_profiled_CFLAGS = $(AM_CFLAGS) -fno-omit-frame-pointer   # for HAKMEM_PROFILE_UNWIND=frame-pointers
