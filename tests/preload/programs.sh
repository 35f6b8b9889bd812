#!/bin/sh
# programs.sh - real programs, with and without the interposer: the same output, the same status.
. "$(dirname "$0")/../lib.sh"
need_preload
fits_the_machine || { echo "SKIP: the machine's programs are of another architecture than the interposer"; exit 77; }

# run_in_folder COMMAND...: runs it in an empty $tmp/run, with its output in files there.
run_in_folder() {
  mkdir "$tmp/run"
  status=0
  (cd "$tmp/run" && "$@" <"$tmp/input" >out 2>err) || status=$?
}

# same COMMAND...: runs it twice and compares standard output, status and the files that it left ($tmp/ours
# has them afterwards). Input, if any, is $tmp/input. The interposer's malloc must have been in use.
same() {
  rm -rf "$tmp/run" "$tmp/plain" "$tmp/ours" "$tmp"/statistics.*
  [ -e "$tmp/input" ] || : >"$tmp/input"
  run_in_folder "$@"
  plain_status=$status
  mv "$tmp/run" "$tmp/plain"
  run_in_folder preloaded HAKMEM_STATS=json HAKMEM_LOG_FILE="$tmp/statistics.%p" "$@"
  mv "$tmp/run" "$tmp/ours"
  expect_equal "status of $*" "$status" "$plain_status"
  diff -r "$tmp/plain" "$tmp/ours" >"$tmp/difference" || { head -n 20 "$tmp/difference"; fail "$* differs"; }
  # dash ends by _exit, without a report.
  [ "$1" = sh ] || was_in_use || fail "the interposer was not in use in $*"
}

# Of the processes that wrote a report, one at least had its blocks from us.
was_in_use() {
  for file in "$tmp"/statistics.*; do
    [ ! -s "$file" ] || [ "$(json_tier tiny requests "$file")" = 0 ] || return 0
  done
  return 1
}

text() {
  awk 'BEGIN { srand(7); for (i = 0; i < 30000; i++) printf "%d line %d of %x\n", rand() * 1000000, i, rand() * 65536 }' \
    >"$tmp/input"
}

test_sh() { need sh; same sh -c 'for i in 1 2 3 4 5; do echo "$i: $(echo "$i" | sed s/1/one/)"; done; exit 3'; }

test_bash() {
  need bash
  same bash -c 'declare -A map; for i in {1..20000}; do map[key$i]=value$((i * i)); done; echo "${#map[@]} ${map[key777]}"
    words=(); while read -r line; do words+=("$line"); done < <(printf "%s\n" {1..3000}); echo "${words[@]}" | cksum
    printf "%s\n" "${!map[@]}" | sort | cksum; exit 5'
}

test_python3() {
  need python3
  cat >"$tmp/program.py" <<'END'
import collections, hashlib, json, random, re, threading, zlib
random.seed(5)
words = ["".join(random.choices("abcdefgh", k=random.randint(1, 40))) for _ in range(60000)]
count = collections.Counter(word[:3] for word in words)
print(sorted(count.items())[:20])
print(hashlib.sha256("".join(sorted(words)).encode()).hexdigest())
data = json.dumps({str(i): words[i:i + 5] for i in range(0, 20000, 3)})
print(len(json.loads(data)), zlib.crc32(zlib.compress(data.encode(), 9)), len(re.findall("abc+", data)))
sums = [0] * 6
def work(number):
    for i in range(20000):
        sums[number] += len([None] * (i % 300)) + len(bytes(i % 5000))
threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sums)
big = [bytearray(random.randint(1, 3000000)) for _ in range(100)]
print(sum(map(len, big)))
END
  # Python's own allocator is left out: every object is a call.
  same env PYTHONMALLOC=malloc PYTHONHASHSEED=1 PYTHONDONTWRITEBYTECODE=1 python3 "$tmp/program.py"
  same env PYTHONHASHSEED=1 PYTHONDONTWRITEBYTECODE=1 python3 "$tmp/program.py"
}

test_python3_forks_and_runs_processes() {
  need python3
  cat >"$tmp/program.py" <<'END'
import multiprocessing, os, subprocess
def work(n): return sum(len("x" * i) for i in range(n))
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(work, range(0, 3000, 100)))
    print([subprocess.run(["echo", str(i)], capture_output=True, text=True).stdout for i in range(20)])
END
  same env PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 python3 "$tmp/program.py"
}

test_perl() {
  need perl
  text
  cat >"$tmp/program.pl" <<'END'
use strict; use warnings;
my (%count, @lines);
while (<STDIN>) { push @lines, $_; $count{$_}++ for split /\W+/; }
print join(",", map { "$_=$count{$_}" } (sort keys %count)[0 .. 200]), "\n";
my $text = join "", sort @lines;
$text =~ s/(\d+)/<$1>/g;
print length $text, " ", unpack("%32C*", $text), "\n";
my @tree; for my $i (1 .. 50000) { my $node = { left => $tree[-1], value => [1 .. $i % 7] }; push @tree, $node if $i % 10 == 0; }
print scalar(@tree), "\n";
END
  same env PERL_HASH_SEED=0 perl "$tmp/program.pl"
}

test_sqlite3() {
  need sqlite3
  cat >"$tmp/input" <<'END'
create table t (id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
  insert into t select i, 'name ' || (i * 7919 % 10007) || hex(zeroblob(i % 50)), i * 1.5 from n;
create index t_name on t (name);
select count(*), sum(value), max(name), min(name) from t;
select name, count(*) from t group by name order by 2 desc, 1 limit 30;
select a.id, b.id from t a join t b on a.name = b.name and a.id < b.id order by 1, 2 limit 50;
delete from t where id % 3 = 0;
vacuum;
select count(*), total(length(name)) from t;
pragma integrity_check;
END
  same sqlite3 test.db
}

c_program() {
  cat >"$tmp/p.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
int main(void) {
  char *text[500];
  for (int i = 0; i < 500; i++) { text[i] = malloc(30); sprintf(text[i], "number %d", i * 7919 % 503); }
  qsort(text, 500, sizeof *text, compare);
  for (int i = 0; i < 500; i += 50) puts(text[i]);
  return 0;
}
END
}

test_gcc() {
  need gcc
  c_program
  same gcc -O2 -g -o program "$tmp/p.c"
  cp "$tmp/ours/program" "$tmp/program"
  same "$tmp/program"
}

test_gcc_passes_and_link_time_optimization() {
  need gcc
  c_program
  same sh -c "gcc -O1 -S -o - '$tmp/p.c' && gcc -O3 -flto -o p '$tmp/p.c' && ./p"
}

test_cxx() {
  need g++
  cat >"$tmp/p.cc" <<'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <thread>
#include <vector>
int main() {
  std::map<std::string, std::vector<int>> index;
  for (int i = 0; i < 20000; i++) index["key" + std::to_string(i * 7919 % 1009)].push_back(i);
  std::vector<std::thread> threads;
  std::vector<long> sums(4);
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&, t] { for (int i = 0; i < 20000; i++) sums[t] += std::string(i % 300, 'x').size(); });
  for (auto &thread : threads) thread.join();
  std::regex pattern("key1([0-9])+");
  std::cout << index.size() << ' ' << std::count_if(index.begin(), index.end(), [&](auto &e) {
    return std::regex_match(e.first, pattern); }) << ' ' << sums[3] << '\n';
  try { throw std::runtime_error("thrown"); } catch (const std::exception &e) { std::cout << e.what() << '\n'; }
}
END
  same g++ -std=c++17 -O1 -pthread -o program "$tmp/p.cc"
  cp "$tmp/ours/program" "$tmp/program"
  same "$tmp/program"
}

test_clang() {
  need clang
  c_program
  same clang -O2 -o program "$tmp/p.c"
}

test_sort() {
  need sort
  text
  same sort "$tmp/input"
  same sort -n -r -k 3 -S 200K -T "$tmp" --parallel=4
  same sh -c 'sort -u -k 1,1 | wc -l'
}

test_tar_and_compressors() {
  need tar xz gzip
  mkdir -p "$tmp/tree/a/b"
  for i in 1 2 3 4 5 6 7 8; do seq "$i" $((i * 3000)) >"$tmp/tree/a/file$i"; cp /bin/sh "$tmp/tree/a/b/sh$i"; done
  same tar -C "$tmp" --sort=name --mtime=@0 --owner=0 --group=0 -cf tree.tar tree
  same tar -C "$tmp" --sort=name --mtime=@0 --owner=0 --group=0 -I 'gzip -n' -cf tree.tar.gz tree
  same tar -C "$tmp" --sort=name --mtime=@0 --owner=0 --group=0 -I 'xz -T 2 -2' -cf tree.tar.xz tree
  cp "$tmp/ours/tree.tar.xz" "$tmp/tree.tar.xz"
  same tar -xf "$tmp/tree.tar.xz"
  diff -r "$tmp/tree" "$tmp/ours/tree"
}

test_xz() {
  need xz
  text
  same xz -T 4 -3 -c
  cp "$tmp/ours/out" "$tmp/text.xz"
  same xz -d -c "$tmp/text.xz"
}

test_find_grep_sed_awk() {
  need find grep sed awk
  same sh -c 'find /etc -maxdepth 2 2>/dev/null | sort | head -n 300'
  text
  same grep -E '(1|2)+3.*of [a-f]+' "$tmp/input"
  same sed -E 's/([0-9]+) line/line \1/; /7$/d'
  same awk '{ sum[$1 % 1000] += $3; text = text $5 } END { for (i = 0; i < 1000; i++) print i, sum[i]; print length(text) }'
}

test_git() {
  need git
  cat >"$tmp/run.sh" <<'END'
export HOME=$PWD GIT_AUTHOR_DATE='2026-01-01 00:00:00 +0000' GIT_COMMITTER_DATE='2026-01-01 00:00:00 +0000'
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q repository && cd repository
for i in 1 2 3 4 5 6 7 8; do seq $((i * 1000)) >file$i; git add . ; git commit -q -m "commit $i"; done
git log --stat --format='%H %s' && git gc -q && git fsck --strict 2>/dev/null; cd .. && rm -rf repository
END
  same sh "$tmp/run.sh"
}

test_dpkg() {
  need dpkg-query
  same dpkg-query -W -f '${Package} ${Version}\n'
}

test_small_programs() {
  for command in "id -un" "date -u -d @0" "ls -lR /usr/share/doc/libc6" "ps -o comm= -p 1" "getent passwd root" "locale" \
    "openssl version" "make --version" "env -i echo x" "m4 --version" "file /bin/sh"; do
    command -v ${command%% *} >/dev/null 2>&1 || continue
    $command >"$tmp/plain" 2>&1 || continue
    preloaded $command >"$tmp/ours" 2>&1 || fail "$command"
    cmp "$tmp/plain" "$tmp/ours" || fail "$command differs"
  done
}

run_tests "$@"
