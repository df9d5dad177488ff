# Runs inside the test machine: the whole-program tests as root and as the ordinary user, and one sum of both.
# shellcheck shell=bash
set -uo pipefail
export SANDSTONE_PATIENCE=10
