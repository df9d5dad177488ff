#!/usr/bin/env bash
# linux/build.sh refuses a source that will not do, by one line and status 125, and no other. On trees with nothing in them.
set -euo pipefail
build=$1/linux/build.sh config=$1/linux/config
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
export SANDSTONE_CACHE=$work/cache LINUX_SOURCE=$tree

# make_tree VERSION [LEFT-OUT]: a tree of this version that has linux/config's options but for one.
make_tree() {
  rm -rf "$tree"
  mkdir -p "$tree"/{kernel,arch}
  printf 'VERSION = %s\nPATCHLEVEL = %s\nall:\n\t@false\n' "${1%.*}" "${1#*.}" >"$tree/Makefile"
  grep -oE 'CONFIG_[A-Z0-9_]+=' "$config" | sed -E 's/CONFIG_(.*)=/config \1/' | grep -vx "config ${2-}" >"$tree/Kconfig"
}

# try STATUS LINE: what building gives. What unpacks an archive says more than one line.
try() {
  local status=0 said
  said=$("$build" "$work/out" 2>&1) || status=$?
  [[ $status == "$1" && $said == *"$2"* && ($1 != 125 || $said != *$'\n'* || -f $LINUX_SOURCE) ]] || {
    echo "not status $1 and \"$2\", but status $status: $said"
    exit 1
  }
}

try 125 "LINUX_SOURCE=$tree is not there"
mkdir "$tree"
try 125 "LINUX_SOURCE=$tree is no kernel source"
make_tree 5.19
try 125 "is Linux 5.19, and 6.1 is the oldest that will do"
make_tree 6.0
try 125 "is Linux 6.0, and 6.1 is the oldest that will do"
make_tree 6.12 VETH
try 125 "Linux 6.12 has no CONFIG_VETH: "
make_tree 6.1 BASE_FULL
try 125 "Linux 6.1 has no CONFIG_BASE_FULL: "
make_tree 6.12 BASE_FULL # which that version need not have
try 1 "the configuration failed"

make_tree 6.0
tar -C "$work" -cf "$work/linux.tar" tree
LINUX_SOURCE=$work/linux.tar try 125 "is Linux 6.0, and 6.1 is the oldest that will do"
LINUX_SOURCE=$build try 125 "is no archive that tar can read"
