# ---- misuse: one tiny program for each kind of bad pointer, and a script that runs them all
# The library's functions and the malloc family are in each: the script chooses, and preloads or not.
misuse_programs = tests/misuse/after_hole tests/misuse/bss tests/misuse/constant \
  tests/misuse/double_free_batched tests/misuse/double_free_huge tests/misuse/double_free_l25 \
  tests/misuse/double_free_mid tests/misuse/double_free_orphan tests/misuse/double_free_other_thread \
  tests/misuse/double_free_parked tests/misuse/double_free_purged tests/misuse/double_free_run tests/misuse/double_free_small \
  tests/misuse/double_free_unmapped tests/misuse/file_past_end tests/misuse/forged_header \
  tests/misuse/function tests/misuse/interior_huge tests/misuse/interior_huge_unit \
  tests/misuse/interior_l25 tests/misuse/interior_mid tests/misuse/interior_small tests/misuse/kernel_half \
  tests/misuse/libc_arena tests/misuse/libc_block tests/misuse/libc_mapping tests/misuse/low_address \
  tests/misuse/never_allocated tests/misuse/non_canonical tests/misuse/odd tests/misuse/odd_huge \
  tests/misuse/past_end tests/misuse/plain_mmap tests/misuse/prot_none tests/misuse/prot_none_edge \
  tests/misuse/stack tests/misuse/unmapped
check_PROGRAMS += $(misuse_programs)
check_LTLIBRARIES += tests/misuse/libmisuse.la
tests_misuse_libmisuse_la_SOURCES = tests/misuse/misuse.c tests/misuse/misuse.h
misuse_add = tests/misuse/libmisuse.la src/libhakmem.la
misuse_flags = $(AM_LDFLAGS) -no-install

tests_misuse_after_hole_SOURCES = tests/misuse/after_hole.c
tests_misuse_after_hole_LDADD = $(misuse_add)
tests_misuse_after_hole_LDFLAGS = $(misuse_flags)
tests_misuse_bss_SOURCES = tests/misuse/bss.c
tests_misuse_bss_LDADD = $(misuse_add)
tests_misuse_bss_LDFLAGS = $(misuse_flags)
tests_misuse_constant_SOURCES = tests/misuse/constant.c
tests_misuse_constant_LDADD = $(misuse_add)
tests_misuse_constant_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_batched_SOURCES = tests/misuse/double_free_batched.c
tests_misuse_double_free_batched_LDADD = $(misuse_add)
tests_misuse_double_free_batched_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_huge_SOURCES = tests/misuse/double_free_huge.c
tests_misuse_double_free_huge_LDADD = $(misuse_add)
tests_misuse_double_free_huge_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_l25_SOURCES = tests/misuse/double_free_l25.c
tests_misuse_double_free_l25_LDADD = $(misuse_add)
tests_misuse_double_free_l25_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_mid_SOURCES = tests/misuse/double_free_mid.c
tests_misuse_double_free_mid_LDADD = $(misuse_add)
tests_misuse_double_free_mid_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_orphan_SOURCES = tests/misuse/double_free_orphan.c
tests_misuse_double_free_orphan_LDADD = $(misuse_add)
tests_misuse_double_free_orphan_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_other_thread_SOURCES = tests/misuse/double_free_other_thread.c
tests_misuse_double_free_other_thread_LDADD = $(misuse_add)
tests_misuse_double_free_other_thread_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_parked_SOURCES = tests/misuse/double_free_parked.c
tests_misuse_double_free_parked_LDADD = $(misuse_add)
tests_misuse_double_free_parked_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_purged_SOURCES = tests/misuse/double_free_purged.c
tests_misuse_double_free_purged_LDADD = $(misuse_add)
tests_misuse_double_free_purged_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_run_SOURCES = tests/misuse/double_free_run.c
tests_misuse_double_free_run_LDADD = $(misuse_add)
tests_misuse_double_free_run_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_small_SOURCES = tests/misuse/double_free_small.c
tests_misuse_double_free_small_LDADD = $(misuse_add)
tests_misuse_double_free_small_LDFLAGS = $(misuse_flags)
tests_misuse_double_free_unmapped_SOURCES = tests/misuse/double_free_unmapped.c
tests_misuse_double_free_unmapped_LDADD = $(misuse_add)
tests_misuse_double_free_unmapped_LDFLAGS = $(misuse_flags)
tests_misuse_file_past_end_SOURCES = tests/misuse/file_past_end.c
tests_misuse_file_past_end_LDADD = $(misuse_add)
tests_misuse_file_past_end_LDFLAGS = $(misuse_flags)
tests_misuse_forged_header_SOURCES = tests/misuse/forged_header.c
tests_misuse_forged_header_LDADD = $(misuse_add)
tests_misuse_forged_header_LDFLAGS = $(misuse_flags)
tests_misuse_function_SOURCES = tests/misuse/function.c
tests_misuse_function_LDADD = $(misuse_add)
tests_misuse_function_LDFLAGS = $(misuse_flags)
tests_misuse_interior_huge_SOURCES = tests/misuse/interior_huge.c
tests_misuse_interior_huge_LDADD = $(misuse_add)
tests_misuse_interior_huge_LDFLAGS = $(misuse_flags)
tests_misuse_interior_huge_unit_SOURCES = tests/misuse/interior_huge_unit.c
tests_misuse_interior_huge_unit_LDADD = $(misuse_add)
tests_misuse_interior_huge_unit_LDFLAGS = $(misuse_flags)
tests_misuse_interior_l25_SOURCES = tests/misuse/interior_l25.c
tests_misuse_interior_l25_LDADD = $(misuse_add)
tests_misuse_interior_l25_LDFLAGS = $(misuse_flags)
tests_misuse_interior_mid_SOURCES = tests/misuse/interior_mid.c
tests_misuse_interior_mid_LDADD = $(misuse_add)
tests_misuse_interior_mid_LDFLAGS = $(misuse_flags)
tests_misuse_interior_small_SOURCES = tests/misuse/interior_small.c
tests_misuse_interior_small_LDADD = $(misuse_add)
tests_misuse_interior_small_LDFLAGS = $(misuse_flags)
tests_misuse_kernel_half_SOURCES = tests/misuse/kernel_half.c
tests_misuse_kernel_half_LDADD = $(misuse_add)
tests_misuse_kernel_half_LDFLAGS = $(misuse_flags)
tests_misuse_libc_arena_SOURCES = tests/misuse/libc_arena.c
tests_misuse_libc_arena_LDADD = $(misuse_add)
tests_misuse_libc_arena_LDFLAGS = $(misuse_flags)
tests_misuse_libc_block_SOURCES = tests/misuse/libc_block.c
tests_misuse_libc_block_LDADD = $(misuse_add)
tests_misuse_libc_block_LDFLAGS = $(misuse_flags)
tests_misuse_libc_mapping_SOURCES = tests/misuse/libc_mapping.c
tests_misuse_libc_mapping_LDADD = $(misuse_add)
tests_misuse_libc_mapping_LDFLAGS = $(misuse_flags)
tests_misuse_low_address_SOURCES = tests/misuse/low_address.c
tests_misuse_low_address_LDADD = $(misuse_add)
tests_misuse_low_address_LDFLAGS = $(misuse_flags)
tests_misuse_never_allocated_SOURCES = tests/misuse/never_allocated.c
tests_misuse_never_allocated_LDADD = $(misuse_add)
tests_misuse_never_allocated_LDFLAGS = $(misuse_flags)
tests_misuse_non_canonical_SOURCES = tests/misuse/non_canonical.c
tests_misuse_non_canonical_LDADD = $(misuse_add)
tests_misuse_non_canonical_LDFLAGS = $(misuse_flags)
tests_misuse_odd_SOURCES = tests/misuse/odd.c
tests_misuse_odd_LDADD = $(misuse_add)
tests_misuse_odd_LDFLAGS = $(misuse_flags)
tests_misuse_odd_huge_SOURCES = tests/misuse/odd_huge.c
tests_misuse_odd_huge_LDADD = $(misuse_add)
tests_misuse_odd_huge_LDFLAGS = $(misuse_flags)
tests_misuse_past_end_SOURCES = tests/misuse/past_end.c
tests_misuse_past_end_LDADD = $(misuse_add)
tests_misuse_past_end_LDFLAGS = $(misuse_flags)
tests_misuse_plain_mmap_SOURCES = tests/misuse/plain_mmap.c
tests_misuse_plain_mmap_LDADD = $(misuse_add)
tests_misuse_plain_mmap_LDFLAGS = $(misuse_flags)
tests_misuse_prot_none_SOURCES = tests/misuse/prot_none.c
tests_misuse_prot_none_LDADD = $(misuse_add)
tests_misuse_prot_none_LDFLAGS = $(misuse_flags)
tests_misuse_prot_none_edge_SOURCES = tests/misuse/prot_none_edge.c
tests_misuse_prot_none_edge_LDADD = $(misuse_add)
tests_misuse_prot_none_edge_LDFLAGS = $(misuse_flags)
tests_misuse_stack_SOURCES = tests/misuse/stack.c
tests_misuse_stack_LDADD = $(misuse_add)
tests_misuse_stack_LDFLAGS = $(misuse_flags)
tests_misuse_unmapped_SOURCES = tests/misuse/unmapped.c
tests_misuse_unmapped_LDADD = $(misuse_add)
tests_misuse_unmapped_LDFLAGS = $(misuse_flags)

dist_check_SCRIPTS += tests/misuse/run
TESTS += tests/misuse/run
