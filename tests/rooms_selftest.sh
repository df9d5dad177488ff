#!/usr/bin/env bash
# The check of the rooms' order must accept what is allowed and find each kind of wrong include.
set -euo pipefail
check=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/rooms_test.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

echo 'foreach(room base walls jail cli)' >"$tree/CMakeLists.txt"

# try STATUS FILE INCLUDE: the check's status on a tree that is right but for one line.
try() {
  rm -rf "$tree/src"
  mkdir -p "$tree"/src/{base,walls,jail,init,cli}
  echo '#include "base/fd.h"' >"$tree/src/walls/mount.cc"
  echo "#include \"$3\"" >>"$tree/src/$2"
  local status=0
  "$check" "$tree" >/dev/null || status=$?
  [[ $status == "$1" ]] || {
    echo "src/$2 including \"$3\": status $status, not $1"
    exit 1
  }
}

try 0 cli/main.cc jail/jail.h
try 0 jail/start.cc init/protocol.h
try 0 init/init.c init/protocol.h
try 0 walls/mount.cc walls/wall.h
try 1 base/fd.cc walls/wall.h
try 1 jail/start.cc cli/main.h
try 1 init/init.c base/fd.h
try 1 walls/mount.cc init/protocol.h
mkdir -p "$tree/src/attic"
! "$check" "$tree" >/dev/null || { echo "a folder that is no room was accepted" && exit 1; }
