#!/usr/bin/env bash
# Builds the kernel's own selftests from Debian's linux-source-6.1, once, and compares how they fare bare and inside
# `sandstone run --tier ns` (tests/selftests/compare.py, docs/selftests.md). --build only builds, and prints where.
export SANDSTONE_CHECKOUT
SANDSTONE_CHECKOUT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

targets=(seccomp openat2 clone3 landlock)

# Sets selftests to the folder of the built programs, named after all that they are built from.
selftests_built() {
  local version key
  need selftests
  apt-cache show linux-source-6.1 >/dev/null 2>&1 || fresh_lists
  version=$(apt-cache show --no-all-versions linux-source-6.1 | sed -n 's/^Version: //p')
  [[ -n $version ]] || die "apt knows no linux-source-6.1: is this Debian 12?"
  key=$( (cat "${BASH_SOURCE[0]}" && echo "$version" && gcc --version) | sha256sum | cut -c 1-16)
  selftests=$cache/selftests-$key
  mkdir -p "$cache"
  (
    flock 8
    [[ -e $selftests ]] || build_selftests
    touch "$selftests"
    find "$cache" -maxdepth 1 -name 'selftests-*' -mtime +14 -exec rm -rf {} +
  ) 8>"$cache/lock"
}

build_selftests() {
  local work target source
  say "dev: building the kernel's selftests from linux-source-6.1 (once)"
  work=$(mktemp -d "$cache/making-XXXXXX")
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$work'" EXIT
  quietly "$root/build/log/selftests-download" \
    env -C "$work" apt-get -q -o APT::Sandbox::User=root download linux-source-6.1 || die "could not fetch linux-source-6.1"
  dpkg-deb --fsys-tarfile "$work"/linux-source-6.1_*.deb | tar -C "$work" -xO ./usr/src/linux-source-6.1.tar.xz |
    tar -C "$work" -xJ --wildcards '*/tools/testing/selftests/lib.mk' '*/tools/testing/selftests/kselftest*' \
      '*/tools/testing/selftests/pidfd/pidfd.h' "${targets[@]/#/*/tools/testing/selftests/}"
  source=$work/linux-source-6.1/tools/testing/selftests
  for target in "${targets[@]}"; do
    # Static, so that they need nothing of the root they run in; openat2's own flags ask for sanitizers, which cannot be.
    quietly "$root/build/log/selftests-$target" make -C "$source/$target" CFLAGS="-O2 -w -static" ||
      die "could not build the selftests"
    mkdir -p "$work/done/$target"
    find "$source/$target" -type f -executable ! -name '*.sh' -exec cp -t "$work/done/$target" {} +
  done
  chmod -R a+rX "$work/done"
  rm -f "$work/done/seccomp/seccomp_benchmark" # a measurement, not a test
  mv "$work/done" "$selftests"
}

selftests_built
if [[ ${1-} == --build ]]; then
  echo "$selftests"
else
  exec /usr/bin/python3 "$root/tests/selftests/compare.py" "$selftests" "$@"
fi
