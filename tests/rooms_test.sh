#!/usr/bin/env bash
# Fails when a room includes a header of a room above it, in the order that CMakeLists.txt lists them, lowest first.
# Process 1 (src/init) is freestanding: it includes no room, and only jail may include its protocol header.
set -euo pipefail
cd "${1:-$(dirname -- "${BASH_SOURCE[0]}")/..}"

read -ra rooms < <(sed -n 's/^foreach(room \(.*\))$/\1/p' CMakeLists.txt)
declare -A height
for i in "${!rooms[@]}"; do height[${rooms[i]}]=$i; done

wrong=0
complain() {
  echo "$1"
  wrong=1
}

seen=0
while IFS=: read -r file line text; do
  room=${file#src/} room=${room%%/*}
  included=${text#*\"} included=${included%%\"*}
  target=${included%%/*}
  [[ $included == */* && -d src/$target ]] || continue
  seen=$((seen + 1))
  where="$file:$line: $room includes \"$included\""
  if [[ $room == init ]]; then
    [[ $target == init ]] || complain "$where, but process 1 stands alone"
  elif [[ $target == init ]]; then
    [[ $room == jail ]] || complain "$where, which is for jail only"
  elif [[ -z ${height[$room]-} ]]; then
    complain "$file: src/$room is no room of CMakeLists.txt"
  elif ((height[$target] > height[$room])); then
    complain "$where, a room above it"
  fi
done < <(grep -rnE '^\s*#\s*include\s*"' src --include='*.cc' --include='*.h' --include='*.c' --include='*.S')

for folder in src/*/; do
  room=$(basename "$folder")
  [[ $room == init || -n ${height[$room]-} ]] || complain "src/$room is no room of CMakeLists.txt"
done
((seen)) || complain "found no include between rooms: this check looks in the wrong place"
exit $wrong
