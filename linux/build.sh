#!/usr/bin/env bash
# Builds the library kernel: arch/lib laid over an untouched kernel source, configured by ./config.
#
#   linux/build.sh OUT [debug]   writes OUT/library-kernel (what is loaded) and OUT/library-kernel.debug (with symbols, for gdb)
#
# The source is Debian's linux-source-6.1, or what LINUX_SOURCE names: another tree, which is never written to, or an archive
# of one (6.1 or later; docs/library-kernel.md says which were tried). One that is not fit is refused with status 125.
# What comes out depends on nothing but the source, this folder, the compiler and the variant, so it is kept under a hash
# of those in SANDSTONE_CACHE (~/.cache/sandstone); SANDSTONE_NO_CACHE=1 builds whatever is there.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
[[ $# -ge 1 && $# -le 2 && $1 != -* ]] || { echo "usage: build.sh OUT [debug]" >&2; exit 2; }
mkdir -p -- "$1"
out=$(cd -- "$1" && pwd -P) variant=${2:-release}
cache=${SANDSTONE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sandstone}
source=${LINUX_SOURCE:-/usr/src/linux-source-6.1.tar.xz}
oldest=6.1
jobs=$(nproc)

die() {
  echo "library kernel: $*" >&2
  exit 1
}

refuse() {
  echo "library kernel: $*" >&2
  exit 125
}

# A version as a number: 6.12 is 6012.
number() { echo "$((${1%%.*} * 1000 + 10#${1#*.}))"; }

# check_version TREE: sets `version`, for example to 6.12.
check_version() {
  version=$(sed -n 's/^VERSION = \([0-9]\+\)$/\1./p; s/^PATCHLEVEL = \([0-9]\+\)$/\1/p' "$1/Makefile" 2>/dev/null) || true
  version=${version//$'\n'/}
  [[ $version =~ ^[0-9]+\.[0-9]+$ && -d $1/kernel ]] || refuse "LINUX_SOURCE=$source is no kernel source"
  (($(number "$version") >= $(number "$oldest"))) ||
    refuse "LINUX_SOURCE=$source is Linux $version, and $oldest is the oldest that will do"
}

# The source's own identity: an archive's size and date, or what a tree says of itself.
if [[ -d $source ]]; then
  check_version "$source"
  source_id=$(cd "$source" && find . -type f -printf '%P %s %T@\n' | sort | sha256sum)
elif [[ -f $source ]]; then
  source_id=$(stat -c '%s %Y' "$source")
elif [[ -n ${LINUX_SOURCE-} ]]; then
  refuse "LINUX_SOURCE=$source is not there"
else
  refuse "$source is missing: install linux-source-6.1, or set LINUX_SOURCE"
fi

key=$({
  echo "$source_id $variant"
  "${CC:-gcc}" --version | head -n 1
  ld --version | head -n 1
  cd "$here"
  find arch config config.debug build.sh -type f -print0 | sort -z | xargs -0 sha256sum
} | sha256sum | cut -c1-32)
kept=$cache/library-kernel/$key

deliver() {
  mkdir -p "$out"
  local name
  for name in library-kernel library-kernel.debug; do
    cmp -s "$1/$name" "$out/$name" || cp --reflink=auto "$1/$name" "$out/.$name.new"
    [[ ! -e $out/.$name.new ]] || mv "$out/.$name.new" "$out/$name"
  done
}

if [[ -z ${SANDSTONE_NO_CACHE-} && -s $kept/library-kernel && -s $kept/library-kernel.debug ]]; then
  deliver "$kept"
  exit 0
fi

mkdir -p "$cache"
if [[ -d $source ]]; then
  base=$(cd "$source" && pwd -P)
else
  base=${source##*/}
  base=$cache/${base%.tar*}-$(echo "$source_id" | sha256sum | cut -c1-12)
  if [[ ! -d $base ]]; then
    echo "library kernel: unpacking $source" >&2
    part=$(mktemp -d "$cache/unpack.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    tar -xf "$source" -C "$part" --strip-components=1 || refuse "LINUX_SOURCE=$source is no archive that tar can read"
    check_version "$part"
    chmod 755 "$part"
    mv -T "$part" "$base" 2>/dev/null || [[ -d $base ]]
  fi
fi
check_version "$base"

# A tree of links to the source, with arch/lib among the other architectures.
work=$out/linux-$variant tree=$out/linux-$variant/source obj=$out/linux-$variant/obj
if [[ $(cat "$work/base" 2>/dev/null) != "$base" ]]; then
  rm -rf "$work"
  mkdir -p "$tree/arch" "$obj"
  find "$base" -mindepth 1 -maxdepth 1 ! -name arch -exec ln -s -t "$tree" {} +
  find "$base/arch" -mindepth 1 -maxdepth 1 -exec ln -s -t "$tree/arch" {} +
  echo "$base" >"$work/base"
fi
rsync -a --delete --checksum "$here/arch/lib/" "$tree/arch/lib/"

cc=${CC:-gcc}
! command -v ccache >/dev/null || cc="ccache $cc"
# -O3: short calls become 3 to 7 % faster, the image 0.8 MB larger.
kmake() {
  make -s -C "$tree" ARCH=lib O="$obj" CC="$cc" HOSTCC="$cc" KCFLAGS=-O3 KBUILD_BUILD_USER=sandstone KBUILD_BUILD_HOST=sandstone \
    KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_VERSION=1 "$@" </dev/null
}

# The options of this version: "6.1-6.9: CONFIG_…" stands for those versions only, and "6.11-: CONFIG_…" for 6.11 and later.
options() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^([0-9]+\.[0-9]+)-([0-9]+\.[0-9]+)?:\ (CONFIG_.*)$ ]]; then
      (($(number "$version") >= $(number "${BASH_REMATCH[1]}"))) || continue
      [[ -z ${BASH_REMATCH[2]} ]] || (($(number "$version") <= $(number "${BASH_REMATCH[2]}"))) || continue
      line=${BASH_REMATCH[3]}
    fi
    printf '%s\n' "$line"
  done
}
options <"$here/config" >"$work/wanted"
[[ $variant != debug ]] || options <"$here/config.debug" >>"$work/wanted"
# One that this Linux does not have would be passed over in silence, even where it turns something off.
unknown=$(grep -oE '^CONFIG_[A-Z0-9_]+' "$work/wanted" | sort -u | comm -23 - <(
  grep -rhE --include='Kconfig*' '^[[:space:]]*(menu)?config [A-Z0-9_]+[[:space:]]*$' "$base" | awk '{print "CONFIG_" $2}' | sort -u))
[[ -z $unknown ]] ||
  refuse "Linux $version has no ${unknown//$'\n'/, }: in linux/config, put the versions that have it before it"
KCONFIG_ALLCONFIG=$work/wanted kmake allnoconfig >"$work/log" 2>&1 || { cat "$work/log" >&2; die "the configuration failed"; }
# The last word on an option counts. One that did not come out as written has lost what it depends on.
tac "$work/wanted" | grep -E '^CONFIG_[A-Z0-9_]+=' | awk -F= '!seen[$1]++' | while IFS= read -r line; do
  name=${line%%=*}
  if [[ $line == "$name=n" ]]; then
    ! grep -q "^$name=" "$obj/.config" || die "$name is on, although linux/config turns it off"
  else
    grep -qxF "$line" "$obj/.config" || die "$line did not come out as written"
  fi
done

# Progress: objects made, of about as many as there are.
start=$SECONDS
kmake -j"$jobs" vmlinux >"$work/log" 2>&1 &
build=$!
trap 'kill $build 2>/dev/null || true' EXIT
while kill -0 "$build" 2>/dev/null; do
  sleep 5
  made=$(find "$obj" -name '*.o' -newer "$work/wanted" 2>/dev/null | wc -l) || true  # files of the compiler's come and go
  ((SECONDS % 15 >= 5)) || echo "library kernel: $made of about 770 objects, $((SECONDS - start)) s" >&2
done
wait "$build" || {
  grep -E 'error|Error|undefined|\*\*\*' "$work/log" | head -n 40 >&2
  die "the build failed; all of it is in $work/log"
}
trap - EXIT

# `ld` is silent about what it leaves out; the image must not want anything.
! nm -u "$obj/vmlinux" | grep . || die "the image has undefined symbols"
result=$work/result
mkdir -p "$result"
cp "$obj/vmlinux" "$result/library-kernel.debug"
objcopy --strip-all "$obj/vmlinux" "$result/library-kernel"
deliver "$result"
mkdir -p "$kept.new.$$" "${kept%/*}"
cp "$result/library-kernel" "$result/library-kernel.debug" "$kept.new.$$/"
rm -rf "$kept"
mv -T "$kept.new.$$" "$kept"
echo "library kernel: built in $((SECONDS - start)) s, $(stat -c %s "$result/library-kernel") bytes" >&2
