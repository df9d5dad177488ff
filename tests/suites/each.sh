#!/bin/sh
# each.sh DIR PROGRAM...: runs selftest programs of DIR, the same way bare and in a sandbox; their output on stdout, with a
# line "== PROGRAM" before and "== STATUS" after each, 137 for one that is stuck. They write into their folder, so each gets
# a copy in /tmp.
dir=$1
shift
for name; do
  folder=$(mktemp -d /tmp/selftest.XXXXXX)
  cp -r "$dir/${name%/*}/." "$folder"
  echo "== $name"
  (cd "$folder" && exec timeout -s KILL 60 "./${name##*/}" 2>&1 </dev/null)
  echo "
== $?"
  rm -rf "$folder"
done
