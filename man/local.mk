# The manual pages; those of the siblings are links to the page that describes them.
dist_man_MANS += \
  man/hakmem.7 \
  man/hak_malloc.3 man/hak_calloc.3 man/hak_realloc.3 man/hak_reallocarray.3 \
  man/hak_free.3 man/hak_free_sized.3 man/hak_free_aligned_sized.3 \
  man/hak_aligned_alloc.3 man/hak_posix_memalign.3 man/hak_memalign.3 \
  man/hak_usable_size.3 man/hak_owns.3 \
  man/hak_stats_get.3 man/hak_stats_print.3 \
  man/hak_trim.3 \
  man/hak_option_get.3 man/hak_version.3

# The section of hakmem(7) about options is made from the library's table: "make update-man"
# writes it between its two marks, and tests/check-man compares.
check_PROGRAMS += man/print-options
man_print_options_SOURCES = man/print-options.c
man_print_options_LDADD = src/libhakcore.la

.PHONY: update-man
update-man: man/print-options
	$(SHELL) $(srcdir)/man/replace-section $(srcdir)/man/hakmem.7 man/print-options
EXTRA_DIST += man/replace-section
