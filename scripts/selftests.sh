#!/usr/bin/env bash
# Builds the kernel's own selftests from Debian's linux-source-6.1, once, and compares how they fare bare and inside
# `sandstone run --tier ns` (tests/selftests/compare.py, docs/selftests.md). --build only builds, and prints where: the
# programs for that comparison are in jail/, those that the tier `kernel` is compared by (scripts/suites.sh) in kernel/.
export SANDSTONE_CHECKOUT
SANDSTONE_CHECKOUT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

jail_targets=(seccomp openat2 clone3 landlock)
# What needs no module, no library beyond libc and no clock of the host's own to set.
kernel_targets=(clone3 core exec filesystems filesystems/epoll ipc kcmp membarrier memfd mincore mount mount_setattr
  move_mount_set_group net net/af_unix nsfs openat2 pid_namespace pidfd proc rlimits sched sigaltstack splice sync timens
  timers tmpfs vDSO x86)

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
  local work
  say "dev: building the kernel's selftests from linux-source-6.1 (once)"
  work=$(mktemp -d "$cache/making-XXXXXX")
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$work'" EXIT
  quietly "$root/build/log/selftests-download" \
    env -C "$work" apt-get -q -o APT::Sandbox::User=root download linux-source-6.1 || die "could not fetch linux-source-6.1"
  dpkg-deb --fsys-tarfile "$work"/linux-source-6.1_*.deb | tar -C "$work" -xO ./usr/src/linux-source-6.1.tar.xz |
    tar -C "$work" -xJ --wildcards '*/tools/testing/selftests' '*/tools/include' '*/tools/scripts'
  build_targets "$work" jail "${jail_targets[@]}"
  build_targets "$work" kernel "${kernel_targets[@]}"
  chmod -R a+rX "$work/done"
  rm -f "$work"/done/*/seccomp/seccomp_benchmark # a measurement, not a test
  mv "$work/done" "$selftests"
}

# build_targets WORK SET TARGET...: a folder for each target, with its programs. Static, so that they need nothing of the
# root they run in; openat2's own flags ask for sanitizers, which cannot be. In the second set a program may be left out
# that needs headers which Debian's libc has not.
build_targets() {
  local work=$1 set=$2 target source folder log
  shift 2
  source=$work/linux-source-6.1/tools/testing/selftests
  for target in "$@"; do
    log=$root/build/log/selftests-${target//\//-}
    make -k -C "$source/$target" CFLAGS="-O2 -w -static -D_GNU_SOURCE -I$source" KHDR_INCLUDES= >"$log" 2>&1 </dev/null ||
      [[ $set == kernel ]] || die "could not build the selftests: $log"
    folder=$work/done/$set/${target//\//.}
    mkdir -p "$folder"
    find "$source/$target" -maxdepth 1 -type f -executable ! -name '*.sh' ! -name '*.py' -exec cp -t "$folder" {} +
    [[ -n $(ls "$folder") ]] || die "no selftests of $target were built: $log"
  done
}

selftests_built
if [[ ${1-} == --build ]]; then
  echo "$selftests"
else
  exec /usr/bin/python3 "$root/tests/selftests/compare.py" "$selftests/jail" "$@"
fi
