# ./dev bench [ARG...]: bench/run with what it needs, on a release build.
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

need bench
build release || die "the build failed"
exec "$root/bench/run" "$@"
