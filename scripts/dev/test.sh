# ./dev test [--quick] [--soak]: every suite, and one sum; --quick leaves out the debug build, the selftests and the test
# machine; --soak runs at full length what is shortened otherwise (a thousand of something, most often).
# ./dev test CTEST-ARG...: only what ctest selects in the release build, for example -R walls or -L net.
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"
source "$root/scripts/dev/kit.sh"

quick='' soak='' passed=0 failed=0 skipped=0
while [[ ${1-} == --quick || ${1-} == --soak ]]; do
  if [[ $1 == --quick ]]; then quick=1; else soak=1; export SANDSTONE_SOAK=1; fi
  shift
done

say "== building release"
need test
build release || die "the build failed"
build_kernel || die "the library kernel's build failed"
if (($#)); then
  exec ctest --test-dir "$root/build/release" --output-on-failure --no-tests=error "$@"
fi
SANDSTONE_DEBIAN_IMAGE=$("$root/scripts/debian.sh") || die "no Debian for the tests of the tier kernel"
export SANDSTONE_DEBIAN_IMAGE

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# suite NAME CMD...: runs CMD, shows what it prints but for its sums and for ctest's lines on tests that passed, and
# adds the sums. A suite that ran nothing, or that failed without a failed test, counts as a failed one.
suite() {
  local name=$1 log=$work/log status=0 start=$SECONDS p=0 f=0 s=0
  shift
  say "== $name"
  "$@" </dev/null 2>&1 | tee "$log" | sed -uE '/^[0-9]+ passed, [0-9]+ failed/d; / Passed +[0-9]|^ +Start |^100% tests passed|^Total Test time|^Internal ctest|^Label Time|sec\*proc|^$/d' ||
    status=1
  if [[ $(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1) =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
    p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[4]:-0}
  elif [[ $(grep -E 'tests passed, [0-9]+ tests failed out of' "$log" | tail -n 1) =~ ,\ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
    s=$(grep -c '\*\*\*Skipped' "$log") || true
    f=${BASH_REMATCH[1]} p=$((BASH_REMATCH[2] - f - s))
  fi
  ((status == 0 && p > 0 || f > 0)) || f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  say "== $name: $p passed, $f failed, $s skipped; $((SECONDS - start)) s"
}

# behind NAME CMD...: starts CMD beside what follows, for `taken NAME`, which waits for it, shows what it printed, and
# ends as it did.
behind() {
  ("${@:2}" </dev/null >"$work/$1.log" 2>&1 && echo 0 >"$work/$1.ended" || echo 1 >"$work/$1.ended") &
}
taken() {
  until [[ -s $work/$1.ended ]]; do sleep 1; done
  cat "$work/$1.log"
  return "$(<"$work/$1.ended")"
}

# The parts of a checkout's tests that ctest runs, and those that need no CMake and so can run anywhere.
units() { ctest --test-dir "$root/build/$1" --output-on-failure --no-tests=error --timeout 600 "${@:2}"; }
programs() {
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$root/tests/support/run_suites.py" "$@"
}

# The same programs as nobody, whom a private copy must be readable to, with a home and a TMPDIR of his own.
programs_as_nobody() {
  local own
  own=$(mktemp -d "$work/nobody-XXXXXX")
  make_kit "$own/kit"
  chmod 755 "$work" "$own"
  install -d -o 65534 -g 65534 "$own/home" "$own/home/tmp"
  ln "$SANDSTONE_DEBIAN_IMAGE" "$own/debian.img" 2>/dev/null || cp --sparse=always "$SANDSTONE_DEBIAN_IMAGE" "$own/debian.img"
  env -C "$own/home" HOME="$own/home" TMPDIR="$own/home/tmp" SANDSTONE_DEBIAN_IMAGE="$own/debian.img" PATH=/usr/local/bin:/usr/bin:/bin \
    "$own/kit/tests/support/scope.py" setpriv --reuid=65534 --regid=65534 --clear-groups \
    "$own/kit/tests/support/run_suites.py" "$@"
}

build_and_test_debug() {
  build debug && units debug -L "^unit\$"
}

# Our side of the library kernel under the sanitizers.
kernel_with_sanitizers() {
  cp "$root/build/release/library-kernel" "$root/build/debug/" && units debug -L kernel -j 2
}

# The library kernel with lockdep and the kernel's other checks, which find what a test does not see.
kernel_with_checks() {
  "$root/linux/build.sh" "$root/build/checked" debug &&
    SANDSTONE_LIBRARY_KERNEL=$root/build/checked/library-kernel units release -L kernel -j 2
}

if [[ $soak ]]; then
  # Two processors are enough for these hours and for the library kernel's, which mostly wait for the clock.
  if ((EUID == 0)); then
    behind hour-root programs soak
    behind hour-user programs_as_nobody soak
  else
    behind hour-user programs soak
  fi
fi
suite "units and sources" units release -LE 'python|kernel'
# Two at once: a library kernel has one processor, and each test has a kernel of its own.
suite "the library kernel" units release -L kernel -j 2
if [[ ! $quick ]]; then
  suite "units with sanitizers" build_and_test_debug
  suite "the library kernel with sanitizers" kernel_with_sanitizers
fi
if [[ $soak ]]; then
  [[ $quick ]] || suite "the library kernel with its own checks" kernel_with_checks
  ((EUID != 0)) || suite "an hour as root" taken hour-root
  suite "an hour as an ordinary user" taken hour-user
fi
if ((EUID == 0)); then
  # At once: each waits more than it computes, and neither sees the other's files.
  behind user programs_as_nobody
  suite "programs as root" programs
  suite "programs as an ordinary user" taken user
else
  say "dev: not root, so only the ordinary user's half runs, without the comparisons of the selftests and of other suites"
  suite "programs as an ordinary user" programs
fi
if [[ ! $quick ]]; then
  ((EUID != 0)) || suite "the kernel's selftests" "$root/scripts/selftests.sh"
  ((EUID != 0)) || suite "suites of others in the tier kernel" "$root/scripts/suites.sh"
  suite "the test machine, kernel 6.1" "$root/dev" machine --test attacks program
fi
# Last, as it builds a second kernel: a slow machine shall not take longer than 45 minutes for all of this.
if [[ ! $quick && ! $soak ]]; then
  if ((SECONDS < 1800)); then
    suite "the library kernel with its own checks" kernel_with_checks
  else
    say "== left out for time: the library kernel with its own checks (./dev test --soak has it)"
  fi
fi

((skipped)) && extra=", $skipped skipped" || extra=
echo "$passed passed, $failed failed$extra"
((failed == 0 && passed > 0))
