# customize.sh TREE KERNEL IMAGE: turns a minimal Debian tree into the test machine's disk.
# Runs as mmdebstrap's last step, where the tree's owners are right whoever started it.
# shellcheck shell=bash
set -euo pipefail
tree=$1 kernel=$2 image=$3
here=${BASH_SOURCE[0]%/*}

# Modules of hardware that the machine has not would only make the disk larger.
cp -a --no-preserve=ownership "$kernel/lib/modules" "$tree/usr/lib/"
for folder in gpu media sound infiniband scsi hv xen; do
  rm -rf "$tree"/usr/lib/modules/*/kernel/drivers/"$folder"
done
release=$(basename "$tree"/usr/lib/modules/*)
chroot "$tree" depmod "$release"

install -m 755 "$here/init" "$tree/sbin/machine-init"
install -m 755 "$here/as-user" "$tree/usr/local/bin/as-user"
mkdir "$tree/sandstone"
echo machine >"$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 machine\n::1 localhost\n' >"$tree/etc/hosts"
: >"$tree/etc/resolv.conf"
chroot "$tree" useradd --create-home --shell /bin/bash tester

# A bind mount shows the tree without the /proc and /sys that are mounted in it during this step. No journal: each
# boot starts from the same disk and throws its changes away.
# shellcheck disable=SC2016
unshare --mount sh -c 'mount --bind "$1" /mnt && mke2fs -q -t ext4 -O ^has_journal -d /mnt "$2" 1G' sh "$tree" "$image"
