# hakmemctl. Linked statically where configure found that it can be (STATIC_LDFLAGS), so that it works
# whatever the preload file names.
# What it has in common with the library: the options with their file, and what the figures mean.
shared_sources = src/conf.c src/conf_file.c src/counters.c src/lock.c src/message.c \
  src/option_complain.c src/option_read.c src/option_table.c src/options.c src/os.c src/os_file.c src/size_class.c \
  src/tally.c
if TOOLS
bin_PROGRAMS = tools/hakmemctl
endif
tools_hakmemctl_SOURCES = tools/hakmemctl.c tools/hakmemctl.h tools/tool.c tools/json.c \
  tools/cmd_check.c tools/cmd_compare.c tools/cmd_disable.c tools/cmd_enable.c tools/cmd_options.c tools/cmd_profile.c tools/cmd_ps.c \
  tools/cmd_run.c tools/cmd_stat.c tools/cmd_status.c \
  tools/processes.c tools/processes.h tools/settings.c tools/settings.h $(shared_sources) \
  tools/compare.h tools/compare_print.c tools/measure.c tools/measure.h tools/ranks.c tools/ranks.h \
  tools/elf_file.c tools/elf_file.h tools/environment.c tools/environment.h \
  tools/library_file.c tools/library_file.h \
  tools/preload_file.c tools/preload_file.h tools/preload_list.c tools/preload_list.h \
  tools/timed.c tools/timed.h tools/timer.c tools/timer.h tools/trial.c tools/trial.h \
  tools/trial_programs.c tools/trial_programs.h tools/trial_room.c tools/trial_room.h \
  tools/trial_run.c tools/trial_run.h
tools_hakmemctl_CPPFLAGS = -I$(srcdir)/src $(CONF_CPPFLAGS) -DHAKMEM_INTERPOSER=0 \
  -DTOOL_LIBRARY_FOLDER='"$(pkglibdir)"' -DTOOL_HELPER_FOLDER='"$(pkglibexecdir)"'
tools_hakmemctl_CFLAGS = $(AM_CFLAGS) $(STATIC_CFLAGS)
tools_hakmemctl_LDADD = -lm
# Not by libtool, which has meanings of its own for -static.
tools_hakmemctl_LINK = $(CC) $(tools_hakmemctl_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) \
  $(STATIC_LDFLAGS) -o $@

# What it runs in a trial: the tool itself, linked statically, would see nothing of the library.
if TOOLS
pkglibexec_PROGRAMS = tools/hakmemctl-trial
endif
tools_hakmemctl_trial_SOURCES = tools/trial_helper.c
tools_hakmemctl_trial_LDADD = -ldl

# Found by bash-completion under the command's name.
bashcompletiondir = $(datadir)/bash-completion/completions
EXTRA_DIST += tools/hakmemctl.bash
install-completion:
	$(MKDIR_P) "$(DESTDIR)$(bashcompletiondir)"
	$(INSTALL_DATA) $(srcdir)/tools/hakmemctl.bash "$(DESTDIR)$(bashcompletiondir)/hakmemctl"
uninstall-completion:
	rm -f "$(DESTDIR)$(bashcompletiondir)/hakmemctl"
if TOOLS
local_install += install-completion
local_uninstall += uninstall-completion
endif
