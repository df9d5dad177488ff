#!/bin/sh
# stress.sh STRESSOR: one stressor for a second, then a look for what it left behind. Its status is stress-ng's, after a
# line "== whole" if the kernel is as before: no process more, and its memory free again but for what is kept anyway.
free() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
  sleep 0.1
  awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo
}
processes() { # but for the kernel's own threads, children of 2
  cat /proc/[0-9]*/stat >/tmp/stat 2>/dev/null # not in a pipeline, whose other end may be there or not
  awk '{ sub(/.*\) /, "") } $2 != 2 { count++ } END { print count }' /tmp/stat
}
mkdir -p /tmp/work && cd /tmp/work || exit 1
before=$(free) tasks=$(processes)
stress-ng "--$1" 1 --timeout "${2:-1}" --verify
status=$?
cd / && rm -rf /tmp/work
for _ in 1 2 3 4 5 6 7 8 9 10; do
  [ "$(processes)" -le "$tasks" ] && break
  sleep 0.2
done
after=$(free)
if [ "$(processes)" -gt "$tasks" ]; then
  echo "== left processes: $tasks, then $(processes)"
elif [ "$after" -lt $((before - 24)) ]; then
  echo "== left memory: $before MiB free, then $after"
else
  echo "== whole"
fi
exit $status
