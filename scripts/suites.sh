#!/usr/bin/env bash
# Runs suites of others in the tier `kernel` and bare, and compares test by test (tests/suites/compare.py,
# docs/fidelity.md): CPython's own tests, the kernel's selftests, stress-ng. A slice of each, or all with
# SANDSTONE_SOAK=1. What is built or fetched for them lies in the cache. --build only does that.
export SANDSTONE_CHECKOUT
SANDSTONE_CHECKOUT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

# Sets python to a folder that holds the package `test` whole. Debian has most of it in a package of its own, of a
# version that would renew the whole interpreter: it is unpacked beside the rest instead.
python_tests_fetched() {
  local package=libpython3.11-testsuite version
  apt-cache show $package >/dev/null 2>&1 || fresh_lists
  version=$(apt-cache show --no-all-versions $package | sed -n 's/^Version: //p')
  [[ -n $version ]] || die "apt knows no $package: is this Debian 12?"
  python=$cache/python-tests-$version
  mkdir -p "$cache"
  (
    flock 8
    [[ -e $python ]] || fetch_python_tests $package
  ) 8>"$cache/lock"
}

fetch_python_tests() {
  local work
  work=$(mktemp -d "$cache/making-XXXXXX")
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$work'" EXIT
  quietly "$root/build/log/python-tests" env -C "$work" apt-get -q -o APT::Sandbox::User=root download "$1" ||
    die "could not fetch $1"
  dpkg-deb -x "$work/$1"_*.deb "$work/unpacked"
  cp -r /usr/lib/python3.11/test "$work/unpacked/usr/lib/python3.11/"
  find "$work/unpacked" -name __pycache__ -prune -exec rm -rf {} +
  chmod -R a+rX "$work/unpacked"
  mv "$work/unpacked/usr/lib/python3.11" "$python"
}

need suites
python_tests_fetched
selftests=$("$root/scripts/selftests.sh" --build) || die "no selftests"
[[ ${1-} == --build ]] || exec /usr/bin/python3 "$root/tests/suites/compare.py" "$python" "$selftests/kernel" "$@"
