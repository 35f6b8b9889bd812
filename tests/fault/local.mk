# ---- fault injection: the kernel refuses
if HAVE_CHECK
check_PROGRAMS += tests/fault/check_fault
tests_fault_check_fault_SOURCES = tests/fault/check_fault.c tests/fault/faults.c tests/fault/faults.h \
  tests/fault/script.c tests/fault/script.h tests/property/shadow.c tests/property/shadow.h
TESTS += tests/fault/check_fault
endif
