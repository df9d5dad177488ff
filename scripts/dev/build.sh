# ./dev build [PRESET [TARGET...] | kernel]
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

preset=${1-release}
if [[ $preset == kernel ]]; then
  build_kernel
  exit
fi
[[ $preset == release || $preset == debug || $preset == fuzz ]] || {
  DEV_FAILURE=2 die "no preset '$preset': release, debug or fuzz; or kernel, the library kernel"
}
build "$preset" "${@:2}"
