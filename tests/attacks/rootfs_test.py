"""A hostile rootfs: every place that a launcher mounts on, or writes to, is a symlink to somewhere else."""

import os
import pathlib
import shutil
import subprocess

from harness import ISOLATED, PROGRAMS, WON, AttackTest, each_caller, wait_until, main

PLACES = [
    "proc", "sys", "dev", "tmp", "etc", "run", "home", "root", "var", "usr", "dev/pts", "dev/shm", "dev/mqueue",
    "dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty", "dev/ptmx", "dev/console", "dev/fd",
    "dev/stdin", "dev/stdout", "etc/passwd", "etc/group", "etc/hosts", "etc/hostname", "etc/resolv.conf",
    "home/user", "home/sandbox",
]


def fingerprint(folder):
    """All that a folder holds: names, kinds, modes, owners, contents and targets."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            path = os.path.join(base, name)
            status = os.lstat(path)
            content = os.readlink(path) if os.path.islink(path) else (
                pathlib.Path(path).read_bytes() if os.path.isfile(path) else None)
            found[path] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found


class Rootfs(AttackTest):
    def build(self, links=(), name="rootfs", owner=None):
        """A rootfs of the attack program alone, with the given symlinks: {place: target}. It belongs to the workload's
        id outside, or to `owner`: root's own tree is shown through an idmapped mount."""
        root = self.s.folder(name)
        (root / "b").mkdir(exist_ok=True)
        shutil.copy(PROGRAMS / "attack", root / "attack")
        for place, target in dict(links).items():
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        for base, folders, files in os.walk(root):
            for item in [".", *folders, *files]:
                self.s.give(os.path.join(base, item))
                if owner is not None:
                    os.chown(os.path.join(base, item), owner, owner, follow_symlinks=False)
        return root

    def owners(self):
        return [None, 0, 1234] if self.caller.uid == 0 else [None]

    def targets(self, outside):
        """The ways to write "that folder of the host" in a symlink."""
        return {
            "absolute": str(outside),
            "dots": "../" * 12 + str(outside).lstrip("/"),
            "proc-self-root": f"/proc/self/root{outside}",
            "proc-one-root": f"/proc/1/root{outside}",
            "proc-self-cwd": "/proc/self/cwd",
            "descriptor": "/proc/self/fd/3",
        }

    def in_rootfs(self, *arguments, root, options=(), tier=None):
        argv = self.sandstone(*arguments, options=["--rootfs", root, *options], tier=tier)
        # The attack program is the rootfs' own.
        start = argv.index("--ro-bind")
        del argv[start:start + 3]
        argv[argv.index("--") + 1] = "/attack"
        return argv

    def assertHarmless(self, root, outside, options=(), arguments=None, tier=None):
        """The run may fail or not; nothing outside and nothing of the rootfs changes, and no secret is read."""
        before = fingerprint(outside), fingerprint(root)
        arguments = arguments or ["read", str(outside / "canary"), "/tmp/canary", "/dev/canary", "/etc/canary",
                                  "/data/canary", "/etc/passwd", "/etc/hosts", "/dev/null", "/data"]
        result = self.caller.run(self.in_rootfs(*arguments, root=root, options=options, tier=tier))
        self.assertIn(result.status, (0, 125), str(result))
        self.assertEqual((fingerprint(outside), fingerprint(root)), before, str(result))
        return result

    @each_caller
    def test_control_launcher_follows_symlinks(self):
        """A launcher that makes its mount points by path makes them on the host."""
        outside = self.s.folder("outside")
        root = self.build({"data": str(outside)})
        argv = [self.s.bin / "weak_jail", "--rootfs", root, "--ro-bind", self.s.bin, "/b",
                "--bind", self.s.bin, "/data/planted", "--", "/b/attack", "read", "/nothing"]
        self.caller.run(argv)
        self.assertTrue((outside / "planted").is_dir(), "the control must make a folder on the host")

    def links_to(self, places, target):
        """A file's place gets a file of the host."""
        files = [place for place in places if place.startswith(("dev/", "etc/"))]
        return {place: target + ("/canary" if place in files else "") for place in places}

    @each_caller
    def test_every_place_as_a_symlink(self):
        outside = self.s.canary("outside/canary").parent
        targets = self.targets(outside)
        folders = [place for place in PLACES if "/" not in place]
        below = [place for place in PLACES if "/" in place]
        tries = [(kind, places) for kind in targets for places in (folders, below)]
        tries += [(kind, [place]) for kind in ("absolute", "dots") for place in PLACES]
        for kind, places in tries:
            with self.subTest(places=places, kind=kind):
                root = self.build(self.links_to(places, targets[kind]), name="one")
                self.assertHarmless(root, outside)
                shutil.rmtree(root)

    @each_caller
    def test_all_places_at_once_behind_a_symlinked_parent(self):
        outside = self.s.canary("outside/canary").parent
        top = [place for place in PLACES if "/" not in place]
        link = self.s.path / "link"
        link.symlink_to(self.s.path)
        for owner in self.owners():
            root = self.build({place: str(outside) for place in top}, name=f"of-{owner}", owner=owner)
            for tier in ISOLATED:
                self.assertHarmless(root, outside, tier=tier)
                self.assertHarmless(root, outside, tier=tier, options=["--rootfs", link / "link" / root.name])

    @each_caller
    def test_mount_destinations_that_are_symlinks(self):
        """-v and --tmpfs onto a path of the rootfs that leads outside."""
        outside = self.s.canary("outside/canary").parent
        source = self.s.folder("source")
        for kind, target in self.targets(outside).items():
            root = self.build({"data": target, "deep/er": target}, name=f"rootfs-{kind}")
            for options in (
                ["--bind", source, "/data"], ["--bind", source, "/data/new/folder"],
                ["--ro-bind", source, "/deep/er/x"], ["--tmpfs", "/data"], ["--tmpfs", "/data/new"],
                ["--bind", self.s.file("file"), "/data/file"], ["--bind", self.s.file("file"), "/data/canary"],
                ["-w", "/data"], ["-w", "/data/new"],
            ):
                with self.subTest(kind=kind, options=options):
                    self.assertHarmless(root, outside, options=options)

    @each_caller
    def test_mount_destinations_over_the_walls(self):
        """A mount over /proc, /dev or the root itself may be refused; it may not leave the masks off."""
        outside = self.s.canary("outside/canary").parent
        source = self.s.folder("source")
        root = self.build()
        for place in ("/proc", "/proc/self", "/proc/sys", "/proc/1/root", "/proc/self/fd", "/", "/..", "/../..",
                      "/dev", "/dev/null", "/dev/pts", "/sys", "/proc/self/root/x", "/proc/self/cwd", "/b/../.."):
            with self.subTest(place=place):
                self.assertHarmless(root, outside, options=["--bind", source, place])
                self.assertEqual(list(source.iterdir()), [])

    @each_caller
    def test_masks_come_from_the_launcher(self):
        """CVE-2025-31133: the rootfs' /dev/null is a symlink, and what it leads to is bound over the masked path."""
        # /proc/version stands for any entry that a launcher masks; it is public, so the control is harmless.
        hostile = {"dev/null": "/proc/version"}
        root = self.build(hostile, name="control")
        argv = [self.s.bin / "weak_jail", "--rootfs", root, "--mask", "/proc/version", "--"]
        self.assertWon(self.caller.run([*argv, "/attack", "read-masked", "/proc/version"]))
        honest = self.build(name="honest")
        (honest / "dev").mkdir()
        (honest / "dev/null").touch()
        argv[2] = honest
        self.assertStopped(self.caller.run([*argv, "/attack", "read-masked", "/proc/version"]))
        for masked in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms", "/proc/self/environ"):
            root = self.build({"dev/null": masked}, name="r" + masked.replace("/", "-"))
            self.assertHarmless(root, self.s.folder("outside"), arguments=[
                "read-masked", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sysrq-trigger"])
            self.assertHarmless(root, self.s.folder("outside"), arguments=[
                "open-writable", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern"])

    @each_caller
    def test_console_through_a_symlink(self):
        """CVE-2025-52565: /dev/pts/0 of the rootfs leads elsewhere and is bound to /dev/console before the masks."""
        root = self.build({"dev/pts/0": "/proc/version"}, name="control")
        argv = [self.s.bin / "weak_jail", "--rootfs", root, "--console", "--"]
        self.assertWon(self.caller.run([*argv, "/attack", "read-masked", "/dev/console"]))
        outside = self.s.canary("outside/canary").parent
        for links in ({"dev/pts/0": "/proc/kcore"}, {"dev/console": "/proc/sys/kernel/core_pattern"},
                      {"dev/pts": "/proc"}, {"dev/ptmx": "/proc/kcore"}, {"dev/console": str(outside / "canary")}):
            root = self.build(links, name=f"r{hash(str(links)) & 0xffff}")
            for options in ([], ["-t"]):
                self.assertHarmless(root, outside, options=options, arguments=[
                    "read-masked", "/dev/console", "/proc/kcore"])
                self.assertHarmless(root, outside, options=options, arguments=[
                    "open-writable", "/proc/sys/kernel/core_pattern", "/dev/console"] if not options else None)

    @each_caller
    def test_writes_to_procfs_are_not_redirected(self):
        """CVE-2025-52881: the launcher writes to /proc/self/attr/…, and /proc is the rootfs' decoy."""
        root = self.build({"proc/self/attr/exec": "/victim"}, name="control")
        victim = root / "victim"
        victim.write_text("")
        self.s.give(victim)
        argv = [self.s.bin / "weak_jail", "--rootfs", root, "--no-proc", "--label", "label-of-the-launcher"]
        self.caller.run([*argv, "--", "/attack", "fake-proc"])
        self.assertEqual(victim.read_text(), "label-of-the-launcher", "the control must redirect the write")
        outside = self.s.canary("outside/canary").parent
        decoy = {f"proc/self/{name}": str(outside / "canary") for name in (
            "attr/exec", "attr/apparmor/exec", "uid_map", "gid_map", "setgroups", "oom_score_adj", "comm",
            "loginuid", "timens_offsets", "mountinfo", "status", "exe")}
        decoy.update({"proc/sys/kernel/hostname": str(outside / "canary"), "proc/thread-self": "self",
                      "proc/sys/net/ipv4/ping_group_range": str(outside / "canary")})
        root = self.build(decoy, name="decoy")
        for tier in ISOLATED:
            self.assertHarmless(root, outside, tier=tier, arguments=["fake-proc"])
            self.assertHarmless(root, outside, tier=tier, arguments=["read", "/proc/self/comm"])

    @each_caller
    def test_own_files_are_not_written_through_procfs(self):
        """/etc/hostname of the rootfs is a symlink to a setting of whoever writes it: with the right hostname, the
        launcher's own score for the out-of-memory killer, which the workload inherits."""
        for place in ("etc/hostname", "etc/hosts", "etc/resolv.conf"):
            for target in ("/proc/self/oom_score_adj", "/proc/thread-self/oom_score_adj", "/proc/1/oom_score_adj",
                           "/proc/self/task/1/oom_score_adj"):
                root = self.build({place: target}, name="r" + target.replace("/", "-") + place.replace("/", "-"))
                argv = self.in_rootfs("score", root=root, options=["--hostname", "500"])
                self.assertStopped(self.caller.run(argv), (0, 125))

    @each_caller
    def test_rootfs_that_changes_while_it_is_mounted(self):
        """Another process swaps a folder of the rootfs for a symlink and back, without a pause."""
        outside = self.s.canary("outside/canary").parent
        source = self.s.folder("source")
        root = self.build()
        swaps = []
        for place in ("data", "dev", "proc", "tmp"):
            (root / place).mkdir(exist_ok=True)
            (root / f"{place}.link").symlink_to(outside)
            for path in (root / place, root / f"{place}.link"):
                self.s.give(path)
            swaps += [str(root / place), str(root / f"{place}.link")]
        flipper = subprocess.Popen([PROGRAMS / "attack", "swap-forever", *swaps])
        try:
            before = fingerprint(outside)
            weak = [self.s.bin / "weak_jail", "--rootfs", root, "--bind", source, "/data/planted", "--",
                    "/attack", "read", "/tmp/canary"]
            hit = lambda: self.caller.run(weak) and (outside / "planted").exists()
            self.assertTrue(wait_until(hit), "the control must lose the race")
            (outside / "planted").rmdir()
            for _ in range(40):
                options = ["--bind", source, "/data/planted", "--tmpfs", "/data/more"]
                result = self.caller.run(self.in_rootfs("read", "/data/canary", "/tmp/canary", "/dev/canary",
                                                        root=root, options=options))
                self.assertIn(result.status, (0, 125, 127), str(result))
                self.assertEqual(fingerprint(outside), before, str(result))
        finally:
            flipper.kill()
            flipper.wait()

    @each_caller
    def test_no_older_root_above_the_overlay(self):
        """"/.." leads to whatever is still mounted over the root: the launcher's own scratch mount once did."""
        outside = self.s.canary("outside/canary").parent
        for owner in self.owners():
            root = self.build({"data": "../" * 12 + str(outside).lstrip("/")}, name=f"of-{owner}", owner=owner)
            self.assertNothingAbove(root, outside)

    def assertNothingAbove(self, root, outside):
        for tier in ("ns", "landlock", "full"):
            for options in ([], ["-u", "0"], ["--read-only"], ["--save", self.s.folder("save")]):
                result = self.assertHarmless(root, outside, tier=tier, options=options,
                                             arguments=["old-root", str(outside / "canary")])
                self.assertEqual(result.status, 0, str(result))
                self.assertHarmless(root, outside, tier=tier, options=options,
                                    arguments=["write", f"/..{outside}/planted"])

    @each_caller
    def test_save_folder_with_symlinks(self):
        """DIR/upper of --save DIR, left as a symlink by whoever could write to DIR, leads elsewhere: the overlay's changes
        would land there, and root would give that folder away."""
        outside = self.s.canary("outside/canary").parent
        root = self.build()
        argv = lambda: self.in_rootfs("write", "/planted", root=root, options=["--save", self.s.path / "save"])
        self.assertEqual(self.caller.run(argv()).status, WON)
        self.assertTrue((self.s.path / "save/upper/planted").exists())
        for part in ("upper", "work"):
            with self.subTest(part=part):
                place = self.s.path / "save" / part
                place.rename(self.s.path / f"was-{part}")
                place.symlink_to(outside)
                self.s.give(place)
                before = fingerprint(outside)
                self.assertRefusedStart(self.caller.run(argv()))
                self.assertEqual(fingerprint(outside), before)
                place.unlink()
                (self.s.path / f"was-{part}").rename(place)

    @each_caller
    def test_rootfs_is_never_changed(self):
        root = self.build()
        before = fingerprint(root)
        for tier in ("ns", "landlock", "full"):
            argv = self.in_rootfs("write", "/new", "/b/new", "/attack", root=root, tier=tier)
            self.assertEqual(self.caller.run(argv).status, WON, "the overlay takes the write")
            self.assertEqual(fingerprint(root), before)


if __name__ == "__main__":
    main()
