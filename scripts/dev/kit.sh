# Sourced: make_kit DIR copies what the whole-program tests need, laid out as in a checkout.
# shellcheck shell=bash disable=SC2154 # root comes from lib.sh

# The checkout itself may lie where an ordinary user cannot look, and the test machine cannot look at all.
make_kit() {
  local kit=$1
  mkdir -p "$kit/build/release"
  tar -C "$root" --exclude=./build --exclude=./.cache --exclude=./.git --exclude=__pycache__ -cf - . | tar -C "$kit" -xf -
  (cd "$root/build/release" && find . -type f -executable ! -path '*/CMakeFiles/*' ! -name unit_tests -print0 |
    tar --null -T - -cf -) | tar -C "$kit/build/release" -xf -
  chmod -R a+rX "$kit"
}
