# ./dev machine [--timeout SECONDS] [--user] [CMD...]: the test machine, a Debian with the kernel 6.1 under QEMU.
# ./dev machine --test [AREA...]: the whole-program tests there, as root and as an ordinary user.
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"
source "$root/scripts/dev/kit.sh"
source "$root/scripts/machine/image.sh"
source "$root/scripts/machine/boot.sh"

usage() {
  say "usage: ./dev machine [--timeout SECONDS] [--user] [CMD...]"
  say "       ./dev machine --test [AREA...]"
  exit 2
}

seconds='' user='' tests=''
while [[ ${1-} == -* ]]; do
  case $1 in
    --timeout)
      [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
      seconds=$2
      shift
      ;;
    --user) user=1 ;;
    --test) tests=1 ;;
    --)
      shift
      break
      ;;
    *) usage ;;
  esac
  shift
done
[[ -z $tests$user || $tests != "$user" ]] || usage

command=("$@")
if [[ $tests ]]; then
  command=(bash scripts/machine/suites.sh "$@")
elif [[ $user ]]; then
  command=(as-user "${command[@]:-bash}")
fi
machine_interactive=
if ((${#command[@]} == 0)); then
  [[ -t 0 && -t 1 ]] || die "a shell in the test machine needs a terminal; give a command"
  machine_interactive=1
  say "dev: a shell in the test machine; exit ends it, Ctrl-a x stops it at once"
fi

need machine
build release
machine_image
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make_kit "$work/kit"
mkdir "$work/kit/.machine"
if [[ $tests ]]; then
  selftests=$("$root/scripts/selftests.sh" --build)
  cp -r "$selftests" "$work/kit/.machine/selftests"
fi
read -r rows columns < <(stty size 2>/dev/null || echo 24 80)
terminal=${TERM:-dumb} interactive=$machine_interactive
declare -p command interactive rows columns terminal >"$work/kit/.machine/job"
if [[ -z $seconds ]]; then
  seconds=1200
  [[ -z $tests ]] || seconds=2400
  [[ -z $machine_interactive ]] || seconds=28800
fi
boot_machine "$seconds" "$work"
