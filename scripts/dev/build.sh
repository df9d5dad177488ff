# ./dev build [PRESET [TARGET...]]
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

preset=${1-release}
[[ $preset == release || $preset == debug || $preset == fuzz ]] || {
  DEV_FAILURE=2 die "no preset '$preset': release, debug or fuzz"
}
build "$preset" "${@:2}"
