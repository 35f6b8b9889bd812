# ---- pages of 16 and 64 KiB on a machine that has 4 KiB
check_PROGRAMS += tests/pages/page_size
tests_pages_page_size_SOURCES = tests/pages/page_size.c
tests_pages_page_size_LDADD =
check_LTLIBRARIES += tests/pages/large_pages.la
tests_pages_large_pages_la_SOURCES = tests/pages/large_pages.c
tests_pages_large_pages_la_LDFLAGS = $(AM_LDFLAGS) -module -shared -avoid-version -rpath /nowhere
tests_pages_large_pages_la_LIBADD = -ldl
dist_check_SCRIPTS += tests/pages/pages.sh
TESTS += tests/pages/pages.sh
