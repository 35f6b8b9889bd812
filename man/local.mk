# The manual pages.
dist_man_MANS += \
  man/hakmem.7 man/hakmem.conf.5 \
  man/hak_malloc.3 man/hak_aligned_alloc.3 man/hak_usable_size.3 \
  man/hak_stats_get.3 man/hak_trim.3 man/hak_option_get.3 man/hak_profile.3
if TOOLS
dist_man_MANS += man/hakmemctl.8
endif

# Names under which a page is found besides its own, as NAME:PAGE.
man_links = \
  hak_calloc:hak_malloc hak_realloc:hak_malloc hak_reallocarray:hak_malloc \
  hak_free:hak_malloc hak_free_sized:hak_malloc hak_free_aligned_sized:hak_malloc \
  hak_posix_memalign:hak_aligned_alloc hak_memalign:hak_aligned_alloc \
  hak_owns:hak_usable_size \
  hak_stats_print:hak_stats_get hak_stats_get_classes:hak_stats_get \
  hak_version:hak_option_get \
  hak_profile_start:hak_profile hak_profile_stop:hak_profile hak_profile_dump:hak_profile

install-data-hook:
	for link in $(man_links); do \
	  rm -f "$(DESTDIR)$(man3dir)/$${link%:*}.3" && \
	  $(LN_S) "$${link#*:}.3" "$(DESTDIR)$(man3dir)/$${link%:*}.3" || exit 1; \
	done

uninstall-hook:
	for link in $(man_links); do rm -f "$(DESTDIR)$(man3dir)/$${link%:*}.3"; done

# The section of hakmem(7) about options is made from the library's table: "make update-man"
# writes it between its two marks, and tests/check-man compares.
check_PROGRAMS += man/print-options
man_print_options_SOURCES = man/print-options.c
man_print_options_LDADD = src/libhakcore.la
EXTRA_DIST += man/replace-section

.PHONY: update-man
update-man: man/print-options
	$(SHELL) $(srcdir)/man/replace-section $(srcdir)/man/hakmem.7 man/print-options
