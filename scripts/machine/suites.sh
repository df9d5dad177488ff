#!/bin/bash
# Inside the test machine: the whole-program tests as root and as the ordinary user, the kernel's selftests, one sum.
# suites.sh [AREA...]: only those folders of tests/.
set -uo pipefail
export SANDSTONE_TEST_SCOPE=1 # nobody else tests here
passed=0 failed=0 skipped=0

suite() {
  local what=$1 log
  log=$(mktemp)
  shift
  echo "-- $what"
  "$@" 2>&1 | tee "$log" | sed -uE '/^[0-9]+ passed, [0-9]+ failed/d'
  if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
  else
    echo "-- $what: no sum"
    failed=$((failed + 1))
  fi
}

selftests='' areas=()
for area in "$@"; do
  if [[ $area == selftests ]]; then selftests=1; else areas+=("$area"); fi
done
users=("${areas[@]}")
if (($# == 0)); then
  selftests=1
  mapfile -t areas < <(cd tests && printf '%s\n' */*_test.py | cut -d / -f 1 | sort -u | grep -vx support)
  # Run as root, the attacks attack as both.
  mapfile -t users < <(printf '%s\n' "${areas[@]}" | grep -vx attacks)
fi
if ((${#areas[@]})); then
  suite "as root" tests/support/run_suites.py "${areas[@]}"
  suite "as an ordinary user" as-user tests/support/run_suites.py "${users[@]}"
fi
[[ -z $selftests ]] || suite "the kernel's selftests" python3 tests/selftests/compare.py .machine/selftests
((skipped)) && extra=", $skipped skipped" || extra=
echo "$passed passed, $failed failed$extra"
((failed == 0 && passed > 0))
