# ---- the interposer under real programs
preload_scripts = tests/preload/programs.sh tests/preload/settings.sh
EXTRA_DIST += $(preload_scripts)
TESTS += $(preload_scripts)
