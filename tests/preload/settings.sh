#!/bin/sh
# settings.sh - one program of each kind under every setting that changes how memory is handled.
. "$(dirname "$0")/../lib.sh"
need_preload

settings="HAKMEM_MODE=minimal HAKMEM_MODE=fast HAKMEM_FORCE_LIBC_ALLOC=1 HAKMEM_WRAP_TINY=0 HAKMEM_WRAP_POOL=0
HAKMEM_WRAP_L25=0 HAKMEM_BIGCACHE=0 HAKMEM_BIGCACHE_L25=1 HAKMEM_WHALE=0 HAKMEM_BATCH_MADVISE=0 HAKMEM_PURGE_DELAY_MS=0
HAKMEM_PURGE_DELAY_MS=-1 HAKMEM_SUPERSLAB_MAX_CACHED=0 HAKMEM_SS_PREFAULT=1 HAKMEM_SS_PREFAULT=2 HAKMEM_THP=always
HAKMEM_THP=never HAKMEM_THP=inherit HAKMEM_INVALID_FREE=abort HAKMEM_EXTERNAL_GUARD=mincore HAKMEM_DEEPBIND=keep"

# under_settings COMMAND...
under_settings() {
  "$@" >"$tmp/plain" 2>/dev/null
  for setting in $settings; do
    preloaded $setting "$@" >"$tmp/ours" 2>"$tmp/err" || { cat "$tmp/err"; fail "$setting: status $?"; }
    cmp "$tmp/plain" "$tmp/ours" || fail "$setting: the output differs"
    expect_equal "standard error with $setting" "$(cat "$tmp/err")" ""
  done
}

test_workload_under_every_setting() { under_settings "$(program hazards/workload)" 3000; }

test_python3_under_every_setting() {
  need_machine
  need python3
  under_settings env PYTHONMALLOC=malloc python3 -S -c '
import hashlib
d = {str(i): "v" * (i % 2000) for i in range(15000)}
for i in range(0, 15000, 2): del d[str(i)]
print(hashlib.md5("".join(d.values()).encode()).hexdigest())
b = [bytearray(1500000 + i * 50000) for i in range(30)]
print(sum(map(len, b)))'
}

test_perl_under_every_setting() {
  need_machine
  need perl
  under_settings perl -e 'my %h; $h{$_ * 7919 % 30011} .= "x" x ($_ % 100) for 1 .. 30000; my $n = 0; $n += length for values %h; print "$n\n"'
}

test_fork_under_every_setting() {
  need_machine
  need sh sort
  under_settings sh -c 'for i in 1 2 3 4 5 6; do (seq "$i" 2000 | sort -rn | head -n 2) & wait; done'
}

run_tests "$@"
