"""What the workload sees of files: nothing of the user's, system folders read-only, and what was named."""

import os
import shutil

import sandstone_test

JAILED = ["ns", "landlock", "full"]


class DefaultView(sandstone_test.TestCase):
    def test_private_folders_can_be_written_and_are_gone_afterwards(self):
        for folder in ("/tmp", "/var/tmp", "/run", "/dev/shm", "/home/sandbox"):
            with self.subTest(folder=folder):
                self.assert_ended(self.sandbox("sh", "-c", f"echo x > {folder}/sandstone-probe && cat {folder}/sandstone-probe"), 0, out="x\n")
                self.assertFalse(os.path.exists(f"{folder}/sandstone-probe"))

    def test_system_folders_cannot(self):
        for tier in JAILED:
            with self.subTest(tier=tier):
                ended = self.sandbox("sh", "-c", "touch /usr/new || touch /usr/bin/new", options=["--tier", tier, "-u", "0"])
                self.assertNotEqual(ended.status, 0, ended)
        self.assertFalse(os.path.exists("/usr/new") or os.path.exists("/usr/bin/new"))

    def test_the_users_files_are_not_there(self):
        (self.dir / "secret").write_text("secret")
        for tier in JAILED:
            self.assertNotEqual(self.sandbox("cat", self.dir / "secret", options=["--tier", tier]).status, 0)
        self.assertEqual(self.sandbox("cat", self.dir / "secret", options=["--tier", "none"]).out, "secret")

    def test_programs_find_what_they_need(self):
        checks = {
            "names": "id -un; hostname; python3 -c 'import ssl, sqlite3, multiprocessing, tempfile'",
            "devices": "head -c 1 /dev/urandom >/dev/null && echo x >/dev/null && test -c /dev/zero",
            "loopback": "python3 -c \"import socket; s = socket.create_server(('127.0.0.1', 80)); socket.create_connection(s.getsockname())\"",
            "tools": "ls -l /proc/self/fd >/dev/null && mount >/dev/null && df / >/dev/null",
        }
        for tier in JAILED:
            for name, script in checks.items():
                with self.subTest(tier=tier, check=name):
                    ended = self.sandbox("sh", "-ec", script, options=["--tier", tier])
                    self.assertEqual(ended.status, 0, ended)


class Binds(sandstone_test.TestCase):
    def setUp(self):
        super().setUp()
        self.shared = self.dir / "shared"
        self.shared.mkdir()
        (self.shared / "file").write_text("content")
        self.shared.chmod(0o777)
        self.dir.chmod(0o755)

    def test_read_only_and_writable(self):
        self.assert_ended(self.sandbox("cat", "/data/file", options=["-v", f"{self.shared}:/data:ro"]), 0, out="content")
        refused = self.sandbox("sh", "-c", "echo x > /data/new", options=["--ro-bind", str(self.shared), "/data"])
        self.assertNotEqual(refused.status, 0)
        self.assertFalse((self.shared / "new").exists())
        written = self.sandbox("sh", "-c", "echo x > /data/new", options=["-v", f"{self.shared}:/data"])
        self.assertEqual(written.status, 0, written)
        self.assertEqual((self.shared / "new").read_text(), "x\n")

    def test_a_file_and_a_deep_place(self):
        ended = self.sandbox("cat", "/a/b/c/file", options=["-v", f"{self.shared / 'file'}:/a/b/c/file:ro"])
        self.assert_ended(ended, 0, out="content")

    def test_a_source_that_is_missing_is_refused(self):
        self.assert_refused(self.sandbox("true", options=["-v", f"{self.dir}/missing:/data"]), "missing")

    def test_tmpfs_workdir_hostname_environment(self):
        options = ["--tmpfs", "/scratch:1m", "-w", "/scratch", "--hostname", "boxed", "-e", "NAME=value"]
        ended = self.sandbox("sh", "-c", "pwd; hostname; echo $NAME; echo x > here; df -k . | tail -1 | awk '{print $2}'", options=options)
        self.assert_ended(ended, 0, out="/scratch\nboxed\nvalue\n1024\n")

    def test_a_read_only_root_keeps_its_private_folders(self):
        ended = self.sandbox("sh", "-c", "echo x > /tmp/x && ! touch /new 2>/dev/null && ! touch /etc/new 2>/dev/null",
                             options=["--read-only"])
        self.assertEqual(ended.status, 0, ended)


class Rootfs(sandstone_test.TestCase):
    def setUp(self):
        super().setUp()
        self.dir.chmod(0o755)
        self.root = self.dir / "root"
        (self.root / "bin").mkdir(parents=True)
        busybox = shutil.which("busybox") or "/bin/busybox"
        shutil.copy(busybox, self.root / "bin/busybox")
        for name in ("sh", "cat", "echo", "ls", "id", "touch", "rm"):
            (self.root / "bin" / name).symlink_to("busybox")
        (self.root / "etc").mkdir()
        (self.root / "etc/motd").write_text("of the tree")

    def tree(self):
        return sorted(os.path.join(base, name) for base, folders, files in os.walk(self.root) for name in folders + files)

    def test_every_run_is_fresh_and_the_tree_stays_as_it_was(self):
        before = self.tree()
        for tier in JAILED:
            for _ in range(2):
                ended = self.sandbox("/bin/sh", "-c", "cat /etc/motd; ls /new 2>/dev/null; echo x > /new && rm /etc/motd",
                                     options=["--tier", tier, "--rootfs", str(self.root)])
                self.assert_ended(ended, 0, out="of the tree")
        self.assertEqual(self.tree(), before)

    def test_what_it_changed_can_be_kept(self):
        saved = self.dir / "saved"
        saved.mkdir()
        options = ["--rootfs", str(self.root), "--save", str(saved)]
        self.assertEqual(self.sandbox("/bin/sh", "-c", "echo kept > /new", options=options).status, 0)
        self.assertEqual((saved / "upper/new").read_text(), "kept\n")
        for folder in (saved / "work").iterdir():  # the kernel's own, closed to everybody, also to who must remove it
            folder.chmod(0o700)


if __name__ == "__main__":
    sandstone_test.main()
