"""The launcher's own program, process 1, and what they have in memory."""

import os
import pathlib
import shutil
import unittest

from harness import SANDSTONE, AttackTest, each_caller, wait_until


class Launcher(AttackTest):
    def copy_launcher(self):
        """A copy that the workload's id may write: only the sandbox is in its way."""
        folder = self.s.folder("launcher")
        copies = []
        for source in sorted(SANDSTONE.parent.glob("sandstone*")):
            if source.is_file() and os.access(source, os.X_OK):
                copies.append(shutil.copy(source, folder / source.name))
                self.s.give(copies[-1])
        return folder / SANDSTONE.name, {path: pathlib.Path(path).read_bytes() for path in copies}

    def overwrite(self, command):
        """The weak jail's launcher, made to execute itself, is overwritten from inside."""
        self.s.file("bin/entry", "#!/proc/self/exe\n", 0o755)
        launcher = shutil.copy(self.s.bin / "weak_jail", self.s.path / "victim")
        self.s.give(launcher)
        argv = [launcher, "--survivors", "--detach", "--system", "--ro-bind", self.s.bin, "/b"]
        argv += ["--setenv", "LD_PRELOAD=/b/evil_preload.so", "--setenv", "EVIL_ATTACK=/b/attack"]
        result = self.caller.run([*argv, "--", *command], stdout=None, stderr=None)
        self.assertEqual(result.status, 0, str(result))
        owned = lambda: pathlib.Path(launcher).read_bytes().startswith(b"#!/bin/sh\necho OWNED")
        self.assertTrue(wait_until(owned), "the control must overwrite the launcher")

    def shipped(self, command):
        sandstone, originals = self.copy_launcher()
        environment = ["-e", "LD_PRELOAD=/b/evil_preload.so", "-e", "EVIL_ATTACK=/b/attack"]
        for tier in ("ns", "landlock", "full"):
            argv = [sandstone, "run", "--tier", tier, "--ro-bind", self.s.bin, "/b", *environment, "--timeout", "10s"]
            result = self.caller.run([*argv, "--", *command])
            self.assertNotEqual(result.status, 42, str(result))
        for path, content in originals.items():
            self.assertEqual(pathlib.Path(path).read_bytes(), content, f"{path} was overwritten")

    @each_caller
    def test_proc_self_exe_as_command(self):
        """CVE-2019-5736: the command is /proc/self/exe."""
        self.overwrite(["/proc/self/exe"])
        self.shipped(["/proc/self/exe"])

    @each_caller
    def test_proc_self_exe_as_interpreter(self):
        """CVE-2019-5736: the command is a script of #!/proc/self/exe."""
        self.overwrite(["/b/entry"])
        self.shipped(["/b/entry"])

    @each_caller
    def test_launcher_is_not_visible(self):
        """/proc/1/exe, or that of a helper that joins, is the launcher's file on the host."""
        weak = os.stat(self.s.bin / "weak_jail")
        self.control("find-launcher", str(weak.st_dev), str(weak.st_ino), switches=["--init"])
        sandstone, originals = self.copy_launcher()
        for path in originals:
            file = os.stat(path)
            for tier in ("ns", "landlock", "full"):
                argv = self.sandstone("find-launcher", str(file.st_dev), str(file.st_ino), tier=tier)
                self.assertStopped(self.caller.run([sandstone, *argv[1:]]))


class ProcessOne(AttackTest):
    TIERS = ("ns", "landlock", "full")

    def try_tiers(self, name):
        self.control(name, switches=["--init"])
        for tier in self.TIERS:
            for options in ([], ["-u", "0"]):
                result = self.caller.run(self.sandstone(name, tier=tier, options=options))
                self.assertStopped(result, message=f"{tier} {options}")

    @each_caller
    def test_file(self):
        # Of the weak jail the attack could truncate the launcher, were it not running: what counts is that its
        # file is reached (find-launcher) and overwritten (overwrite-descriptor). Here: no write, no exception.
        for tier in self.TIERS:
            for options in ([], ["-u", "0"]):
                self.stopped("write-init", tier=tier, options=options)

    @each_caller
    def test_memory_environment_links_and_descriptors(self):
        self.try_tiers("read-init")

    @each_caller
    def test_tracing(self):
        self.try_tiers("trace-init")

    @each_caller
    def test_descriptors(self):
        self.try_tiers("steal-descriptors")

    @each_caller
    def test_limits(self):
        self.control("limit-init", switches=["--init"])
        self.stopped("limit-init")


if __name__ == "__main__":
    unittest.main()
