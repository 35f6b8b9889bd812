#!/bin/sh
# inspect.sh - what hakmemctl tells of settings and of running processes: options, check, ps, stat.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"

# ---- options and check

# option NAME [ARGUMENT...]: the line of "hakmemctl options" for it.
option() {
  name=$1
  shift
  "$tool" options "$@" | grep "^HAKMEM_$name=" || fail "no option $name"
}

test_options_tells_where_a_value_comes_from() {
  printf 'MODE=minimal\nTHP=never\nexclude = firefox\n[program: nginx]\nWHALE_SLOTS=3\n' >"$tmp/conf"
  expect_equal built-in "$(option DEEPBIND --file "$tmp/conf")" "HAKMEM_DEEPBIND=strip  (default)"
  expect_equal file "$(option THP --file "$tmp/conf")" "HAKMEM_THP=never  ($tmp/conf:2)"
  expect_equal preset "$(option WHALE --file "$tmp/conf")" "HAKMEM_WHALE=0  (mode)"
  expect_equal environment "$(HAKMEM_THP=always option THP --file "$tmp/conf")" "HAKMEM_THP=always  (environment)"
  expect_equal "of no program" "$(option WHALE_SLOTS --file "$tmp/conf")" "HAKMEM_WHALE_SLOTS=8  (default)"
  expect_equal section "$(option WHALE_SLOTS --file "$tmp/conf" --program nginx)" "HAKMEM_WHALE_SLOTS=3  ($tmp/conf:5)"
  expect_equal "section by path" "$(option WHALE_SLOTS --file "$tmp/conf" -p /usr/sbin/nginx)" "HAKMEM_WHALE_SLOTS=3  ($tmp/conf:5)"
  expect_equal excluded "$(option FORCE_LIBC_ALLOC --file "$tmp/conf" -p firefox)" "HAKMEM_FORCE_LIBC_ALLOC=1  ($tmp/conf:3)"
  expect_equal "without a value" "$(option LOG_FILE --file "$tmp/none")" "HAKMEM_LOG_FILE=  (default: standard error)"
}

test_options_are_all_of_them() {
  count=$("$tool" options --file "$tmp/none" | grep -c '^HAKMEM_')
  expect "$count" -ge 27 "options"
  expect_equal "options in hakmem(7)" "$(sed -n '/BEGIN OPTIONS/,/END OPTIONS/p' "$HAK_TEST_SRCDIR/man/hakmem.7" | grep -c '^\.BR HAKMEM_')" "$count"
  expect_equal "lines of help" "$("$tool" options --file "$tmp/none" | awk '/^HAKMEM_/ { n = 0; next } n++ == 0 { c++ } END { print c }')" "$count"
  need python3
  printf 'THP=never\nhello\n' >"$tmp/conf"
  HAKMEM_STATS_DIR='/a"b' "$tool" options --json --file "$tmp/conf" --program 'x"y' >"$tmp/json" 2>"$tmp/err"
  python3 -c '
import json, sys
data = json.load(open(sys.argv[1]))
rows = {row["name"]: row for row in data["options"]}
assert len(rows) == int(sys.argv[2]) and data["program"] == "x\"y" and data["mistakes"] == 1 and data["file_exists"]
assert rows["HAKMEM_THP"]["value"] == "never" and rows["HAKMEM_THP"]["source"] == "file" and rows["HAKMEM_THP"]["line"] == 1
assert rows["HAKMEM_STATS_DIR"]["value"] == "/a\"b" and rows["HAKMEM_STATS_DIR"]["source"] == "environment"
assert all(row["help"] and row["accepted"] and row["default"] for row in rows.values())' "$tmp/json" "$count"
  grep -q 'hakmemctl check' "$tmp/err" || fail "the mistake is not mentioned"
}

test_check_names_everything() {
  : >"$tmp/conf"
  expect_equal "an empty file" "$("$tool" check "$tmp/conf")" ""
  expect_equal "the file that is shipped" "$("$tool" check "$HAK_TEST_SRCDIR/hakmem.conf")" ""
  printf 'WHALE=maybe\n[program: other]\nX=1\n[nonsense]\nTHP=never\nDEBUG_LEVEL=0\n' >"$tmp/conf"
  status=0
  HAKMEM_MODE=quick HAKMEM_Y=2 "$tool" check "$tmp/conf" >"$tmp/out" || status=$?
  expect_equal status "$status" 1
  # (The order of an environment is not known.)
  cut -d' ' -f1-2 "$tmp/out" | sed "s|$tmp/||" | sort -s -k1,1 >"$tmp/sorted"
  { grep conf "$tmp/sorted"; grep environment "$tmp/sorted" | sort; } >"$tmp/places"
  cat >"$tmp/wanted" <<END
conf:1: HAKMEM_WHALE=maybe:
conf:3: HAKMEM_X=1:
conf:4: not
environment: HAKMEM_MODE=quick:
environment: HAKMEM_Y=2:
END
  diff "$tmp/wanted" "$tmp/places"
  status=0
  "$tool" check "$tmp/none" >"$tmp/out" || status=$?
  expect_equal "status without the file" "$status $(cat "$tmp/out")" "1 $tmp/none: there is no such file"
  echo "STATS_DIR=$tmp/none" >"$tmp/conf"
  status=0
  "$tool" check "$tmp/conf" >"$tmp/out" || status=$?
  expect_equal "without the folder for figures" "$status $(cat "$tmp/out")" \
    "1 STATS_DIR: there is no folder $tmp/none; no figures are published"
  "$tool" check / >"$tmp/out" && fail "a folder is in order"
  expect_equal "a folder" "$(cat "$tmp/out")" "/: is not a regular file; it is ignored"
}

# ---- ps and stat

# started [NAME=VALUE...] COMMAND...: runs it on the library in the background, until it has written its first line, its
# process id.
started() {
  mkfifo "$tmp/line" "$tmp/end"
  preloaded "$@" >"$tmp/line" <>"$tmp/end" &
  job=$!
  exec 7<"$tmp/line"
  read -r process <&7
}
ended() {
  echo >"$tmp/end"
  exec 7<&-
  wait "$job"
  rm -f "$tmp/line" "$tmp/end"
}
# A program that allocates, says so and waits.
waiting='my @a = map { "x" x 3000 } 1 .. 2000; $| = 1; print "$$\n"; <STDIN>'

needs_a_process() {
  need_preload_or_skip
  need perl python3
  need_machine
}
need_preload_or_skip() { [ -z "$HAK_TEST_SANITIZER" ] && [ -e "$HAK_TEST_PRELOAD" ] || skip "no interposer in this build"; }

test_ps_and_stat_of_a_process_that_publishes() {
  needs_a_process
  mkdir "$tmp/figures"
  started HAKMEM_STATS_DIR="$tmp/figures" perl -e "$waiting"
  "$tool" ps >"$tmp/ps"
  "$tool" ps --json >"$tmp/ps.json"
  "$tool" stat "$process" >"$tmp/stat"
  "$tool" stat --json "$process" >"$tmp/stat.json"
  kill -0 "$process"
  ended
  cat "$tmp/ps" "$tmp/stat"
  grep -q "^ *$process 0\.[0-9.]* .* perl\$" "$tmp/ps" || fail "ps does not list it"
  python3 -c '
import json, sys
pid = int(sys.argv[1])
row = [r for r in json.load(open(sys.argv[2])) if r["pid"] == pid][0]
stat = json.load(open(sys.argv[3]))
assert row["program"] == stat["program"] == "perl" and row["as"] == "interposer" and row["published"]
assert row["version"] == stat["version"] and row["rss"] > 6000000, row
# 2000 strings of 3000 bytes; the last slow paths may not be in it yet.
assert 4000000 < stat["live_bytes"] < 20000000, stat["live_bytes"]
assert stat["live_bytes"] == sum(t["live_bytes"] for t in stat["tiers"].values())
assert stat["held_bytes"] >= stat["live_bytes"] and stat["live_peak"] >= stat["live_bytes"]
assert sum(c["live_blocks"] for c in stat["classes"] if 3000 <= c["size"] < 4096) > 1000
assert stat["counters"]["refills"] > 10 and stat["counters"]["invalid_frees"] == 0
assert all(stat[name] == 0 for name in stat if name.startswith(("limit_", "ace_"))) and "ace_mode" in stat
assert sorted(stat["tiers"]) == ["huge", "l25", "mid", "tiny"]' "$process" "$tmp/ps.json" "$tmp/stat.json"
  # It is gone from the file at its end.
  ! "$tool" ps | grep "^ *$process " || fail "ps still lists it"
}

test_stat_shows_the_limit_and_the_controller() {
  needs_a_process
  mkdir "$tmp/figures"
  started HAKMEM_STATS_DIR="$tmp/figures" HAKMEM_MEMORY_LIMIT_MB=2 HAKMEM_DEBUG_LEVEL=0 HAKMEM_ACE=freeze HAKMEM_PURGE_DELAY_MS=77 \
    perl -e "$waiting"
  "$tool" stat "$process" >"$tmp/stat"
  "$tool" stat --json "$process" >"$tmp/stat.json"
  ended
  cat "$tmp/stat"
  grep -q '^limit_bytes  *2097152$' "$tmp/stat" || fail "no limit"
  grep -q '^ace_mode  *2$' "$tmp/stat" || fail "no controller"
  ! grep -q '^limit_refused' "$tmp/stat" || fail "nothing has been refused"
  python3 -c '
import json, sys
stat = json.load(open(sys.argv[1]))
assert stat["limit_bytes"] == 2 << 20 and stat["limit_passes"] >= 1 and stat["limit_mapped_bytes"] == 0, stat
assert stat["ace_mode"] == 2 and stat["ace_trials"] == 0 and stat["ace_purge_delay_ms"] == 77, stat' "$tmp/stat.json"
}

# Of a process that has changed its root since, as servers do; under that root the file has no name.
test_figures_of_a_process_in_a_chroot() {
  needs_a_process
  need_root
  mkdir "$tmp/figures" "$tmp/jail"
  started HAKMEM_STATS_DIR="$tmp/figures" perl -e 'chroot $ARGV[0] or die "chroot: $!\n"; chdir "/";'" $waiting" "$tmp/jail"
  "$tool" stat --json "$process" >"$tmp/stat.json" || fail "no figures"
  ended
  python3 -c 'import json, sys; stat = json.load(open(sys.argv[1])); assert stat["live_bytes"] > 4000000' "$tmp/stat.json"
}

test_processes_without_figures() {
  needs_a_process
  started perl -e "$waiting"
  "$tool" ps >"$tmp/ps"
  "$tool" ps --json >"$tmp/ps.json"
  refused 1 "process $process (perl) publishes no figures" "$tool" stat "$process"
  ended
  grep -q "^ *$process - .* - .* perl\$" "$tmp/ps" || { cat "$tmp/ps"; fail "ps does not list it"; }
  python3 -c '
import json, sys
row = [r for r in json.load(open(sys.argv[2])) if r["pid"] == int(sys.argv[1])][0]
assert not row["published"] and row["version"] is None and row["rss"] > 6000000 and "live_bytes" not in row' "$process" "$tmp/ps.json"
}

test_stat_of_others() {
  refused 1 "process $$ does not run on libhakmem" "$tool" stat $$
  (exit 0) &
  gone=$!
  wait $gone
  refused 1 "there is no process $gone" "$tool" stat $gone
  refused 1 "there is no process 99999999" "$tool" stat 99999999
}

# A file of figures that somebody else has written must not harm the reader.
test_bad_figures() {
  needs_a_process
  mkdir "$tmp/figures"
  file=$tmp/figures/hakmem-figures.$(id -u)
  started HAKMEM_STATS_DIR="$tmp/figures" perl -e "$waiting"
  cp "$file" "$tmp/good"
  python3 -c '
import os, random, sys
random.seed(1)
good = open(sys.argv[1], "rb").read()
for round in range(30):
    data = bytearray(good)
    if round < 5: data[0:4096] = os.urandom(4096)
    elif round < 15: data[4096:] = os.urandom(len(data) - 4096)
    else:
        for i in range(2000): data[random.randrange(4096, len(data))] = random.randrange(256)
    with open(sys.argv[2], "r+b") as out: out.write(data)
    for words in (["ps"], ["ps", "--json"], ["stat", sys.argv[4]]):
        status = os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", "exec \"$0\" \"$@\" 2>&1 | LC_ALL=C grep -c [^[:print:]] >&2; true", sys.argv[3]] + words)
        assert status == 0
  ' "$tmp/good" "$file" "$tool" "$process" 2>"$tmp/counts"
  sort -u "$tmp/counts"
  expect_equal "lines with other than printable characters" "$(sort -u "$tmp/counts")" 0
  cat "$tmp/good" >"$file"
  "$tool" stat "$process" >"$tmp/out"
  ended
}

run_tests "$@"
