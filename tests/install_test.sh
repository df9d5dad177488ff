#!/usr/bin/env bash
# Installs the built tree and builds examples/embed.cc against it, as a program that embeds Sandstone would.
set -euo pipefail
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/installed" >"$work/log" || { cat "$work/log"; exit 1; }
mkdir "$work/project"
cp "$source/examples/embed.cc" "$work/project/"
cat >"$work/project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(embed CXX)
find_package(sandstone REQUIRED)
add_executable(embed embed.cc)
target_link_libraries(embed PRIVATE sandstone::sandstone)
END
cmake -S "$work/project" -B "$work/built" -DCMAKE_PREFIX_PATH="$work/installed" >>"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/built" >>"$work/log" || { cat "$work/log"; exit 1; }
said=$("$work/built/embed")
echo "$said"
grep -q '^denied: mount (seccomp)$' <<<"$said"
grep -q '^printed: hello from the sandbox$' <<<"$said"
grep -q '^ended: exited, status 7, behind ' <<<"$said"
"$work/installed/bin/sandstone" run -- true
