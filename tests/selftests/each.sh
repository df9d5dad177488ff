#!/bin/sh
# each.sh DIR: runs every selftest program of DIR, the same way bare and in a sandbox; TAP on stdout, with a line
# "== PROGRAM" before and "== STATUS" after each. They write into their folder, so each gets a copy in /tmp.
for program in "$1"/*/*; do
  name=${program#"$1"/}
  [ "$name" = landlock/true ] && continue # what landlock's own tests execute
  folder=$(mktemp -d /tmp/selftest.XXXXXX)
  cp -r "${program%/*}/." "$folder"
  echo "== $name"
  (cd "$folder" && timeout 3000 "./${program##*/}" 2>&1)
  echo "
== $?"
  rm -rf "$folder"
done
