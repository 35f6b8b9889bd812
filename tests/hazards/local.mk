# ---- what breaks when malloc is replaced: programs that are run under the interposer, and scripts that run them
EXTRA_DIST += tests/lib.sh
hazard_programs = \
  tests/hazards/closed_stderr tests/hazards/deepbind tests/hazards/dlclose_module tests/hazards/dlopen_library \
  tests/hazards/fork_threads tests/hazards/grow tests/hazards/late_exit tests/hazards/locked_daemon \
  tests/hazards/mappings tests/hazards/returns_memory tests/hazards/runpath tests/hazards/seccomp_filter \
  tests/hazards/secure_helper tests/hazards/semantics tests/hazards/signal_handler tests/hazards/spawn \
  tests/hazards/thread_exit tests/hazards/workload
hazard_common = tests/hazards/program.h
EXTRA_DIST += $(hazard_scripts)
hazard_scripts = \
  tests/hazards/start.sh tests/hazards/secure.sh tests/hazards/objects.sh tests/hazards/processes.sh \
  tests/hazards/limits.sh tests/hazards/memory.sh tests/hazards/semantics.sh

tests_hazards_closed_stderr_SOURCES = tests/hazards/closed_stderr.c $(hazard_common)
tests_hazards_closed_stderr_LDADD =
tests_hazards_deepbind_SOURCES = tests/hazards/deepbind.c $(hazard_common)
tests_hazards_deepbind_LDADD = -ldl
tests_hazards_dlclose_module_SOURCES = tests/hazards/dlclose_module.c $(hazard_common)
tests_hazards_dlclose_module_LDADD = -ldl
tests_hazards_dlopen_library_SOURCES = tests/hazards/dlopen_library.c $(hazard_common)
tests_hazards_dlopen_library_LDADD = -ldl
tests_hazards_emulated_SOURCES = tests/hazards/emulated.c tests/emulated.h
tests_hazards_emulated_LDADD =
tests_hazards_fork_threads_SOURCES = tests/hazards/fork_threads.c $(hazard_common)
tests_hazards_fork_threads_LDADD =
tests_hazards_grow_SOURCES = tests/hazards/grow.c $(hazard_common)
tests_hazards_grow_LDADD =
tests_hazards_late_exit_SOURCES = tests/hazards/late_exit.c $(hazard_common)
tests_hazards_late_exit_LDADD =
tests_hazards_locked_daemon_SOURCES = tests/hazards/locked_daemon.c tests/hazards/status.c $(hazard_common)
tests_hazards_locked_daemon_LDADD =
tests_hazards_mappings_SOURCES = tests/hazards/mappings.c $(hazard_common)
tests_hazards_mappings_LDADD =
tests_hazards_returns_memory_SOURCES = tests/hazards/returns_memory.c tests/hazards/status.c $(hazard_common)
tests_hazards_returns_memory_LDADD =
tests_hazards_runpath_SOURCES = tests/hazards/runpath.c $(hazard_common)
tests_hazards_runpath_LDADD = -ldl
tests_hazards_seccomp_filter_SOURCES = tests/hazards/seccomp_filter.c $(hazard_common)
tests_hazards_seccomp_filter_LDADD =
tests_hazards_secure_helper_SOURCES = tests/hazards/secure_helper.c $(hazard_common)
tests_hazards_secure_helper_LDADD = -ldl
tests_hazards_semantics_SOURCES = tests/hazards/semantics.c tests/hazards/status.c $(hazard_common)
tests_hazards_semantics_LDADD =
# Compilers know of malloc what this is to find out.
tests_hazards_semantics_CFLAGS = $(AM_CFLAGS) -fno-builtin
tests_hazards_signal_handler_SOURCES = tests/hazards/signal_handler.c $(hazard_common)
tests_hazards_signal_handler_LDADD =
tests_hazards_spawn_SOURCES = tests/hazards/spawn.c $(hazard_common)
tests_hazards_spawn_LDADD =
tests_hazards_thread_exit_SOURCES = tests/hazards/thread_exit.c tests/hazards/status.c $(hazard_common)
tests_hazards_thread_exit_LDADD =
tests_hazards_workload_SOURCES = tests/hazards/workload.c $(hazard_common)
tests_hazards_workload_LDADD =

# Shared objects that are loaded beside the interposer or opened by the programs; never installed.
hazard_modules = \
  tests/hazards/deepbind_module.la tests/hazards/early_constructor.la tests/hazards/reenter.la \
  tests/hazards/runpath_caller.la tests/hazards/runpath_inner.la
hazard_module_flags = $(AM_LDFLAGS) -module -shared -avoid-version -rpath /nowhere
tests_hazards_deepbind_module_la_SOURCES = tests/hazards/deepbind_module.c $(hazard_common)
tests_hazards_deepbind_module_la_LDFLAGS = $(hazard_module_flags)
tests_hazards_early_constructor_la_SOURCES = tests/hazards/early_constructor.c $(hazard_common)
tests_hazards_early_constructor_la_LDFLAGS = $(hazard_module_flags)
tests_hazards_reenter_la_SOURCES = tests/hazards/reenter.c $(hazard_common)
tests_hazards_reenter_la_LDFLAGS = $(hazard_module_flags)
tests_hazards_runpath_caller_la_SOURCES = tests/hazards/runpath_caller.c $(hazard_common)
tests_hazards_runpath_caller_la_LDFLAGS = $(hazard_module_flags) -Wl,--enable-new-dtags -Wl,-rpath,'$$ORIGIN/inner'
tests_hazards_runpath_caller_la_LIBADD = -ldl
tests_hazards_runpath_inner_la_SOURCES = tests/hazards/runpath_inner.c
tests_hazards_runpath_inner_la_LDFLAGS = $(hazard_module_flags)

TESTS += $(hazard_scripts)
EXTRA_DIST += tests/hazards/cxx_semantics.cc
# Asked by tests/lib.sh.
check_PROGRAMS += tests/hazards/emulated
# A build without the interposer has nothing to run them under; the scripts say so and skip.
if INTERPOSER
check_PROGRAMS += $(hazard_programs)
check_LTLIBRARIES += $(hazard_modules)
endif
