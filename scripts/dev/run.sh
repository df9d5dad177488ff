# ./dev run ARGS...: builds what changed, then becomes `sandstone run ARGS...`.
# shellcheck shell=bash
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"
DEV_FAILURE=125  # what `sandstone run` itself says when the fault is not the command's

build release programs || die "the build failed"
if [[ " $* " == *" --tier kernel "* || " $* " == *" --tier=kernel "* ]]; then build_kernel || die "the library kernel's build failed"; fi
exec "$root/build/release/sandstone" run "$@"
