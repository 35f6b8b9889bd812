# ---- what each option does, seen from outside
option_scripts = tests/options/effects.sh tests/options/bad_options.sh tests/options/memory_limit.sh \
  tests/options/read_only.sh tests/options/conf.sh
EXTRA_DIST += $(option_scripts)
TESTS += $(option_scripts)
if INTERPOSER
check_PROGRAMS += tests/options/option_load
endif
tests_options_option_load_SOURCES = tests/options/option_load.c tests/hazards/status.c $(hazard_common)
tests_options_option_load_LDADD =
