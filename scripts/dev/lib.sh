# Sourced by every script in scripts/dev/: where things are, how to say something, how to get packages.
# shellcheck shell=bash
set -euo pipefail

root=$SANDSTONE_CHECKOUT
# shellcheck disable=SC2034 # for the scripts that source this
cache=${SANDSTONE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sandstone}

# All talk goes to stderr: the standard output of `./dev run` is the sandboxed program's own.
say() { printf '%s\n' "$*" >&2; }
die() {
  say "dev: $*"
  exit "${DEV_FAILURE:-1}"
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi
}

# quietly LOG CMD...: CMD's output is shown only if it fails.
quietly() {
  local log=$1
  shift
  [[ -d ${log%/*} ]] || mkdir -p "${log%/*}"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    return 1
  fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends "$@"; }

# Package lists that are absent or older than a day name versions that the mirrors may no longer have.
fresh_lists() {
  [[ -z $(find /var/lib/apt/lists -maxdepth 1 -name '*InRelease' -mtime -1 -print -quit 2>/dev/null) ]] || return 0
  quietly "$root/build/log/apt-update" apt_get update
}

# need LIST...: the packages named in scripts/packages/LIST.txt are installed. A stamp newer than the list
# stands for "was seen installed", so that the usual case costs no process.
need() {
  local list file stamp missing
  for list in "$@"; do
    file=$root/scripts/packages/$list.txt stamp=$root/build/packages/$list
    [[ $stamp -nt $file ]] && continue
    mapfile -t missing < <(missing_packages "$file")
    if ((${#missing[@]})); then
      ((EUID == 0)) || command -v sudo >/dev/null || die "needs root to install: ${missing[*]}"
      say "dev: installing ${missing[*]}"
      fresh_lists || say "dev: could not renew apt's lists"
      quietly "$root/build/log/apt-$list" apt_get install "${missing[@]}" || die "could not install the packages"
    fi
    mkdir -p "${stamp%/*}"
    : >"$stamp"
  done
}

missing_packages() {
  local wanted installed
  wanted=$(grep -v '^#' "$1" | sort -u)
  # shellcheck disable=SC2086,SC2016 # names are words; the format is dpkg-query's
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^ii  *//p' | sort -u || true)
  comm -23 <(echo "$wanted") <(echo "$installed")
}

# build PRESET [TARGET...]: one build at a time in each checkout, since ninja takes no lock of its own.
build() {
  local preset=$1
  shift
  need build
  [[ $preset != fuzz ]] || need fuzz
  mkdir -p "$root/build"
  (
    flock 9
    [[ -e $root/build/$preset/build.ninja ]] ||
      quietly "$root/build/log/configure-$preset" env -C "$root" cmake --preset "$preset"
    quietly "$root/build/log/ninja-$preset" ninja -C "$root/build/$preset" "$@"
  ) 9>"$root/build/lock"
}

# The library kernel: minutes from nothing, so it shows how far it is; seconds when nothing changed.
build_kernel() {
  need build kernel
  mkdir -p "$root/build"
  (
    flock 9
    "$root/linux/build.sh" "$root/build/release" >&2
  ) 9>"$root/build/lock"
}
