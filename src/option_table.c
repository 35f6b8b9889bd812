/* option_table.c - the settings, one row each. */
#include <config.h>
#include "option_table.h"
#include "message.h"

#define BYTES_MAX ((int64_t)1 << 40)

#define AT(member) offsetof(struct option_values, member)
#define SWITCH(name, member, standard, help) \
  { name, KIND_WORD, AT(member), standard, SAME, SAME, 0, 1, "0 1", "0, 1", #standard, help }

const struct option_definition option_table[OPTION_ROWS] = {
  { "MODE", KIND_WORD, AT(mode), MODE_BALANCED, SAME, SAME, 0, 0, "balanced fast minimal",
    "balanced, fast, minimal", "balanced",
    "Preset of other options; one that is set by itself wins. "
    "fast: BIGCACHE_MAX_MB=1024, WHALE_SLOTS=32, PURGE_DELAY_MS=1000, SUPERSLAB_MAX_CACHED=64. "
    "minimal: BIGCACHE=0, WHALE=0, PURGE_DELAY_MS=0, SUPERSLAB_MAX_CACHED=0." },
  SWITCH("FORCE_LIBC_ALLOC", force_libc_alloc, 0, "Sends every call to the C library's malloc."),
  SWITCH("WRAP_TINY", wrap_tiny, 1,
    "Serves requests up to 1 KiB from slabs of their own; 0: the Mid pool serves them."),
  SWITCH("WRAP_POOL", wrap_pool, 1,
    "Serves requests over 1 KiB and up to 32 KiB from the Mid pool; 0: L2.5 serves them."),
  SWITCH("WRAP_L25", wrap_l25, 1,
    "Serves requests over 32 KiB and up to 1 MiB from L2.5; 0: each gets a mapping of its own."),
  { "BIGCACHE", KIND_WORD, AT(bigcache), 1, SAME, 0, 0, 1, "0 1", "0, 1", "1",
    "Keeps freed mappings of 2 MiB and more for reuse." },
  SWITCH("BIGCACHE_L25", bigcache_l25, 0, "BigCache also takes runs and mappings of 512 KiB to 2 MiB."),
  { "BIGCACHE_MAX_MB", KIND_MIB, AT(bigcache_max), 256 << 20, 1 << 30, SAME, 0, BYTES_MAX, "",
    "size in MiB", "256", "The most that BigCache and the whale cache keep together." },
  { "WHALE", KIND_WORD, AT(whale), 1, SAME, 0, 0, 1, "0 1", "0, 1", "1",
    "Keeps a few freed mappings of any size that BigCache did not take." },
  { "WHALE_SLOTS", KIND_NUMBER, AT(whale_slots), 8, 32, SAME, 0, 64, "",
    "0 to 64", "8", "Mappings in the whale cache; the oldest leaves first." },
  SWITCH("BATCH_MADVISE", batch_madvise, 1,
    "Collects free ranges, joins neighbours and gives them back together; 0: one call for each."),
  { "BATCH_MIN_SIZE", KIND_SIZE, AT(batch_min_size), 64 << 10, SAME, SAME, 0, 1 << 30, "",
    "size up to 1G", "64K", "Smaller free ranges wait until they have grown, or until memory is short." },
  { "BATCH_FLUSH_MB", KIND_MIB, AT(batch_flush), 4 << 20, SAME, SAME, 64 << 10, BYTES_MAX, "",
    "size in MiB from 64K", "4",
    "Free pages beyond this are given back without waiting for the delay, at most this much at a time." },
  { "PURGE_DELAY_MS", KIND_NUMBER, AT(purge_delay_ms), 25, 1000, 0, -1, 3600000, "",
    "-1, 0 to 3600000", "25",
    "Milliseconds before free pages go back to the kernel; 0: at once, -1: never." },
  { "MEMORY_LIMIT_MB", KIND_LIMIT, AT(memory_limit), MEMORY_LIMIT_NONE, SAME, SAME, 0, BYTES_MAX, "auto",
    "size in MiB from 1, auto, 0", "0",
    "What is held is to stay below: as it comes near, what is free goes back, kept mappings first. auto: what the control "
    "group (version 2), RLIMIT_AS and RLIMIT_DATA leave. 0: no limit." },
  SWITCH("MEMORY_LIMIT_HARD", memory_limit_hard, 0,
    "Requests that would go beyond MEMORY_LIMIT_MB fail with ENOMEM; 0: none fails because of it."),
  { "SUPERSLAB_MAX_CACHED", KIND_NUMBER, AT(superslab_max_cached), 16, 64, 0, 0, 65536, "",
    "0 to 65536", "16", "Empty SuperSlabs kept, or an eighth of all if that is more; 0: none." },
  { "SS_PREFAULT", KIND_WORD, AT(ss_prefault), PREFAULT_OFF, SAME, SAME, 0, 0, "0 1 2", "0, 1, 2", "0",
    "Fills the pages of a SuperSlab early; 1: the kernel populates them, 2: each is touched." },
  { "THP", KIND_WORD, AT(thp), THP_AUTO, SAME, SAME, 0, 0, "auto inherit always never",
    "auto, inherit, always, never", "auto",
    "Transparent huge pages: auto asks for them only in a heap that is large and dense, "
    "inherit leaves it to the system." },
  { "INVALID_FREE", KIND_WORD, AT(invalid_free), INVALID_SKIP, SAME, SAME, 0, 0, "fallback skip abort",
    "fallback, skip, abort", "fallback (interposer), skip (library)",
    "What happens to a pointer that is no live block: fallback aborts unless it is the C library's, "
    "skip warns and leaks it, abort always aborts." },
  SWITCH("INVALID_FREE_LOG", invalid_free_log, 0,
         "Logs each such pointer, and each one that is forwarded to the C library."),
  { "EXTERNAL_GUARD", KIND_WORD, AT(external_guard), GUARD_POPULATE, SAME, SAME, 0, 0,
    "populate mincore msync off", "populate, mincore, msync, off", "populate",
    "How memory is probed before a foreign pointer is offered to the C library; "
    "mincore and msync take memory without read permission for readable, off does not probe." },
  SWITCH("FREE_ROUTE_TRACE", free_route_trace, 0,
         "Logs the route of each free: its tier, foreign (the C library's) or invalid."),
  SWITCH("SUPER_REG_REQTRACE", super_reg_reqtrace, 0,
    "Logs each insertion into the registry, removal from it, and lookup that missed."),
  { "DEEPBIND", KIND_WORD, AT(deepbind), DEEPBIND_STRIP, SAME, SAME, 0, 0, "strip keep",
    "strip, keep", "strip",
    "Interposer: strip clears RTLD_DEEPBIND in dlopen, so that the process has one malloc." },
  { "STATS", KIND_WORD, AT(stats), STATS_OFF, SAME, SAME, 0, 0, "0 1 json", "0, 1, json", "0",
    "Writes a report when the process exits." },
  { "LOG_FILE", KIND_PATH, 0, 0, SAME, SAME, 0, 0, "",
    "path, %p for the process id", "standard error",
    "Where reports and traces go." },
  { "STATS_DIR", KIND_FOLDER, 0, 0, SAME, SAME, 0, 0, "",
    "path of a folder, from the root", "none",
    "Publishes figures of the running process in a file there, for hakmemctl ps and hakmemctl stat." },
  SWITCH("PROFILE", profile, 0,
    "Takes samples of what is allocated, and from where; a profile is written when the process exits."),
  { "PROFILE_RATE", KIND_SIZE, AT(profile_rate), 512 << 10, SAME, SAME, 1, (int64_t)1 << 36, "",
    "size from 1 to 64G", "512K", "One sample in so many bytes, on average; 1: every request is one." },
  { "PROFILE_FILE", KIND_PROFILE, 0, 0, SAME, SAME, 0, 0, "",
    "path, %p for the process id", OPTION_PROFILE_FILE,
    "Where profiles go, in the format of gperftools; folded stacks if it ends in .folded. Empty: none at exit." },
  { "PROFILE_SIGNAL", KIND_WORD, AT(profile_signal), PROFILE_SIGNAL_NONE, SAME, SAME, 0, 0,
    "none hup usr1 usr2 prof urg winch", "none, hup, usr1, usr2, prof, urg, winch", "none",
    "A signal that has a profile written, with HAKMEM_PROFILE=1." },
  { "PROFILE_LEAKS", KIND_SIZE, AT(profile_leaks), 0, SAME, SAME, 0, BYTES_MAX, "",
    "size, 0", "0",
    "Reports what is still live when the process exits, by stack, where it is that many bytes or more; takes samples "
    "without PROFILE too. 0: no report." },
  { "PROFILE_LEAK_STATUS", KIND_NUMBER, AT(profile_leak_status), 0, SAME, SAME, 0, 255, "",
    "0 to 255", "0", "Exit status of a process whose report of PROFILE_LEAKS is not empty; 0: its own." },
  { "PROFILE_UNWIND", KIND_WORD, AT(profile_unwind), PROFILE_UNWIND_TABLES, SAME, SAME, 0, 0,
    "tables frame-pointers", "tables, frame-pointers", "tables",
    "How callers are found: by the tables for exceptions, or by frame pointers, which are faster but which most "
    "programs are compiled without." },
  { "ACE", KIND_WORD, AT(ace), ACE_OFF, SAME, SAME, 0, 0, "off on freeze", "off, on, freeze", "off",
    "Adapts, within bounds, how long and how much free memory is kept to what the program does. "
    "freeze: looks on and logs what it would try, and changes nothing." },
  { "ACE_KEEP_MS", KIND_NUMBER, AT(ace_keep_ms), 500, SAME, SAME, 1, 60000, "",
    "1 to 60000", "500",
    "The price that ACE reckons with: a byte that is faulted again costs as much as that byte kept idle for so many milliseconds." },
  { "ACE_DELAY_MAX_MS", KIND_NUMBER, AT(ace_delay_max_ms), 1000, SAME, SAME, 1, 3600000, "",
    "1 to 3600000", "1000", "ACE sets no PURGE_DELAY_MS beyond it." },
  { "ACE_IDLE_MAX_MB", KIND_MIB, AT(ace_idle_max), 256 << 20, SAME, SAME, 1 << 20, BYTES_MAX, "",
    "size in MiB from 1", "256", "ACE lets no more bytes of free pages, nor of kept mappings beside what the program has, wait." },
  { "ACE_LOG", KIND_ACE_LOG, 0, 0, SAME, SAME, 0, 0, "",
    "path, %p for the process id", "none",
    "Where ACE writes each decision: the time, what it saw, what it changed and why. "
    "Lines are dropped where the reader of a pipe is slow." },
  { "DEBUG_LEVEL", KIND_NUMBER, AT(debug_level), MESSAGE_ERROR, SAME, SAME, 0, 3, "",
    "0 to 3", "1",
    "What is printed: 0 nothing, 1 errors, 2 information, 3 more." },
};

_Static_assert(OPTION_ROWS == sizeof(struct option_values) / sizeof(long) + 4,
               "each member of option_values, LOG_FILE, STATS_DIR, PROFILE_FILE and ACE_LOG have a row");
