#!/usr/bin/env python3
"""A Debian from a disk image (scripts/debian.sh): packages are installed in it as root, and stay or go."""

import pathlib
import shutil
import subprocess
import unittest

import kernel_tier
import sandstone_test

PACKAGE = r"""
set -e
mkdir -p /tmp/d/DEBIAN /tmp/d/usr/bin /tmp/d/etc; cd /tmp
printf 'Package: hi\nVersion: 1\nArchitecture: all\nDepends: perl-base\nMaintainer: x <x@y>\nDescription: hi\n' > d/DEBIAN/control
printf '/etc/hi.conf\n' > d/DEBIAN/conffiles; echo conf > d/etc/hi.conf
printf '#!/bin/sh\nset -e\nid -un; adduser --system --quiet --no-create-home hi 2>/dev/null || useradd -r hi\n' > d/DEBIAN/postinst
printf '#!/bin/sh\necho from a package\n' > d/usr/bin/hi
chmod 755 d/DEBIAN/postinst d/usr/bin/hi; dpkg-deb -b d hi.deb > /dev/null
"""


class Debian(kernel_tier.TestCase):
    HAS_IMAGE = True

    def test_it_boots_to_a_shell(self):
        ended = self.sandbox("/bin/sh", stdin="id; . /etc/os-release; echo $ID; ls /root /usr/bin/apt; mount | grep -c ' / '; exit 3\n")
        self.assert_ended(ended, 3, out="uid=0(root) gid=0(root) groups=0(root)\ndebian\n/usr/bin/apt\n\n/root:\n1\n")

    def test_apt_installs_a_package(self):
        self.assert_ended(self.script(PACKAGE + """
apt-get install -y -q ./hi.deb > log 2>&1 || { cat log; exit 1; }
grep -o ^root log; hi; getent passwd hi | cut -d: -f1; dpkg -s hi | grep ^Status; dpkg --verify hi
echo mine > /etc/hi.conf; dpkg -r hi > /dev/null; ! ls /usr/bin/hi 2>&1; cat /etc/hi.conf; dpkg -i hi.deb > /dev/null; dpkg --audit; dpkg -P hi > /dev/null
! ls /etc/hi.conf 2>&1; dpkg -l | grep -c '^ii' | grep -q ...
""", timeout=120), 0, out="root\nfrom a package\nhi\nStatus: install ok installed\nls: cannot access '/usr/bin/hi': No such file or directory\n"
                          "mine\nls: cannot access '/etc/hi.conf': No such file or directory\n")

    def test_a_root_in_the_root(self):
        self.assert_ended(self.script("""
set -e
mkdir -p /srv/r/proc; cp -L --parents /usr/bin/busybox $(ldd /usr/bin/busybox | grep -o '/[^ ]*') /srv/r
mount -t proc proc /srv/r/proc; chroot /srv/r /usr/bin/busybox sh -c 'busybox ls / | busybox head -n 1; busybox id -u; busybox cat /proc/1/comm'
unshare --mount --pid --fork --root=/srv/r /usr/bin/busybox sh -c 'busybox echo $$'
"""), 0, out="lib\n0\nsandstone-init\n1\n")

    def test_names_of_users_are_the_images(self):
        self.assert_ended(self.sandbox("sh", "-c", "id -un; echo $HOME; ls -ld /var/lib/redis | cut -d' ' -f3", options=["-u", "redis"]),
                          0, out="redis\n/var/lib/redis\nredis\n")


class DebianUnotify(Debian):
    OPTIONS = ("--syscall-mode", "unotify")


class Kept(kernel_tier.TestCase):
    """On an image of its own, which is large: once in each mode."""

    WRITES = "import mmap\nf = open('/usr/share/common-licenses/GPL-3', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[:4] = m[-4:] = b'kept'"

    def keep(self, mode):
        image = self.dir / "disk.img"
        subprocess.run(["cp", "--sparse=always", kernel_tier.debian_image(), image], check=True)
        on_it = ["--disk-image", image, "--syscall-mode", mode]
        self.assert_ended(self.script(PACKAGE + "apt-get install -y -q ./hi.deb > log 2>&1 || { cat log; exit 1; }; hi",
                                      options=[*on_it, "--persist"], timeout=120), 0, out="from a package\n")
        self.assert_ended(self.python(self.WRITES, options=[*on_it, "--persist"]), 0)
        checked = sandstone_test.command(["/sbin/e2fsck", "-fn", image])
        self.assertEqual(checked.status, 0, checked)
        self.assert_ended(self.script("hi; dpkg -r hi | tail -n 1", options=on_it), 0, out="from a package\nRemoving hi (1) ...\n")
        self.assert_ended(self.script("hi; id -un hi; dpkg --audit; head -c 4 /usr/share/common-licenses/GPL-3; tail -c 4 /usr/share/common-licenses/GPL-3", options=on_it), 0,
                          out="from a package\nhi\nkeptkept")

    @unittest.skipUnless(sandstone_test.SOAK or sandstone_test.IS_ROOT, "long; done as root")
    def test_what_was_installed_stays(self):
        self.keep("rewrite")

    @unittest.skipUnless(sandstone_test.SOAK or not sandstone_test.IS_ROOT, "long; done as an ordinary user")
    def test_what_was_installed_stays_unotify(self):
        self.keep("unotify")

    @unittest.skipUnless(sandstone_test.SOAK and sandstone_test.IS_ROOT, "long; root has the archive")
    def test_the_image_needs_no_root(self):
        """By an ordinary user, from the archive that mmdebstrap made."""
        script = sandstone_test.CHECKOUT / "scripts/debian.sh"
        archive = pathlib.Path(subprocess.run([script, "--archive"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
        user = {"user": 65534, "group": 65534, "extra_groups": []}
        place = self.shared_folder()
        shutil.copy(archive, place / "root.tar")
        (place / "root.tar").chmod(0o644)
        self.assert_ended(self.sandstone("image", "build", place / "root.tar", place / "disk.img", timeout=300, **user), 0)
        self.assertEqual(sandstone_test.command(["/sbin/e2fsck", "-fn", place / "disk.img"]).status, 0)
        self.assert_ended(self.script("stat -c '%U %a' /usr/bin/passwd", options=["--disk-image", place / "disk.img"]), 0, out="root 4755\n")


if __name__ == "__main__":
    sandstone_test.main()
