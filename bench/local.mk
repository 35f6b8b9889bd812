# The benchmarks. `make bench` builds them (so does `make`); none is installed. README says what they do.

bench_common = bench/common.c bench/common.h
bench_lanes_sources = bench/lanes.c bench/lanes.h bench/latency.c bench/latency.h bench/lanes_churn.c bench/lanes_giveback.c bench/lanes_grow.c \
  bench/lanes_pairs.c bench/lanes_remote.c bench/loops.c bench/loops.h $(bench_common)

# For the allocator of the process: whatever is preloaded, else the C library's.
bench_programs = bench/larson bench/bench_random_mixed bench/bench_lanes bench/bench_phases bench/instruction_loops bench/measure
# For the library by its own names.
bench_hakmem_programs = bench/larson_hakmem bench/bench_random_mixed_hakmem

noinst_PROGRAMS += $(bench_programs) $(bench_hakmem_programs)

bench_larson_SOURCES = bench/larson.c bench/which_malloc.h $(bench_common)
bench_larson_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_HAKMEM=0
bench_larson_LDADD =
bench_bench_random_mixed_SOURCES = bench/random_mixed.c bench/which_malloc.h $(bench_common)
bench_bench_random_mixed_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_HAKMEM=0
bench_bench_random_mixed_LDADD =

# -no-install: a program, not libtool's script in front of it, so that it can be traced and preloaded.
bench_larson_hakmem_SOURCES = $(bench_larson_SOURCES)
bench_larson_hakmem_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_HAKMEM=1
bench_larson_hakmem_LDADD = src/libhakmem.la
bench_larson_hakmem_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_bench_random_mixed_hakmem_SOURCES = $(bench_bench_random_mixed_SOURCES)
bench_bench_random_mixed_hakmem_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_HAKMEM=1
bench_bench_random_mixed_hakmem_LDADD = src/libhakmem.la
bench_bench_random_mixed_hakmem_LDFLAGS = $(AM_LDFLAGS) -no-install

# -fno-plt: a call in the loops is one instruction, however the rest is linked.
bench_bench_lanes_SOURCES = $(bench_lanes_sources)
bench_bench_lanes_CFLAGS = $(AM_CFLAGS) -fno-plt
bench_bench_lanes_LDADD =
bench_bench_phases_SOURCES = bench/phases.c bench/phases.h bench/phases_alone.c bench/phases_threads.c $(bench_common)
bench_bench_phases_LDADD =
bench_instruction_loops_SOURCES = bench/instruction_loops.c bench/loops.c bench/loops.h $(bench_common)
bench_instruction_loops_CFLAGS = $(AM_CFLAGS) -fno-plt
bench_instruction_loops_LDADD =
bench_measure_SOURCES = bench/measure.c $(bench_common)
bench_measure_LDADD =

# A suite of bench/compare, beside phases.c: without a recipe of its own make would compile that one over it.
bench/phases: ;

.PHONY: bench
bench: $(noinst_LTLIBRARIES) $(bench_programs) $(bench_hakmem_programs)

EXTRA_DIST += bench/README bench/allocators.py bench/compare bench/count-instructions bench/footprint bench/plot \
  bench/growth bench/phases bench/results bench/suite bench/table.py bench/workloads.py \
  bench/RESULTS.md bench/stored/suite.json bench/stored/suite.svg bench/stored/growth.json bench/stored/growth.svg \
  bench/stored/profile.svg bench/stored/adapt.json bench/adapt
