# ./dev lint [FILE...]: clang-format and clang-tidy over the sources (or FILE...), the order of the rooms, shellcheck.
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

need build lint
cd "$root"
wrong=0
check() {
  local name=$1
  shift
  say "== $name"
  "$@" >&2 || { wrong=1 && say "== $name: FAILED"; }
}

mapfile -t sources < <(if (($#)); then printf '%s\n' "$@"; else
  git ls-files 'src/*' 'include/*' 'tests/*' 'examples/*' 'bench/*'
fi | grep -E '\.(cc|c|h)$')
mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep -E '\.cc$')
mapfile -t scripts < <(git ls-files dev .ci/run scripts tests | xargs grep -lE '^#!.*\b(ba)?sh$|shellcheck shell=')

check "clang-format" clang-format-19 --dry-run -Werror "${sources[@]}"
if ((!$#)); then
  check "order of the rooms" tests/rooms_test.sh
  check "shellcheck" shellcheck -x "${scripts[@]}"
fi
# clang-tidy reads how each file is compiled from the release build, the fuzzers from theirs.
build release || die "the build failed"
need fuzz
quietly build/log/configure-fuzz cmake --preset fuzz || die "the fuzzers' build cannot be configured"
commands=$(mktemp -d)
trap 'rm -rf "$commands"' EXIT
# Without the flag that GCC alone knows.
sed 's/ -fno-tree-loop-distribute-patterns//g' build/release/compile_commands.json >"$commands/compile_commands.json"
# shellcheck disable=SC2317 # called through check
tidy() {
  local with=(xargs -r -P 2 -n 1 clang-tidy-19 --quiet --warnings-as-errors='*') status=0
  printf '%s\n' "${units[@]}" | { grep -v /fuzz_ || true; } | "${with[@]}" -p "$commands" || status=1
  printf '%s\n' "${units[@]}" | { grep /fuzz_ || true; } | "${with[@]}" -p build/fuzz || status=1
  return "$status"
} 2> >(grep -vE '^[0-9]+ warnings? generated\.$' >&2) # of the system's headers
check "clang-tidy" tidy
exit $wrong
