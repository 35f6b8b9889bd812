# ---- property tests: random operations against a shadow model
if HAVE_CHECK
check_PROGRAMS += tests/property/check_shadow
tests_property_check_shadow_SOURCES = tests/property/check_shadow.c tests/property/shadow.c tests/property/shadow.h
TESTS += tests/property/check_shadow
endif
