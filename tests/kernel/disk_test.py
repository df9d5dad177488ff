#!/usr/bin/env python3
"""--disk-image and --persist: the root of the tier kernel is a disk's file system."""

import os
import shutil
import signal
import subprocess
import unittest

import sandstone_test

APPLETS = "sh cat echo ls mkdir rm sync sleep dd id stat grep chmod".split()


class Disk(sandstone_test.TestCase):
    ids = {}

    def setUp(self):
        super().setUp()
        tree = self.dir / "tree"
        for folder in ("bin", "etc", "home/me"):
            (tree / folder).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", tree / "bin/busybox")
        for applet in APPLETS:
            (tree / "bin" / applet).symlink_to("busybox")
        (tree / "etc/hosts").write_text("the image's own\n")
        self.image = self.dir / "disk.img"
        self.assert_ended(self.sandstone("image", "build", tree, self.image), 0)
        if self.ids:
            for path in (self.dir, self.tmp, self.image):
                os.chown(path, 65534, 65534)

    def run_disk(self, script, *options, suffix="", **how):
        return self.sandbox(
            "sh", "-c", script, options=["--tier", "kernel", "--disk-image", f"{self.image}{suffix}", *options], **self.ids, **how
        )

    def assert_clean(self):
        checked = sandstone_test.command(["/sbin/e2fsck", "-fn", self.image])
        self.assertEqual(checked.status, 0, checked)
        shown = sandstone_test.command(["/sbin/dumpe2fs", "-h", self.image])
        self.assertRegex(shown.out, r"Filesystem state: +clean\n")
        self.assertNotIn("needs_recovery", shown.out)

    def test_the_root_is_the_images(self):
        ended = self.run_disk("ls /; grep ' / ' /proc/mounts; id; stat -c %U /bin/sh; pwd")
        self.assert_ended(ended, 0)
        self.assertIn("/dev/vda / ext4 rw", ended.out)
        self.assertNotIn("usr\n", ended.out)
        self.assertTrue(ended.out.endswith("\n/\n"), ended)

    def test_each_run_is_fresh(self):
        before = self.image.read_bytes()
        self.assert_ended(self.run_disk("echo new >/etc/new; cat /etc/new; rm /bin/id"), 0, out="new\n")
        self.assert_ended(self.run_disk("cat /etc/new || ls /bin/id"), 0, out="/bin/id\n")
        self.assertEqual(self.image.read_bytes(), before)

    def test_persist_keeps(self):
        self.assert_ended(self.run_disk("echo kept >/etc/new; mkdir -p /var/lib; rm /bin/id", "--persist"), 0)
        self.assert_clean()
        self.assert_ended(self.run_disk("cat /etc/new; ls -d /var/lib /bin/id 2>/dev/null"), 1, out="kept\n/var/lib\n")

    def test_persist_leaves_it_clean_whatever_still_runs(self):
        script = "sleep 1000 >/etc/open & dd if=/dev/zero of=/etc/much bs=64k count=200 2>/dev/null; exit 5"
        self.assert_ended(self.run_disk(script, "--persist"), 5)
        self.assert_clean()
        self.assert_ended(self.run_disk("stat -c %s /etc/much"), 0, out=f"{200 << 16}\n")

    def test_persist_survives_an_end_by_force(self):
        """What sync(2) has brought in is there, and the rest is what a journal makes of it."""
        ended = self.run_disk("echo kept >/etc/new; sync; while :; do echo more >>/etc/more; done", "--persist", "--timeout", "2s")
        self.assertEqual(ended.status, 124, ended)
        subprocess.run(["/sbin/e2fsck", "-fp", self.image], stdout=subprocess.DEVNULL, check=False)
        self.assertEqual(sandstone_test.command(["/sbin/e2fsck", "-fn", self.image]).status, 0)
        self.assert_ended(self.run_disk("cat /etc/new"), 0, out="kept\n")

    def test_read_only(self):
        before = self.image.read_bytes()
        ended = self.run_disk("cat /bin/sh | echo read; echo x >/etc/new || echo refused; echo x >/dev/shm/y && echo memory", suffix=":ro")
        self.assert_ended(ended, 0, out="read\nrefused\nmemory\n", err="Read-only file system")
        self.assertEqual(self.image.read_bytes(), before)

    def test_names_and_networks_are_the_sandboxes_and_stay_out_of_the_image(self):
        ended = self.run_disk("cat /etc/hosts /etc/resolv.conf", "--persist", "--network", "user")
        self.assertIn("nameserver 10.0.2.3", ended.out)
        self.assertIn("host.sandstone.internal", ended.out)
        kept = sandstone_test.command(["/sbin/debugfs", "-R", "cat /etc/hosts", self.image])
        self.assertEqual(kept.out, "the image's own\n")

    def test_volumes_and_tmpfs_beside_it(self):
        folder = self.dir / "volume"
        folder.mkdir()
        (folder / "in").write_text("from outside\n")
        os.chmod(folder, 0o777)  # root's workloads are nobody outside
        ended = self.run_disk("cat /a/b/in; echo back >/a/b/out; echo x >/c/d/y; cat /c/d/y", "-v", f"{folder}:/a/b", "--tmpfs", "/c/d")
        self.assert_ended(ended, 0, out="from outside\nx\n")
        self.assertEqual((folder / "out").read_text(), "back\n")

    def test_working_folder(self):
        self.assert_ended(self.run_disk("pwd", "-w", "/home/me"), 0, out="/home/me\n")
        self.assert_refused(self.run_disk("pwd", "-w", "/nowhere"), "-w", "/nowhere")

    def test_one_writer_or_many_readers(self):
        child = self.start(
            "run", "--tier", "kernel", "--disk-image", self.image, "--persist", "--", "sh", "-c", "echo up; sleep 1000",
            stdout=subprocess.PIPE, **self.ids,
        )
        self.assertEqual(child.stdout.readline(), b"up\n")
        self.assert_refused(self.run_disk("echo ran"), "--disk-image", "is being written to")
        child.send_signal(signal.SIGTERM)
        child.wait(20 * sandstone_test.PATIENCE)
        self.assert_ended(self.run_disk("echo ran"), 0, out="ran\n")

    def test_what_is_no_image(self):
        other = self.dir / "other"
        other.write_bytes(bytes(1 << 20))
        for path, words in (
            (other, ["holds no ext4"]), (self.dir / "none", ["No such file"]), (self.dir, ["neither a file nor a block device"]),
        ):
            os.chmod(self.dir, 0o755)
            ended = self.sandbox("true", options=["--tier", "kernel", "--disk-image", path], **self.ids)
            self.assert_refused(ended, "--disk-image", *words)

    def test_what_cannot_be(self):
        image = str(self.image)
        for options, words in (
            (["--disk-image", image], ["--tier kernel"]),
            (["--tier", "kernel", "--persist"], ["--persist", "--disk-image"]),
            (["--tier", "kernel", "--disk-image", image + ":ro", "--persist"], ["--persist", "read-only"]),
            (["--tier", "kernel", "--disk-image", image, "--rootfs", "/"], ["--rootfs"]),
        ):
            self.assert_refused(self.sandbox("true", options=options), *words)


@unittest.skipUnless(sandstone_test.IS_ROOT, "only root can become another")
class DiskOfNobody(Disk):
    ids = {"user": 65534, "group": 65534, "extra_groups": []}


if __name__ == "__main__":
    sandstone_test.main()
