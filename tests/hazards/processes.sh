#!/bin/sh
# processes.sh - fork, vfork, threads' ends, exit, signals.
. "$(dirname "$0")/../lib.sh"
need_preload

test_fork_in_a_threaded_program() {
  preloaded timeout 300 "$(program hazards/fork_threads)" "${HAK_TEST_FORKS:-2000}"
}

test_fork_with_purges_at_once() {
  preloaded HAKMEM_PURGE_DELAY_MS=0 HAKMEM_SUPERSLAB_MAX_CACHED=0 timeout 300 "$(program hazards/fork_threads)" 250
}

test_fork_without_tiers() {
  preloaded HAKMEM_WRAP_TINY=0 HAKMEM_WRAP_POOL=0 timeout 300 "$(program hazards/fork_threads)" 150
}

test_vfork_spawn_clone() {
  "$(program hazards/spawn)" 2>"$tmp/err" || need_no_emulator "it has no clone that shares memory"
  preloaded timeout 100 "$(program hazards/spawn)"
}

test_thread_exit() {
  need_no_emulator "what is resident is its own"
  preloaded timeout 200 "$(program hazards/thread_exit)"
}

test_late_exit_handlers() {
  preloaded "$(program hazards/late_exit)" 2>"$tmp/err"
  expect_equal "standard error" "$(cat "$tmp/err")" "handlers done"
}

test_signal_handler_allocates() { preloaded timeout 100 "$(program hazards/signal_handler)"; }

test_report_spares_a_reused_fd_2() {
  # The program's own file has the number 2 at exit.
  preloaded HAKMEM_STATS=1 "$(program hazards/closed_stderr)" "$tmp/payload" 2>"$tmp/err"
  expect_equal "the program's file" "$(cat "$tmp/payload")" "payload"
  [ -s "$tmp/err" ] || fail "the report did not reach the first standard error"
  preloaded "$(program hazards/closed_stderr)" "$tmp/payload" 2>"$tmp/err"
  expect_equal "the program's file" "$(cat "$tmp/payload")" "payload"
  expect_equal "standard error without a report" "$(cat "$tmp/err")" ""
}

test_report_spares_what_sort_writes() {
  need_machine
  need sort
  printf 'b\nc\na\n' >"$tmp/in"
  preloaded HAKMEM_STATS=1 sort "$tmp/in" -o "$tmp/out" 2>"$tmp/err"
  expect_equal "sorted" "$(tr '\n' ' ' <"$tmp/out")" "a b c "
  preloaded HAKMEM_STATS=1 sort "$tmp/in" 2>&- >"$tmp/out"
  expect_equal "sorted, with fd 2 closed" "$(tr '\n' ' ' <"$tmp/out")" "a b c "
}

test_report_with_all_descriptors_closed() {
  preloaded HAKMEM_STATS=json "$(program hazards/workload)" 100 <&- >&- 2>&- || true
  preloaded HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/log" "$(program hazards/workload)" 100 <&- >&- 2>&- || true
  [ -s "$tmp/log" ] || fail "no report in the file"
}

run_tests "$@"
