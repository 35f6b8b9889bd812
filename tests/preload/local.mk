# ---- the interposer against the C library: programs that say what they see, and a script that compares
preload_programs = tests/preload/transcript tests/preload/whose tests/preload/operator_new
tests_preload_transcript_SOURCES = tests/preload/transcript.c
tests_preload_transcript_LDADD =
tests_preload_whose_SOURCES = tests/preload/whose.c
tests_preload_whose_LDADD = -ldl
tests_preload_operator_new_SOURCES = tests/preload/operator_new.c
tests_preload_operator_new_LDADD = -ldl
if INTERPOSER
check_PROGRAMS += $(preload_programs)
endif
EXTRA_DIST += tests/preload/operators.cc
dist_check_SCRIPTS += tests/preload/check-semantics
TESTS += tests/preload/check-semantics
