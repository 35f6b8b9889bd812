# Tests. One block for each test, in any order; add yours at the end of its group.
#
# A program without a _LDADD of its own links the library's objects with all symbols
# reachable, and libcheck. A test of the public interface sets
#   tests_x_LDADD = src/libhakmem.la $(CHECK_LIBS)    and    tests_x_LDFLAGS = $(AM_LDFLAGS) -no-install
# and a program that is to run under the interposer an empty _LDADD.
# Every test finds these in its environment, as absolute paths, empty where not built:
#   HAK_TEST_LIBRARY, HAK_TEST_ARCHIVE, HAK_TEST_PRELOAD, HAK_TEST_TOOL, HAK_TEST_SRCDIR, HAK_TEST_BUILDDIR, HAK_TEST_CC (compiler and flags),
# HAK_TEST_CONF, the path of the configuration file that the objects read,
# and HAK_TEST_SANITIZER, empty or what the objects are built with. No HAKMEM_* variable is set.
# A test that cannot run says why on stdout and exits with 77.

LDADD = src/libhakcore.la $(CHECK_LIBS)

AM_TESTS_ENVIRONMENT = \
  for name in `env | sed -n 's/^\(HAKMEM_[A-Za-z0-9_]*\)=.*/\1/p'`; do unset $$name; done; \
  HAK_TEST_LIBRARY='$(test_library)'; export HAK_TEST_LIBRARY; \
  HAK_TEST_ARCHIVE='$(test_archive)'; export HAK_TEST_ARCHIVE; \
  HAK_TEST_PRELOAD='$(test_preload)'; export HAK_TEST_PRELOAD; \
  HAK_TEST_TOOL='$(test_tool)'; export HAK_TEST_TOOL; \
  HAK_TEST_SRCDIR='$(abs_srcdir)'; export HAK_TEST_SRCDIR; \
  HAK_TEST_BUILDDIR='$(abs_builddir)'; export HAK_TEST_BUILDDIR; \
  HAK_TEST_CC='$(CC) $(CFLAGS) $(SANITIZER_FLAGS)'; export HAK_TEST_CC; \
  HAK_TEST_SANITIZER='$(SANITIZER)'; export HAK_TEST_SANITIZER; \
  HAK_TEST_CONF='$(conf_path)'; export HAK_TEST_CONF; \
  NM='$(NM)'; export NM;
# These can be set on the command line, to test what is installed.
if TOOLS
test_tool = $(abs_builddir)/tools/hakmemctl
endif
test_library = $(abs_builddir)/src/.libs/libhakmem.so.0
if ENABLE_STATIC
test_archive = $(abs_builddir)/src/libhakmem.a
endif
if INTERPOSER
test_preload = $(abs_builddir)/src/libhakmem-preload.so
endif

# Programs in check_PROGRAMS that are started by another test go to check_PROGRAMS only.
unit_tests =
EXTRA_DIST += tests/README tests/emulated.h tests/unit/unit.h tests/unit/core.h

# ---- unit tests: tests/unit/check_<module>.c
if HAVE_CHECK
unit_tests += tests/unit/check_options
tests_unit_check_options_SOURCES = tests/unit/check_options.c

unit_tests += tests/unit/check_conf
tests_unit_check_conf_SOURCES = tests/unit/check_conf.c

unit_tests += tests/unit/check_constant
tests_unit_check_constant_SOURCES = tests/unit/check_constant.c

unit_tests += tests/unit/check_message
tests_unit_check_message_SOURCES = tests/unit/check_message.c

unit_tests += tests/unit/check_trace
tests_unit_check_trace_SOURCES = tests/unit/check_trace.c

unit_tests += tests/unit/check_counters
tests_unit_check_counters_SOURCES = tests/unit/check_counters.c

unit_tests += tests/unit/check_os
tests_unit_check_os_SOURCES = tests/unit/check_os.c

unit_tests += tests/unit/check_lock
tests_unit_check_lock_SOURCES = tests/unit/check_lock.c

unit_tests += tests/unit/check_metadata
tests_unit_check_metadata_SOURCES = tests/unit/check_metadata.c

unit_tests += tests/unit/check_api
tests_unit_check_api_SOURCES = tests/unit/check_api.c

unit_tests += tests/unit/check_report
tests_unit_check_report_SOURCES = tests/unit/check_report.c

unit_tests += tests/unit/check_ace_decide
tests_unit_check_ace_decide_SOURCES = tests/unit/check_ace_decide.c

unit_tests += tests/unit/check_ace
tests_unit_check_ace_SOURCES = tests/unit/check_ace.c

unit_tests += tests/unit/check_cgroup
tests_unit_check_cgroup_SOURCES = tests/unit/check_cgroup.c

unit_tests += tests/unit/check_standard_error
tests_unit_check_standard_error_SOURCES = tests/unit/check_standard_error.c

unit_tests += tests/unit/check_limit
tests_unit_check_limit_SOURCES = tests/unit/check_limit.c

unit_tests += tests/unit/check_limit_process
tests_unit_check_limit_process_SOURCES = tests/unit/check_limit_process.c

unit_tests += tests/unit/check_mapping_cache
tests_unit_check_mapping_cache_SOURCES = tests/unit/check_mapping_cache.c

unit_tests += tests/unit/check_huge
tests_unit_check_huge_SOURCES = tests/unit/check_huge.c

unit_tests += tests/unit/check_bad_free
tests_unit_check_bad_free_SOURCES = tests/unit/check_bad_free.c

unit_tests += tests/unit/check_foreign
tests_unit_check_foreign_SOURCES = tests/unit/check_foreign.c

unit_tests += tests/unit/check_align
tests_unit_check_align_SOURCES = tests/unit/check_align.c

unit_tests += tests/unit/check_size_class
tests_unit_check_size_class_SOURCES = tests/unit/check_size_class.c

unit_tests += tests/unit/check_purge
tests_unit_check_purge_SOURCES = tests/unit/check_purge.c
unit_tests += tests/unit/check_patience
tests_unit_check_patience_SOURCES = tests/unit/check_patience.c

unit_tests += tests/unit/check_registry
tests_unit_check_registry_SOURCES = tests/unit/check_registry.c

unit_tests += tests/unit/check_superslab
tests_unit_check_superslab_SOURCES = tests/unit/check_superslab.c

unit_tests += tests/unit/check_superslab_keep
tests_unit_check_superslab_keep_SOURCES = tests/unit/check_superslab_keep.c

unit_tests += tests/unit/check_slab
tests_unit_check_slab_SOURCES = tests/unit/check_slab.c

unit_tests += tests/unit/check_heap_states
tests_unit_check_heap_states_SOURCES = tests/unit/check_heap_states.c

unit_tests += tests/unit/check_allocator_parked
tests_unit_check_allocator_parked_SOURCES = tests/unit/check_allocator_parked.c

unit_tests += tests/unit/check_heap_park
tests_unit_check_heap_park_SOURCES = tests/unit/check_heap_park.c

unit_tests += tests/unit/check_heap
tests_unit_check_heap_SOURCES = tests/unit/check_heap.c

unit_tests += tests/unit/check_remote
tests_unit_check_remote_SOURCES = tests/unit/check_remote.c

unit_tests += tests/unit/check_abandoned
tests_unit_check_abandoned_SOURCES = tests/unit/check_abandoned.c

unit_tests += tests/unit/check_thread
tests_unit_check_thread_SOURCES = tests/unit/check_thread.c

unit_tests += tests/unit/check_thread_late
tests_unit_check_thread_late_SOURCES = tests/unit/check_thread_late.c

unit_tests += tests/unit/check_allocator
tests_unit_check_allocator_SOURCES = tests/unit/check_allocator.c

unit_tests += tests/unit/check_allocator_bad
tests_unit_check_allocator_bad_SOURCES = tests/unit/check_allocator_bad.c

unit_tests += tests/unit/check_realloc
tests_unit_check_realloc_SOURCES = tests/unit/check_realloc.c

unit_tests += tests/unit/check_process
tests_unit_check_process_SOURCES = tests/unit/check_process.c

unit_tests += tests/unit/check_fork
tests_unit_check_fork_SOURCES = tests/unit/check_fork.c

unit_tests += tests/unit/check_fork_first
tests_unit_check_fork_first_SOURCES = tests/unit/check_fork_first.c

unit_tests += tests/unit/check_publish
tests_unit_check_publish_SOURCES = tests/unit/check_publish.c

unit_tests += tests/unit/check_figures
tests_unit_check_figures_SOURCES = tests/unit/check_figures.c

unit_tests += tests/unit/check_profile
tests_unit_check_profile_SOURCES = tests/unit/check_profile.c
tests_unit_check_profile_LDADD = $(LDADD) -lm

unit_tests += tests/unit/check_profile_write
tests_unit_check_profile_write_SOURCES = tests/unit/check_profile_write.c
endif
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

# ---- the tree and what was built from it
dist_check_SCRIPTS += tests/check-layers
TESTS += tests/check-layers

dist_check_SCRIPTS += tests/check-exports
TESTS += tests/check-exports

dist_check_SCRIPTS += tests/check-man
TESTS += tests/check-man

# ---- the large tests, each folder's in its own part
include tests/property/local.mk
include tests/fault/local.mk
include tests/hazards/local.mk
include tests/preload/local.mk
include tests/options/local.mk
include tests/bench/local.mk
include tests/misuse/local.mk
include tests/model/local.mk
include tests/tools/local.mk
include tests/pages/local.mk
