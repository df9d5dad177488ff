# Sourced: machine_image makes, or finds in the cache, the test machine's kernel and root.
# The kernel is Debian's cloud kernel, unpacked from its package and never installed on this host.
# shellcheck shell=bash disable=SC2154 # root and cache come from scripts/dev/lib.sh

# Sets machine_kernel and machine_disk. The folder's name is a hash of all that its content depends on.
machine_image() {
  local package version key
  apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || fresh_lists
  package=$(apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/^ *Depends: *//p' | head -n 1)
  version=$(apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p')
  [[ -n $version ]] || die "apt knows no Debian cloud kernel (linux-image-cloud-amd64): is this Debian 12?"
  key=$(cat "$root"/scripts/machine/{image.sh,customize.sh,init,as-user} "$root/scripts/packages/guest.txt" - \
    <<<"$package $version" | sha256sum | cut -c 1-16)
  local dir=$cache/machine-$key
  # shellcheck disable=SC2034 # for boot.sh
  machine_kernel=$dir/vmlinuz machine_disk=$dir/root.img
  mkdir -p "$cache"
  (
    flock 8
    [[ -e $dir ]] || make_image "$package" "$dir"
    touch "$dir"
    # Images that no checkout has used for a fortnight go.
    find "$cache" -maxdepth 1 -name 'machine-*' -mtime +14 -exec rm -rf {} +
  ) 8>"$cache/lock"
}

make_image() {
  local package=$1 dir=$2 work
  say "dev: making the test machine's image with $package (once)"
  work=$(mktemp -d "$cache/making-XXXXXX")
  # shellcheck disable=SC2064 # the folder is known now
  trap "rm -rf '$work'" EXIT
  chmod 755 "$work"
  quietly "$root/build/log/machine-kernel" env -C "$work" apt-get -q -o APT::Sandbox::User=root download "$package" ||
    die "could not fetch the kernel"
  dpkg-deb -x "$work/$package"_*.deb "$work/kernel"
  mkdir "$work/image"
  mv "$work"/kernel/boot/vmlinuz-* "$work/image/vmlinuz"
  quietly "$root/build/log/machine-root" as_root mmdebstrap --variant=minbase \
    --include="$(grep -v '^#' "$root/scripts/packages/guest.txt" | paste -sd,)" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --skip=output/dev \
    --customize-hook="bash '$root/scripts/machine/customize.sh' \"\$1\" '$work/kernel' '$work/image/root.img'" \
    --format=null bookworm - ${SANDSTONE_DEBIAN_MIRROR:+"$SANDSTONE_DEBIAN_MIRROR"} || die "could not make the test machine's root"
  rm -rf "$dir"
  mv "$work/image" "$dir"
}
