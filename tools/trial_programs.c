/* trial_programs.c - what is run in a trial: programs that most systems have, which change nothing and always
   print the same. */
#include <config.h>
#include <stddef.h>
#include "trial_programs.h"

/* Variables, a subshell, pipes, a child that fails. */
#define SCRIPT \
  "x=; i=0; while [ $i -lt 300 ]; do x=\"$x $i\"; i=$((i + 1)); done; " \
  "(exit 3); echo \"$? $(echo $x | (read a b; echo $b) | wc -c)\"; set -- $x; echo $#"

const struct trial_program trial_programs[] = {
  {"shell", "/bin/sh", {"-c", SCRIPT}, false},
  {"second shell", "/bin/bash", {"-c", SCRIPT}, false},
  {"C program", "/usr/bin/sort", {"/etc/passwd"}, false},
  {"C program", "/bin/ls", {"/usr"}, false},
  {"C program", "/bin/true", {NULL}, false},
  {"C++ program", "/usr/bin/apt-config", {"dump"}, false},
  {"C++ program", "/usr/bin/apt-get", {"--version"}, false},
  {"C++ program", "/usr/bin/dnf5", {"--version"}, false},
  {"C++ program", "/usr/bin/zypper", {"--version"}, false},
  {"C++ program", "/usr/bin/groff", {"--version"}, false},
  {"C++ program", "/usr/bin/gdb", {"--version"}, false},
  {"C++ program", "/usr/bin/cmake", {"--version"}, false},
  {"C++ program", "/usr/bin/ninja", {"--version"}, false},
  {"setuid program", "/bin/su", {"--help"}, true},
  {"setuid program", "/usr/bin/passwd", {"--help"}, true},
  {"setuid program", "/usr/bin/sudo", {"--help"}, true},
  {"setuid program", "/bin/mount", {"--help"}, true},
  {"sandboxed program", NULL, {"sandbox"}, false},
  {NULL, NULL, {NULL}, false}
};
