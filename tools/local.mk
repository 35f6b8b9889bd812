# hakmemctl. Linked statically where configure found that it can be (STATIC_LDFLAGS), so that it works whatever the
# preload file names.
bin_PROGRAMS = tools/hakmemctl
tools_hakmemctl_SOURCES = tools/hakmemctl.c tools/hakmemctl.h tools/tool.c tools/json.c \
  tools/cmd_run.c \
  tools/elf_file.c tools/elf_file.h tools/environment.c tools/environment.h
tools_hakmemctl_CPPFLAGS = -DTOOL_LIBRARY_FOLDER='"$(pkglibdir)"'
tools_hakmemctl_CFLAGS = $(AM_CFLAGS) $(STATIC_CFLAGS)
tools_hakmemctl_LDADD =
# Not by libtool, which has meanings of its own for -static.
tools_hakmemctl_LINK = $(CC) $(tools_hakmemctl_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) $(STATIC_LDFLAGS) -o $@
