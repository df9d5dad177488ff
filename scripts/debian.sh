#!/usr/bin/env bash
# Makes, or finds in the cache, a disk image of a Debian with the programs of scripts/packages/debian.txt, and prints where
# it is. The tests of the tier kernel run in it. --archive prints where the archive is that it is made of.
export SANDSTONE_CHECKOUT
SANDSTONE_CHECKOUT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
source "$SANDSTONE_CHECKOUT/scripts/dev/lib.sh"

# Names that say all that the content depends on: the packages and this script; for the image, what makes images too.
debian_built() {
  local key made_by
  key=$(cat "${BASH_SOURCE[0]}" "$root/scripts/packages/debian.txt" | sha256sum | cut -c 1-16)
  made_by=$(cd "$root/src/image" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16)
  archive=$cache/debian-$key.tar image=$cache/debian-$key-$made_by.img
  mkdir -p "$cache"
  (
    flock 8
    [[ -e $archive ]] || make_archive
    [[ -e $image ]] || make_image
    touch "$archive" "$image"
    # What no checkout has used for a fortnight goes; images, which are soon made again, after two days.
    find "$cache" -maxdepth 1 -name 'debian-*' \( -mtime +14 -o -name '*.img' -mtime +1 \) -delete
  ) 8>"$cache/lock"
}

make_archive() {
  local work
  need machine
  fresh_lists || say "dev: could not renew apt's lists"
  say "dev: making a Debian for the tests (once)"
  work=$(mktemp -d "$cache/making-XXXXXX")
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$work'" EXIT
  chmod 755 "$work"
  # From where apt has this machine's own.
  # shellcheck disable=SC2016 # the words are apt's
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    sort -u >"$work/sources"
  [[ -s $work/sources ]] || die "apt knows no Debian to take packages from"
  quietly "$root/build/log/debian" as_root mmdebstrap --variant=apt \
    --include="$(grep -v '^#' "$root/scripts/packages/debian.txt" | paste -sd,)" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --format=tar bookworm "$work/root.tar" "$work/sources" ||
    die "could not make the Debian"
  mv "$work/root.tar" "$archive"
}

make_image() {
  [[ -x $root/build/release/sandstone ]] || build release
  quietly "$root/build/log/debian-image" "$root/build/release/sandstone" image build --size 2g "$archive" "$image.new" ||
    die "could not make the image"
  chmod 644 "$image.new"
  mv "$image.new" "$image"
}

debian_built
if [[ ${1-} == --archive ]]; then echo "$archive"; else echo "$image"; fi
