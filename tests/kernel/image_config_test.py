#!/usr/bin/env python3
"""What an image's config says of how it is run (docs/images.md), and what a hostile one gets."""

import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import unittest

import kernel_tier
import sandstone_test

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:70:71:a server:/srv/web:/bin/sh\nbroken:x:a:b::/:\n"
GROUP = "root:x:0:\nweb:x:71:\nlogs:x:72:root,web\n"
WHO = "id -u; id -g; id -G; echo $HOME $USER; pwd"


class ImageConfig(kernel_tier.TestCase):
    ids = {}
    PLAIN = b""  # the image without a config, once it is made

    def setUp(self):
        super().setUp()
        tree = self.dir / "tree"
        for folder in ("bin", "etc", "srv/web", "root"):
            (tree / folder).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", tree / "bin/busybox")
        for applet in ("sh", "id", "echo", "pwd", "env", "sleep", "stat", "touch"):
            (tree / "bin" / applet).symlink_to("busybox")
        (tree / "etc/passwd").write_text(PASSWD)
        (tree / "etc/group").write_text(GROUP)
        if not self.PLAIN:
            self.assert_ended(self.sandstone("image", "build", "--owner", "root", "--size", "16m", tree, self.dir / "plain.img"), 0)
            ImageConfig.PLAIN = (self.dir / "plain.img").read_bytes()

    def image(self, config):
        """A copy of the image with this config: JSON, or text that claims to be."""
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        path = self.dir / "disk.img"
        area = b"sandstone-config" + struct.pack("<I", len(text)) + text
        path.write_bytes(self.PLAIN + area.ljust(64 << 10, b"\0"))
        if self.ids:
            for each in (self.dir, self.tmp, path):
                os.chown(each, 65534, 65534)
        return path

    def run_image(self, config, *words, options=()):
        return self.sandstone("run", "--tier", "kernel", "--disk-image", self.image(config), *options, *words, **self.ids)

    def test_without_a_command_the_images_runs(self):
        config = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": [WHO + "; env"], "Env": ["A=1", "PATH=/bin", "B=x=y", "A=2"],
                  "WorkingDir": "/srv", "User": "web"}
        ended = self.run_image(config)
        self.assert_ended(ended, 0)
        lines = ended.out.splitlines()
        self.assertEqual(lines[:5], ["70", "71", "71 72", "/srv/web web", "/srv"])
        for line in ("A=2", "PATH=/bin", "B=x=y"):
            self.assertIn(line, lines)

    def test_only_a_cmd(self):
        self.assert_ended(self.run_image({"Cmd": ["echo", "from cmd"]}), 0, out="from cmd\n")

    def test_what_the_caller_says_counts(self):
        config = {"Entrypoint": ["/bin/echo", "not this"], "Env": ["A=1", "B=2", "HOME=/h"], "WorkingDir": "/srv", "User": "web"}
        words = ["--", "sh", "-c", "echo $A $B; " + WHO]
        options = ["-e", "A=mine", "-w", "/bin", "-u", "5:6"]
        self.assert_ended(self.run_image(config, *words, options=options), 0, out="mine 2\n5\n6\n6\n/h sandbox\n/bin\n")
        self.assert_ended(self.run_image(config, *words, options=["-u", "root"]), 0, out="1 2\n0\n0\n0 72\n/h root\n/srv\n")

    def test_users(self):
        for user, options, expected in (
            ("web:logs", [], "70\n72\n72\n/srv/web web\n/\n"), ("70", [], "70\n71\n71 72\n/srv/web web\n/\n"),
            ("1234", [], "1234\n0\n0\n/root root\n/\n"), ("1234:99", [], "1234\n99\n99\n/root root\n/\n"),
            ("", [], "0\n0\n0\n/root root\n/\n"), ("", ["-u", "web"], "70\n71\n71 72\n/srv/web web\n/\n"),
        ):
            with self.subTest(user=user, options=options):
                self.assert_ended(self.run_image({"User": user}, "--", "sh", "-c", WHO, options=options), 0, out=expected)

    def test_a_volume_is_the_users(self):
        folder = self.shared_folder()
        script = "stat -c '%u %g' /v && touch /v/new && stat -c '%u %g' /v/new"
        ended = self.run_image({"User": "web"}, "--", "sh", "-c", script, options=["-v", f"{folder}:/v"])
        self.assert_ended(ended, 0, out="70 71\n70 71\n")

    def test_no_command_at_all(self):
        self.assert_refused(self.run_image({"Env": ["A=1"]}), "disk.img", "no command")
        (self.dir / "plain.img").write_bytes(self.PLAIN)
        self.assert_refused(self.sandstone("run", "--tier", "kernel", "--disk-image", self.dir / "plain.img"), "nothing to run")

    def test_what_cannot_be(self):
        run = {"Cmd": ["echo", "ran"]}
        for config, words in (
            ({**run, "User": "nobody-here"}, ["nobody-here", "/etc/passwd"]), ({**run, "User": "broken"}, ["/etc/passwd"]),
            ({**run, "User": "web:none"}, ["/etc/group"]), ({**run, "User": "a:b:c"}, ["a:b:c"]), ({**run, "User": ":"}, ["user"]),
            ({**run, "User": "-1"}, ["-1"]), ({**run, "User": "4294967295"}, ["4294967295"]),
            ({**run, "WorkingDir": "/nowhere"}, ["/nowhere"]), ({**run, "WorkingDir": "bin/echo"}, ["/bin/echo"]),
            ({**run, "Env": ["no equals"]}, ["NAME=VALUE"]), ({**run, "Env": ["=x"]}, ["NAME=VALUE"]), ({**run, "Env": "A=1"}, ["Env"]),
            ({**run, "Env": ["A=\0"]}, ["Env"]), ({"Cmd": [""]}, ["no command"]), ({"Cmd": [7]}, ["Cmd"]), ([], ["config"]),
            (b"{", ["JSON"]), (b"\xff\xfe", ["JSON"]),
        ):
            with self.subTest(config=config):
                self.assert_refused(self.run_image(config), *words)

    def test_a_length_that_lies(self):
        path = self.image({"Cmd": ["echo", "ran"]})
        data = bytearray(path.read_bytes())
        at = len(data) - (64 << 10) + 16
        data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
        path.write_bytes(data)
        self.assert_refused(self.sandstone("run", "--tier", "kernel", "--disk-image", path, **self.ids), "damaged")

    def test_it_cannot_write_to_the_terminal(self):
        """What is shown of a config is shown escaped."""
        for config in ({"Cmd": ["true"], "User": "\x1b[2J"}, {"Cmd": ["true"], "WorkingDir": "/\x1b[2J"}, {"Cmd": ["true"], "Env": ["\x1b[2J"]}):
            ended = self.run_image(config)
            self.assert_refused(ended)
            self.assertNotIn("\x1b", ended.err)

    def test_it_has_no_say_in_our_own_programs(self):
        """Its variables are the command's alone: the C library of sandstone-kernel would believe this one."""
        config = {"Cmd": ["sh", "-c", "echo $GLIBC_TUNABLES; exec sleep 1000"], "Env": ["GLIBC_TUNABLES=glibc.malloc.check=3"]}
        child = self.start("run", "--tier", "kernel", "--disk-image", self.image(config), stdout=subprocess.PIPE, **self.ids)
        self.assertEqual(child.stdout.readline(), b"glibc.malloc.check=3\n")
        looked_at = 0
        for pid in sandstone_test.descendants():
            try:
                environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:  # it may not be looked at, or has ended
                continue
            looked_at += b"PATH=" in environment
            self.assertNotIn(b"GLIBC_TUNABLES", environment)
        self.assertGreater(looked_at, 1)
        child.send_signal(signal.SIGTERM)
        child.wait(20 * sandstone_test.PATIENCE)

    def test_other_options_are_as_ever(self):
        printed = self.sandstone("run", "--tier", "kernel", "--disk-image", self.image({"Cmd": ["echo", "ran"]}), "--print-config")
        self.assertEqual(json.loads(printed.out)["command"], ["echo", "ran"])


@unittest.skipUnless(sandstone_test.IS_ROOT, "only root can become another")
class ImageConfigForNobody(ImageConfig):
    ids = {"user": 65534, "group": 65534, "extra_groups": []}
    test_a_volume_is_the_users = None


if __name__ == "__main__":
    sandstone_test.main()
