# lib.sh - what the tests that use a Debian in a folder share. Sourced, not run.
#
# A test is started twice: outside, where it reads its arguments and calls go_inside; and by that again, with
# --inside FOLDER, in a mount and process namespace of its own. Its steps run there; the folder holds
#
#   dist/ packages/   the source tarball, and what dpkg-buildpackage made of it
#   root/             the Debian; its packages come from the mirror and the release that this machine's apt uses
#
# /etc/ld.so.preload is written in root/ only.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
test_name=tests/debian/$(basename "$0")
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

# ---- outside
usage() { sed -n '2,/^set\|^\./s/^# \{0,1\}//p' "$0"; exit 2; }

# need TOOL...: root, and these commands.
need() {
  [ "$(id -u)" = 0 ] || { echo "$test_name: needs root"; exit 77; }
  local tool
  for tool; do
    command -v "$tool" >/dev/null || { echo "$test_name: $tool is not installed"; exit 77; }
  done
}

# go_inside KEEP [FOLDER] -- ARGUMENT...: the second start, in a folder that is made and removed at the end (KEEP
# yes leaves it), or in one that was kept. Whatever is mounted or started inside ends with the namespaces.
# No HAKMEM_* from outside, but DEB_BUILD_OPTIONS.
go_inside() {
  local keep=$1 status=0
  work=
  shift
  [ "$1" = -- ] || { work=$(cd "$1" && pwd); keep=yes; shift; }
  shift
  [ -n "$work" ] || work=$(mktemp -d "${TMPDIR:-/tmp}/hakmem-debian.XXXXXX")
  if [ "$keep" = no ]; then
    trap 'rm -rf --one-file-system "$work"' EXIT
  else
    trap 'echo "kept: $work"' EXIT
  fi
  trap 'exit 129' HUP INT TERM
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" \
    LC_ALL=$LC_ALL DEBIAN_FRONTEND=$DEBIAN_FRONTEND DEB_BUILD_OPTIONS="$DEB_BUILD_OPTIONS" \
    ${HAK_TEST_QUICK:+HAK_TEST_QUICK=1} \
    http_proxy="${http_proxy:-}" TMPDIR="$work" \
    unshare --mount --pid --fork --kill-child --mount-proc "$0" --inside "$work" "$@" || status=$?
  exit $status
}

# ---- inside: steps
passed=0
failed=0
skipped=0

# step WHAT COMMAND [needed]: runs it, with its output shown when it fails. Later steps need one that is needed.
# Status 77, with the reason on the last line, is a step that cannot be made here.
step() {
  local start=$SECONDS status=0
  # Not in a condition: there the shell would ignore set -e.
  set +e
  # shellcheck disable=SC2086
  (set -e; $2) >"$work/step.log" 2>&1
  status=$?
  set -e
  if [ $status = 0 ]; then
    passed=$((passed + 1))
    echo "ok $1 ($((SECONDS - start)) s)"
    sed -n 's/^NOTE: /  /p' "$work/step.log"
  elif [ $status = 77 ] && [ "${3:-}" != needed ]; then
    skipped=$((skipped + 1))
    echo "SKIPPED: $1: $(tail -n 1 "$work/step.log")"
  else
    failed=$((failed + 1))
    echo "not ok $1 (status $status)"
    sed 's/^/  /' "$work/step.log" | tail -n 200
    [ "${3:-}" != needed ] || summary
  fi
}
# Ends the test.
summary() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ $failed = 0 ] || exit 1
  exit 0
}
fail() { echo "FAIL: $*"; exit 1; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }

# ---- inside: the packages

# The tarball that "make dist" makes of this tree, as <source>_<version>.orig.tar.xz.
make_tarball() {
  mkdir "$work/tree" "$work/build" "$work/dist"
  if git -C "$top" rev-parse >/dev/null 2>&1; then
    git -C "$top" -c safe.directory="$top" ls-files -z --cached --others --exclude-standard |
      (cd "$top" && xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh) |
      tar -C "$top" --null -T - -cf - | tar -C "$work/tree" -xf -
  else
    cp -a "$top/." "$work/tree"
  fi
  cp -a "$work/tree" "$work/clone"
  (cd "$work/tree" && ./autogen.sh)
  (cd "$work/build" && ../tree/configure --quiet && make -s dist)
  local tarball version
  tarball=$(echo "$work"/build/libhakmem-*.tar.xz)
  version=$(cd "$work/tree" && dpkg-parsechangelog -S Version)
  [ "$tarball" = "$work/build/libhakmem-${version%-*}.tar.xz" ] ||
    fail "debian/changelog says ${version%-*}, the tarball is $(basename "$tarball")"
  cp "$tarball" "$work/dist/libhakmem_${version%-*}.orig.tar.xz"
}

# unpack FOLDER: the source package's tree, ready to be built.
unpack() {
  mkdir -p "$1"
  cp "$work"/dist/*.orig.tar.xz "$1"
  tar -C "$1" -xf "$1"/*.orig.tar.xz
  cp -a "$work/tree/debian" "$1"/libhakmem-*/
}

# build_packages [ARGUMENT...]: for dpkg-buildpackage.
build_packages() {
  unpack "$work/packages"
  cd "$work"/packages/libhakmem-*/
  dpkg-buildpackage -us -uc -j2 "$@" || {
    echo "---- the test suite's log"
    cat test-suite.log 2>/dev/null || :
    return 1
  }
}

# ---- inside: the Debian

# find_mirror CODENAME: the first address from which apt takes that release's packages.
find_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk -v codename="$1" '$2 == codename && $3 == "main" { print $1; exit }'
}

# A minimal Debian of the release that apt knows here, from the same mirror. Not mounted yet.
debootstrap_root() {
  local codename mirror proxy
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(find_mirror "$codename")
  [ -n "$mirror" ] || { apt-get -q update; mirror=$(find_mirror "$codename"); }
  [ -n "$mirror" ] || fail "apt knows no mirror of $codename here"
  proxy=$(apt-config shell proxy Acquire::http::Proxy | sed "s/^proxy='\(.*\)'$/\1/")
  [ -z "$proxy" ] || export http_proxy=$proxy
  mkdir "$root"
  debootstrap --variant=minbase "$codename" "$root" "$mirror"
  [ -z "$proxy" ] || echo "Acquire::http::Proxy \"$proxy\";" >"$root/etc/apt/apt.conf.d/proxy"
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  cp /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || :
}
mount_system() {
  mount --bind "$1" "$1"   # hakmemctl makes mounts private, from the root on: it must be a mount
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
}

# Ours, into root.
install_packages() {
  rm -rf "$root/packages"
  mkdir "$root/packages"
  cp "$work"/packages/*.deb "$root/packages"
  rm -f "$root"/packages/*-dbgsym_*.deb
  inside sh -c 'cd /packages && apt-get -qy --no-install-recommends --reinstall install ./*.deb'
  inside dpkg -l libhakmem libhakmem0 libhakmem-dev libhakmem-tools
}
