#!/usr/bin/env python3
"""`sandstone image build`: what goes in comes out, and what is hostile comes out harmless or not at all."""

import io
import json
import os
import pathlib
import random
import stat
import struct
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import ext4
import sandstone_test

CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service, effective and permitted


class ImageTest(sandstone_test.TestCase):
    def setUp(self):
        super().setUp()
        self.image = self.dir / "disk.img"

    def build(self, source, *options, status=0):
        ended = self.sandstone("image", "build", source, self.image, *options)
        self.assert_ended(ended, status)
        self.assertIsNone(ext4.check(self.image))
        return ended

    def assert_refused_without_trace(self, ended, *words):
        self.assert_refused(ended, *words)
        left = [p.name for p in self.dir.iterdir() if p.name == "disk.img" or p.name.startswith(".")]
        self.assertEqual(left, [], ended)

    def archive(self, entries, name="source.tar", mode="w", **how):
        """A tar archive of (TarInfo or name, content)."""
        path = self.dir / name
        with tarfile.open(path, mode, format=tarfile.PAX_FORMAT, **how) as out:
            for info, data in entries:
                if isinstance(info, str):
                    info = tarfile.TarInfo(info)
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
        return path


def special(name, kind, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


class FromFolder(ImageTest):
    def make_folder(self):
        folder = self.dir / "root"
        (folder / "a/deep/er").mkdir(parents=True)
        (folder / "many").mkdir()
        for number in range(700):
            (folder / "many" / f"{number:03}-{'x' * (number % 90)}").write_bytes(b"%d" % number)
        (folder / "empty").write_bytes(b"")
        (folder / "small").write_bytes(b"hello\n")
        (folder / "large").write_bytes(random.Random(1).randbytes(5_000_001))
        with open(folder / "sparse", "wb") as sparse:
            for at in range(0, 40 << 20, 1 << 20):
                sparse.seek(at + at // 17)
                sparse.write(b"data")
            sparse.truncate(48 << 20)
        (folder / "name with \"quotes'").write_bytes(b"1")
        (folder / "ünïcode").write_bytes(b"2")
        (folder / "short-link").symlink_to("small")
        (folder / "long-link").symlink_to("y" * 60)
        (folder / "outward").symlink_to("/etc/passwd")
        (folder / "folder-link").symlink_to("/etc")
        os.link(folder / "small", folder / "a/hard")
        os.mkfifo(folder / "a/fifo")
        for path, mode in [("small", 0o4751), ("a", 0o1777), ("a/deep", 0o2750), ("empty", 0o600)]:
            (folder / path).chmod(mode)
        os.utime(folder / "small", ns=(0, 1_600_000_000_123_456_789))
        os.utime(folder / "empty", ns=(0, 5_000_000_000_000_000_000))  # after 2038
        return folder

    def test_a_folder_comes_out_as_it_is(self):
        folder = self.make_folder()
        self.build(folder)
        expected = {}
        for base, folders, files in os.walk(folder):
            for name in folders + files:
                path = pathlib.Path(base, name)
                info = path.lstat()
                expected[str(path.relative_to(folder))] = (info.st_mode, info.st_uid, info.st_gid)
        found = ext4.tree(self.image)
        self.assertEqual({path: entry[:3] for path, entry in found.items()}, expected)
        self.assertEqual(found["small"][3], found["a/hard"][3], "one inode")
        for path, (mode, _, _) in expected.items():
            if stat.S_ISREG(mode) and '"' not in path and "many" not in path:
                self.assertEqual(ext4.content(self.image, path), (folder / path).read_bytes(), path)
            if stat.S_ISLNK(mode):
                self.assertEqual(ext4.target(self.image, path), os.readlink(folder / path))
        self.assertIn("mtime: 0x5f5e1000:1d6f3454", ext4.stat(self.image, "small"))
        self.assertIn("mtime: 0x2a05f200:00000001", ext4.stat(self.image, "empty"))

    def test_its_features_are_those_that_linux_6_1_knows(self):
        folder = self.dir / "root"
        folder.mkdir()
        self.build(folder)
        features = ext4.superblock(self.image)
        for feature in ("has_journal", "dir_index", "extent", "64bit", "flex_bg", "metadata_csum"):
            self.assertIn(feature, features)
        for feature in ("sparse_super2", "orphan_file", "metadata_csum_seed"):
            self.assertNotIn(feature, features)

    def test_it_takes_no_more_of_the_disk_than_what_is_in_it(self):
        folder = self.dir / "root"
        folder.mkdir()
        (folder / "zeros").write_bytes(bytes(64 << 20))
        self.build(folder, "--size", "8g")
        status = self.image.stat()
        self.assertEqual(status.st_size, 8 << 30)
        self.assertLess(status.st_blocks * 512, 16 << 20)
        self.assertEqual(len(ext4.content(self.image, "/zeros")), 64 << 20)

    def test_owners_are_kept_mapped_or_all_roots(self):
        folder = self.dir / "root"
        folder.mkdir()
        (folder / "mine").write_bytes(b"")
        me = (os.getuid(), os.getgid())
        others = {}
        if me[0] == 0:
            for uid, gid in [(1000, 1001), (100_000, 4_000_000_000)]:
                (folder / str(uid)).write_bytes(b"")
                os.chown(folder / str(uid), uid, gid)
                others[str(uid)] = (uid, gid)
        for how, mine in [("keep", me), ("map", (0, 0)), ("root", (0, 0))]:
            self.build(folder, "--owner", how)
            found = {name: entry[1:3] for name, entry in ext4.entries(self.image).items()}
            self.assertEqual(found, {"mine": mine, **({n: (0, 0) for n in others} if how == "root" else others)}, how)

    @unittest.skipUnless(os.getuid() == 0, "only root makes devices and these attributes")
    def test_devices_and_attributes_of_a_folder(self):
        folder = self.dir / "root"
        folder.mkdir()
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(folder / "wide", 0o600 | stat.S_IFBLK, os.makedev(300, 70_000))
        (folder / "ping").write_bytes(b"#!")
        os.setxattr(folder / "ping", "security.capability", CAPABILITY)
        os.setxattr(folder / "ping", "user.note", b"n" * 3000)
        self.build(folder)
        self.assertIn("Device major/minor number: 01:03", ext4.stat(self.image, "/null"))
        self.assertIn("Device major/minor number: 300:70000", ext4.stat(self.image, "/wide"))
        self.assertEqual(ext4.attribute(self.image, "/ping", "security.capability"), CAPABILITY)
        self.assertEqual(ext4.attribute(self.image, "/ping", "user.note"), b"n" * 3000)

    def test_what_cannot_be_is_refused(self):
        folder = self.dir / "root"
        folder.mkdir()
        (folder / "large").write_bytes(random.Random(2).randbytes(20 << 20))
        refused = self.assert_refused_without_trace
        refused(self.sandstone("image", "build", folder, self.image, "--size", "16m"), "the image is full", "--size")
        refused(self.sandstone("image", "build", folder, self.image, "--size", "1m"), "--size", "out of range")
        refused(self.sandstone("image", "build", self.dir / "none", self.image), "none: cannot open")
        refused(self.sandstone("image", "build", folder, self.dir / "none/disk.img"), "cannot open its folder")
        refused(self.sandstone("image", "build", folder, folder / "disk.img"), "which it would hold")
        refused(self.sandstone("image", "build", folder, self.dir / "tmpdir"), "no regular file")
        fifo = self.dir / "fifo"
        os.mkfifo(fifo)
        refused(self.sandstone("image", "build", fifo, self.image), "neither a folder nor a file")
        if os.getuid() != 0:
            (folder / "closed").write_bytes(b"x")
            (folder / "closed").chmod(0)
            refused(self.sandstone("image", "build", folder, self.image), "closed: cannot open: Permission denied")

    def test_a_failure_leaves_the_old_image_alone(self):
        self.image.write_bytes(b"old")
        self.assert_refused(self.sandstone("image", "build", self.dir / "none", self.image))
        broken = self.dir / "broken.tar"
        broken.write_bytes(random.Random(3).randbytes(10_000))
        self.assert_refused(self.sandstone("image", "build", broken, self.image), "no tar archive")
        self.assertEqual(self.image.read_bytes(), b"old")
        folder = self.dir / "root"
        folder.mkdir()
        self.build(folder)

    def test_a_killed_run_leaves_nothing(self):
        folder = self.dir / "root"
        folder.mkdir()
        for number in range(20):
            (folder / str(number)).write_bytes(random.Random(number).randbytes(4 << 20))
        child = self.start("image", "build", folder, self.image)
        sandstone_test.until(lambda: sandstone_test.descendants() or child.poll() is not None, "a start")
        child.kill()
        child.wait()
        self.assertLessEqual({p.name for p in self.dir.iterdir()}, {"root", "tmpdir", "disk.img"})


class FromArchive(ImageTest):
    def test_an_archive_comes_out_as_it_is_however_it_is_packed(self):
        entries = [
            (special("./", tarfile.DIRTYPE, mode=0o711, uid=3, gid=4), b""),
            (special("bin", tarfile.DIRTYPE, mode=0o755, uid=0, gid=0), b""),
            (special("bin/tool", tarfile.REGTYPE, mode=0o4755, uid=1000, gid=100_000, mtime=1_500_000_000.5,
                     pax_headers={"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")}), b"tool\n" * 9999),
            (special("bin/again", tarfile.LNKTYPE, linkname="bin/tool"), b""),
            (special("bin/soft", tarfile.SYMTYPE, linkname="../../../tool"), b""),
            (special("dev/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3), b""),
            (special("dev/sda", tarfile.BLKTYPE, mode=0o660, devmajor=8, devminor=0, gid=6), b""),
            (special("pipe", tarfile.FIFOTYPE, mode=0o600), b""),
            ("zażółć/" + "long" * 50, b"x"),
        ]
        plain = self.archive(entries)
        sources = [plain]
        for name, mode in [("s.tar.gz", "w:gz"), ("s.tar.xz", "w:xz"), ("s.tar.bz2", "w:bz2")]:
            sources.append(self.archive(entries, name, mode))
        zstd = self.dir / "s.tar.zst"
        if subprocess.run(["zstd", "-q", plain, "-o", zstd], check=False).returncode == 0:
            sources.append(zstd)
        for source in sources:
            with self.subTest(source=source.name):
                self.build(source)
                found = ext4.tree(self.image)
                self.assertEqual(found["bin/tool"][:3], (0o104755, 1000, 100_000))
                self.assertEqual(found["bin/again"][3], found["bin/tool"][3])
                self.assertEqual(found["dev/sda"][:3], (0o060660, 0, 6))
                self.assertEqual(found["pipe"][0], 0o010600)
                self.assertIn("zażółć/" + "long" * 50, found)
                self.assertEqual(ext4.content(self.image, "/bin/tool"), b"tool\n" * 9999)
                self.assertEqual(ext4.target(self.image, "/bin/soft"), "../../../tool")
                self.assertEqual(ext4.attribute(self.image, "/bin/tool", "security.capability"), CAPABILITY)
                self.assertIn("Device major/minor number: 01:03", ext4.stat(self.image, "/dev/null"))
                self.assertIn("Mode:  0711", ext4.stat(self.image, "/"))

    def test_hostile_paths_stay_inside(self):
        victim = self.dir / "victim"
        victim.write_bytes(b"safe")
        source = self.archive([
            ("../../etc/up", b"1"),
            ("/etc/absolute", b"2"),
            (str(victim), b"3"),
            ("a/b/../../../../c", b"4"),
            (special("out", tarfile.SYMTYPE, linkname=str(self.dir)), b""),
            ("out/victim", b"5"),
            (special("up", tarfile.SYMTYPE, linkname="../../../.."), b""),
            ("up/through", b"6"),
            ("name\x1b[31mcolour", b"7"),
        ])
        self.build(source)
        found = ext4.tree(self.image)
        for path, data in [("/etc/up", b"1"), ("/etc/absolute", b"2"), ("/c", b"4"), (str(victim), b"5"), ("/through", b"6")]:
            self.assertEqual(ext4.content(self.image, path), data, path)
        self.assertNotIn("..", {name for path in found for name in path.split("/")})
        self.assertEqual(victim.read_bytes(), b"safe")

    def test_hostile_links_are_refused(self):
        for linkname, says in [("../outside", "outside of the archive"), ("/etc/passwd", "does not hold"), ("a/../../x", "outside"),
                               ("folder", "a folder"), ("later", "does not hold")]:
            with self.subTest(linkname=linkname):
                source = self.archive([
                    (special("folder", tarfile.DIRTYPE), b""),
                    (special("bad", tarfile.LNKTYPE, linkname=linkname), b""),
                    ("later", b""),
                ])
                self.assert_refused_without_trace(self.sandstone("image", "build", source, self.image), "source.tar: bad", says)
        loop = self.archive([
            (special("a", tarfile.SYMTYPE, linkname="b"), b""), (special("b", tarfile.SYMTYPE, linkname="a"), b""), ("a/x", b""),
        ])
        self.assert_refused_without_trace(self.sandstone("image", "build", loop, self.image), "too many symbolic links")
        through = self.archive([("file", b""), ("file/x", b"")])
        self.assert_refused_without_trace(self.sandstone("image", "build", through, self.image), "'file' on the way is no folder")

    def test_a_bomb_is_stopped(self):
        class Zeros(io.RawIOBase):
            def readable(self):
                return True

            def readinto(self, buffer):
                buffer[:] = bytes(len(buffer))
                return len(buffer)

        bomb = self.dir / "bomb.tar.gz"
        with tarfile.open(bomb, "w:gz", compresslevel=1) as out:
            for number in range(3):
                info = tarfile.TarInfo(f"zeros{number}")
                info.size = 100 << 20
                out.addfile(info, io.BufferedReader(Zeros(), 1 << 20))
        self.assertLess(bomb.stat().st_size, 4 << 20)
        self.assert_refused_without_trace(self.sandstone("image", "build", bomb, self.image, "--size", "64m"),
                                          "unpacks to more than 128 MiB", "--size")
        # A sparse file that claims a petabyte takes no room in the archive at all.
        info = special("huge", tarfile.REGTYPE, pax_headers={
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "huge", "GNU.sparse.realsize": str(1 << 50)})
        huge = self.archive([(info, b"0\n".ljust(512, b"\0"))], "huge.tar")
        self.assert_refused_without_trace(self.sandstone("image", "build", huge, self.image), "huge.tar", "ext4")

    def test_damaged_archives_are_refused(self):
        whole = self.archive([("file", random.Random(4).randbytes(100_000)), ("file2", b"x")], "whole.tar.gz", "w:gz").read_bytes()
        cut = self.dir / "cut.tar.gz"
        cut.write_bytes(whole[:50_000])
        self.assert_refused_without_trace(self.sandstone("image", "build", cut, self.image), "cut.tar.gz: ")
        for name, data in [("empty.tar", b""), ("noise.tar", b"\xa5" * 4096), ("noise.tar.gz", b"\x1f\x8b" + b"\xa5" * 4096)]:
            (self.dir / name).write_bytes(data)
            self.assert_refused_without_trace(self.sandstone("image", "build", self.dir / name, self.image), name)
        for name in ("user." + "x" * 250, "user.large"):
            large = self.archive([(special("f", tarfile.REGTYPE, pax_headers={"SCHILY.xattr." + name: "v" * 9000}), b"")], "large.tar")
            self.assert_refused_without_trace(self.sandstone("image", "build", large, self.image), "large.tar", "extended attributes")


class CommandLine(ImageTest):
    def test_words_that_are_wrong(self):
        for words, says in [
            ([], "build, import or config"), (["biuld"], "did you mean 'build'"), (["build"], "a name is missing"),
            (["build", "a", "b", "c"], "'c' is one word too many"), (["build", "--size", "x", "a", "b"], "--size: 'x' is not a size"),
            (["build", "a", "b", "--owner", "me"], "--owner: 'me' is not an owner"), (["build", "", "b"], "a name is empty"),
            (["import", "a", "b", "--owner", "root"], "--owner: unknown option"), (["config"], "a name is missing"),
        ]:
            with self.subTest(words=words):
                self.assert_refused(self.sandstone("image", *words), says)

    def test_options_stand_anywhere_and_json_tells_the_same(self):
        folder = self.dir / "root"
        folder.mkdir()
        ended = self.sandstone("image", "build", "--json", folder, "--size=32m", "--", self.image)
        self.assert_ended(ended, 0)
        self.assertEqual(json.loads(ended.out)["bytes"], 32 << 20)
        self.assertEqual(json.loads(ended.out)["entries"], 2)
        self.assert_refused(self.sandstone("image", "config", self.image), "has no config")


if __name__ == "__main__":
    sandstone_test.main()
