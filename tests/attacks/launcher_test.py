"""The launcher's own program, process 1, and what they have in memory."""

import os
import pathlib
import shutil
import subprocess

from harness import ISOLATED, OWN_KERNEL, SANDSTONE, WON, AttackTest, each_caller, wait_until, main


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
        result = self.caller.run([*argv, "--", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(result.status, 0, str(result))
        owned = lambda: pathlib.Path(launcher).read_bytes().startswith(b"#!/bin/sh\necho OWNED")
        self.assertTrue(wait_until(owned), "the control must overwrite the launcher")

    def shipped(self, command):
        sandstone, originals = self.copy_launcher()
        environment = ["-e", "LD_PRELOAD=/b/evil_preload.so", "-e", "EVIL_ATTACK=/b/attack"]
        for tier in ISOLATED:
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
            for options in (["--tier", "ns"], ["--tier", "landlock"], [], ["--network", "user"]):
                argv = self.sandstone("find-launcher", str(file.st_dev), str(file.st_ino), options=options)
                self.assertStopped(self.caller.run([sandstone, *argv[1:]]))


class ProcessOne(AttackTest):
    """Process 1 is of the workload's own id, and yet out of its reach. Root inside has the capabilities of the sandbox's
    user namespace until `full` takes them."""

    RUNS = (("ns", []), ("landlock", []), ("full", []), ("full", ["-u", "0"]), ("ns", ["--network", "user"]))

    def try_runs(self, name):
        self.control(name, switches=["--init"])
        for tier, options in self.RUNS:
            self.stopped(name, tier=tier, options=options)

    @each_caller
    def test_file(self):
        """The control is find-launcher: the weak jail's process 1 runs the launcher's own file."""
        for tier, options in (*self.RUNS, *((tier, []) for tier in OWN_KERNEL)):
            self.stopped("write-init", tier=tier, options=options)

    @each_caller
    def test_memory_environment_links_and_descriptors(self):
        self.try_runs("read-init")

    @each_caller
    def test_tracing(self):
        self.try_runs("trace-init")

    @each_caller
    def test_descriptors(self):
        self.try_runs("steal-descriptors")

    @each_caller
    def test_root_inside_needs_its_capabilities(self):
        self.ablate("read-init", missing=["capabilities"], options=["-u", "0"])
        self.ablate("trace-init", missing=["capabilities", "seccomp"], options=["-u", "0"])

    @each_caller
    def test_limits(self):
        """The limits of a process of the same id can be lowered. Process 1 needs none of what they limit, except
        time to live: with that gone the sandbox ends as if killed. Either way it ends, and all of it."""
        result = self.caller.run(self.weak("limit-init", switches=["--init"]))
        self.assertIn(result.status, (WON, 137), str(result))
        result = self.caller.run(self.sandstone("limit-init", options=["--timeout", "60s"]))
        self.assertIn(result.status, (WON, 137), str(result))


if __name__ == "__main__":
    main()
