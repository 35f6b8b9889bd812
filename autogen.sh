#!/bin/sh
# Makes configure and what it needs from configure.ac and Makefile.am.
set -e
cd "$(dirname "$0")"
autoreconf -fi
echo 'Now run ./configure && make'
