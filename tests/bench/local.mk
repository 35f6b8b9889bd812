# ---- the benchmarks run and print what they should
dist_check_SCRIPTS += tests/bench/bench.sh
TESTS += tests/bench/bench.sh
