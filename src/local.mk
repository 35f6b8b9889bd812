# The library, the interposer and the archive, from one list of sources.

# Modules bottom-up; src/README has a line for each.
core_headers = \
  src/align.h src/compiler.h src/lock.h src/message.h \
  src/os.h src/os_call.h src/os_file.h \
  src/cgroup.h src/conf.h src/constant.h src/counters.h src/knobs.h src/libc_door.h src/option_table.h src/options.h src/standard_error.h src/trace.h \
  src/ace_decide.h src/metadata.h src/size_class.h src/tally.h \
  src/ace.h src/limit.h src/limit_inside.h src/mapping_cache.h src/patience.h src/profile_draw.h src/purge.h \
  src/huge.h src/registry.h src/slab.h src/slab_queue.h src/superslab.h \
  src/heap.h src/heap_inside.h src/heap_sample.h src/remote.h \
  src/bad_free.h src/figures.h src/figures_file.h src/fork.h src/process.h src/profile.h src/profile_file.h \
  src/profile_run.h src/profile_stack.h src/profile_table.h src/profile_unwind.h src/profile_write.h src/publish.h \
  src/thread.h \
  src/allocator.h src/fast_path.h \
  src/report.h
# constant.c is linked first: what it aligns to a page is to come before all that shares its section. metadata.c before
# others that are HAK_SPARSE: the metadata of a small process then shares a page with the variables.
core_sources = \
  src/constant.c src/constant_end.c src/metadata.c \
  src/lock.c src/message.c \
  src/os.c src/os_file.c \
  src/cgroup.c src/conf.c src/conf_file.c src/counters.c src/knobs.c src/standard_error.c src/trace.c \
  src/options.c src/option_table.c src/option_read.c src/option_complain.c \
  src/ace_decide.c src/size_class.c src/tally.c \
  src/ace.c src/limit.c src/limit_hard.c src/mapping_cache.c src/patience.c src/profile_draw.c src/purge.c \
  src/huge.c src/registry.c src/slab.c src/slab_park.c src/superslab.c \
  src/abandoned.c src/heap.c src/heap_keep.c src/heap_table.c src/heap_park.c src/heap_pack.c src/heap_life.c src/heap_sample.c src/heap_sums.c src/remote.c \
  src/bad_free.c src/foreign.c src/fork.c src/figures.c src/process.c src/profile.c src/profile_file.c \
  src/profile_leaks.c src/profile_run.c src/profile_stack.c src/profile_table.c src/profile_write.c src/publish.c \
  src/thread.c \
  src/allocator.c src/allocator_realloc.c \
  src/report.c \
  src/hak_api.c
# Who called, as far as configure has found a way.
if UNWIND_LIBGCC
core_sources += src/profile_unwind.c
else
core_sources += src/profile_unwind_none.c
endif
library_sources = src/libc_door_library.c
interposer_headers = src/interpose.h src/interpose_new.h
interposer_sources = src/libc_door_interposer.c src/interpose_malloc.c src/interpose_info.c src/interpose_dl.c \
  src/interpose_new.c src/interpose_new_array.c src/interpose_new_forms.c

# Hidden visibility: what is not in a map does not leave the object, and calls inside go straight.
# Initial-exec TLS: one load, no call, on the fast path. No malloc builtins: the compiler must not
# reason about the functions that are defined here (malloc and memset become calloc, stores into a
# block that is freed disappear). No strict aliasing: free blocks hold links. No LTO: it undoes these.
HAK_CFLAGS = $(AM_CFLAGS) $(CORE_CFLAGS)
# Where the configuration file is.
conf_path = $(sysconfdir)/hakmem.conf
CONF_CPPFLAGS = -DHAKMEM_CONF='"$(conf_path)"'

# ---- all objects of the library, with every symbol reachable for the unit tests
noinst_LTLIBRARIES += src/libhakcore.la
src_libhakcore_la_SOURCES = $(core_sources) $(library_sources) $(core_headers)
src_libhakcore_la_CPPFLAGS = -I$(srcdir)/include -I$(srcdir)/src $(CONF_CPPFLAGS) -DHAKMEM_INTERPOSER=0
src_libhakcore_la_CFLAGS = $(HAK_CFLAGS)
# Position-independent objects only: the archive is made from them too.
src_libhakcore_la_LIBTOOLFLAGS = --tag=disable-static

# ---- libhakmem.so
lib_LTLIBRARIES = src/libhakmem.la
src_libhakmem_la_SOURCES =
src_libhakmem_la_LIBADD = src/libhakcore.la $(UNWIND_LIBS)
src_libhakmem_la_LIBTOOLFLAGS = --tag=disable-static
src_libhakmem_la_LDFLAGS = $(AM_LDFLAGS) $(DEFS_LDFLAGS) -version-info 0:0:0 \
  -Wl,-z,nodelete -Wl,--version-script=$(srcdir)/src/libhakmem.map
EXTRA_src_libhakmem_la_DEPENDENCIES = src/libhakmem.map
EXTRA_DIST += src/libhakmem.map src/libhakmem-preload.map src/README

# ---- libhakmem.a: one relocatable object in which the hidden symbols are local, so that
# names as common as "option" or "region" cannot clash with a program's own.
if ENABLE_STATIC
archiveexecdir = $(libdir)
archiveexec_DATA = src/libhakmem.a
CLEANFILES += src/libhakmem.a src/libhakmem-all.o
src/libhakmem.a: src/libhakcore.la
	$(AM_V_GEN)$(CC) $(CFLAGS) -r -nostdlib -o src/libhakmem-all.o \
	  -Wl,--whole-archive src/.libs/libhakcore.a -Wl,--no-whole-archive
	$(AM_V_at)$(OBJCOPY) --localize-hidden src/libhakmem-all.o
	$(AM_V_at)rm -f $@
	$(AM_V_at)$(AR) crD $@ src/libhakmem-all.o
endif

# ---- the interposer: a shared object without a name of its own, in a private folder. It is linked
# as a "program" since libtool would give a module a soname, a .la file and maybe an archive.
if INTERPOSER
preloaddir = $(pkglibdir)
preload_PROGRAMS = src/libhakmem-preload.so
src_libhakmem_preload_so_SOURCES = $(core_sources) $(interposer_sources) $(core_headers) \
  $(interposer_headers)
src_libhakmem_preload_so_CPPFLAGS = -I$(srcdir)/include -I$(srcdir)/src $(CONF_CPPFLAGS) -DHAKMEM_INTERPOSER=1
# -fexceptions: operator new calls the C++ library's, which throws through it.
src_libhakmem_preload_so_CFLAGS = $(HAK_CFLAGS) -fPIC -fexceptions
src_libhakmem_preload_so_LDADD = $(UNWIND_LIBS)
src_libhakmem_preload_so_LINK = $(CC) $(src_libhakmem_preload_so_CFLAGS) $(CFLAGS) -shared \
  $(AM_LDFLAGS) $(LDFLAGS) $(DEFS_LDFLAGS) -Wl,-z,nodelete -Wl,-z,now \
  -Wl,--version-script=$(srcdir)/src/libhakmem-preload.map -o $@
EXTRA_src_libhakmem_preload_so_DEPENDENCIES = src/libhakmem-preload.map
endif
