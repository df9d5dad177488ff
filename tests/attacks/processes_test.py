"""Other processes of the host, survivors of the sandbox, and privileges that grow."""

import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import time
import unittest

from harness import ISOLATED, JAILED, PYTHON, AttackTest, each_caller, processes_of, wait_until, main

CORE_PATTERN = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()


class OtherProcesses(AttackTest):
    def with_canary(self, attack):
        """Runs the attack beside a canary process in a pid namespace of their own, so that kill(-1) finds only the
        canary. Returns the attack's status and whether the canary lives."""
        script = """
import os, subprocess, sys, signal
canary = subprocess.Popen(["sleep", "600"], user=int(sys.argv[1]) if int(sys.argv[1]) >= 0 else None)
attack = subprocess.Popen(sys.argv[2:])
status = attack.wait()
try:
    canary.wait(timeout=1)  # a signal that was sent has arrived by now
except subprocess.TimeoutExpired:
    pass
lives = canary.poll() is None
print("STATUS", status, "CANARY", "lives" if lives else "died", flush=True)
canary.kill()
"""
        owner = str(self.caller.outside) if self.caller.uid == 0 else "-1"
        command = self.caller.private([PYTHON, "-c", script, owner, *attack],
                                      "--pid", "--fork", "--kill-child", "--mount-proc")
        result = self.caller.run(command)
        self.assertIn(b"CANARY", result.stdout, str(result))
        words = result.stdout.split()
        return result, int(words[words.index(b"STATUS") + 1]), words[words.index(b"CANARY") + 1] == b"lives"

    @each_caller
    def test_kill_everybody(self):
        result, _, lives = self.with_canary(self.weak("kill-all", switches=["--share-pid", "--share-user"])
                                            if self.caller.uid == 0 else
                                            self.weak("kill-all", switches=["--share-pid"]))
        self.assertFalse(lives, f"the control must kill the canary\n{result}")
        for tier in ISOLATED:
            for options in ([], ["-u", "0"]):
                result, _, lives = self.with_canary(self.sandstone("kill-all", tier=tier, options=options))
                self.assertTrue(lives, f"{tier}\n{result}")

    @each_caller
    def test_memory_of_a_process_of_the_host(self):
        script = """
import ctypes, sys, time
secret = ctypes.create_string_buffer(sys.argv[1].encode())
print(ctypes.addressof(secret), flush=True)
time.sleep(600)
"""
        canary = subprocess.Popen(
            ["setpriv", f"--reuid={self.caller.outside}", f"--regid={self.caller.outside}", "--clear-groups", "--",
             PYTHON, "-c", script, self.s.secret] if os.geteuid() == 0 else
            [PYTHON, "-c", script, self.s.secret], stdout=subprocess.PIPE)
        try:
            address = canary.stdout.readline().strip().decode()
            if self.caller.uid == 0:
                self.control("read-memory", str(canary.pid), address, switches=["--share-user", "--share-pid"])
                self.control("kill", str(canary.pid), switches=["--share-user", "--share-pid"])
            self.control("kill", str(canary.pid), switches=["--share-pid"])
            for tier in ISOLATED:
                for name in (["read-memory", str(canary.pid), address], ["kill", str(canary.pid)]):
                    result = self.caller.run(self.sandstone(*name, tier=tier))
                    # Inside there may be a process of this number; it is not the canary.
                    self.assertStopped(result)
        finally:
            canary.kill()
            canary.wait()
            canary.stdout.close()


class Survivors(AttackTest):
    KINDS = {"double-forked", "new-session", "stopped", "traced", "tracer", "vforked", "main"}

    def inside(self):
        """The jail has its own copy of the program, so that its processes can be told from all others."""
        return processes_of(self.marker)

    def launch(self, argv, name="survive", kinds=None):
        folder = self.s.folder("alive")
        for file in folder.iterdir():
            file.unlink()
        process = self.caller.start(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        kinds = kinds or self.KINDS
        started = lambda: {file.name for file in folder.iterdir()} >= kinds
        if not wait_until(started):
            process.kill()
            self.kill_the_rest()  # they hold the pipe that is read next
            self.fail(f"started only {list(folder.iterdir())}: {process.stderr.read()}")
        return process

    def setUp(self):
        self.marker = f"survivor-{os.getpid()}-{random.randrange(1 << 30)}"

    def program(self):
        shutil.copy(self.s.bin / "attack", self.s.bin / self.marker)
        self.s.give(self.s.bin / self.marker)
        return f"/b/{self.marker}"

    def end(self, process):
        process.kill()
        process.wait()
        process.stderr.close()

    def leftovers(self):
        return [pid for pid in self.inside()]

    def commands(self, name):
        shared = ["--bind", self.s.folder("alive"), "/alive"]
        program = self.program()
        weak = self.weak(switches=shared)
        weak = weak[:weak.index("--")] + ["--survivors", "--", program, name, "/alive"]
        jailed = {tier: self.sandstone(tier=tier, options=shared, command=[program, name, "/alive"])
                  for tier in ISOLATED}
        jailed["full with the user network"] = self.sandstone(options=[*shared, "--network", "user"],
                                                              command=[program, name, "/alive"])
        return weak, jailed

    def kill_the_rest(self):
        for _ in range(100):
            rest = self.leftovers()
            if not rest:
                return
            for pid in rest:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)

    def try_survivors(self, name, kinds):
        weak, jailed = self.commands(name)
        try:
            self.end(self.launch(weak, kinds=kinds))
            time.sleep(0.5)
            self.assertTrue(self.leftovers(), "the control must survive its launcher")
        finally:
            self.kill_the_rest()
        for tier, argv in jailed.items():
            try:
                process = self.launch(argv, kinds=kinds)
                family = descendants(process.pid)  # the network's process has none of our names
                self.end(process)
                gone = lambda: not self.leftovers() and not any(os.path.exists(f"/proc/{pid}") for pid in family)
                self.assertTrue(wait_until(gone), f"{tier}: {self.leftovers()} of {family} survived")
            finally:
                self.kill_the_rest()

    @each_caller
    def test_supervisor_is_killed(self):
        """SIGKILL for the launcher: double-forked, in another session, stopped, traced, ignoring every signal."""
        self.try_survivors("survive", self.KINDS)

    @each_caller
    def test_supervisor_is_killed_while_the_workload_forks(self):
        self.try_survivors("outrun", {"main"})

    @each_caller
    def test_supervisor_is_killed_at_any_moment(self):
        """Also between the fork and the first instruction of process 1."""
        _, jailed = self.commands("survive")
        random.seed(1)
        for _ in range(100):
            process = self.caller.start(jailed["full"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
            time.sleep(random.uniform(0, 0.03))
            self.end(process)
        try:
            self.assertTrue(wait_until(lambda: not self.leftovers()), f"{self.leftovers()} survived")
        finally:
            self.kill_the_rest()

    @each_caller
    def test_every_process_of_sandstone_is_killed_in_turn(self):
        """Whichever of its own processes dies, the workload does not run on alone."""
        _, jailed = self.commands("survive")
        count = 1
        index = 0
        while index < count:
            process = self.launch(jailed["full"])
            try:
                family = sorted(descendants(process.pid))
                count = len(family)
                os.kill(family[index], signal.SIGKILL)
                if index == 0:
                    self.assertTrue(wait_until(lambda: not self.leftovers()), f"{self.leftovers()} survived")
            finally:
                self.end(process)
                gone = wait_until(lambda: not self.leftovers())
                self.kill_the_rest()
            self.assertTrue(gone, "survivors")
            index += 1


def descendants(root):
    """root and all below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parents[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


class Privileges(AttackTest):
    def privileged_program(self, kind):
        """A copy of the attack program that would gain privileges when executed: setuid root, setuid for somebody
        else, or with file capabilities (version 3: for the user namespace whose root is the workload's id)."""
        path = self.s.path / "privileged" / kind
        self.s.folder("privileged")
        shutil.copy(self.s.bin / "attack", path)
        if kind == "setuid-root":
            os.chown(path, 0, 0)
            path.chmod(0o6755)
        elif kind == "setuid-other":
            os.chown(path, 1234, 1234)
            path.chmod(0o6755)
        else:
            everything = 0xFFFFFFFF
            header = 0x03000001  # VFS_CAP_REVISION_3, effective
            data = struct.pack("<6I", header, everything, 0, 0x1FF, 0, self.caller.outside)
            if kind == "capabilities-of-the-machine":
                data = struct.pack("<5I", 0x02000001, everything, 0, 0x1FF, 0)
            os.setxattr(path, "security.capability", data)
        return f"/p/{kind}"

    @unittest.skipIf(os.geteuid() != 0, "only root can make a setuid-root file")
    @each_caller
    def test_privileged_programs_in_a_bound_folder(self):
        folder = self.s.folder("privileged")
        bind = ["--ro-bind", folder, "/p"]
        if self.caller.uid == 0:
            open_jail = ["--share-user", "--no-new-privs-off", *bind]
            for kind in ("setuid-root", "setuid-other", "capabilities-of-the-machine"):
                program = self.privileged_program(kind)
                if kind.startswith("setuid"):
                    self.control("execute", program, switches=open_jail)
                else:
                    # The bounding set, which the weak jail empties, stops these: it must not.
                    self.caller.run(self.weak("execute", program, switches=open_jail))
        for kind in ("setuid-root", "setuid-other", "capabilities", "capabilities-of-the-machine"):
            program = self.privileged_program(kind)
            for tier in JAILED:
                self.stopped("execute", program, tier=tier, options=bind, statuses=(0,))
            self.stopped("execute", program, options=[*bind, "-u", "0"], statuses=(0,))

    @unittest.skipIf(CORE_PATTERN.startswith(("|", "/")), "this host puts core files elsewhere")
    @each_caller
    def test_core_file_in_a_bound_folder(self):
        """A crash leaves the workload's memory in its working directory, which may be the caller's."""
        folder = self.s.folder("shared")
        keep = lambda argv: ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", *argv]
        self.caller.run(keep(self.weak("crash", "/s", switches=["--bind", folder, "/s"])))
        self.assertTrue(list(folder.iterdir()), "the control must leave a core file")
        for file in folder.iterdir():
            file.unlink()
        for tier in ISOLATED:
            self.caller.run(keep(self.sandstone("crash", "/s", tier=tier, options=["--bind", folder, "/s"])))
            self.assertEqual(list(folder.iterdir()), [])

    @each_caller
    def test_root_inside_has_no_capabilities(self):
        self.ablate("show-privileges", missing=["capabilities"], options=["-u", "0"])

    @each_caller
    def test_setuid_file_is_planted(self):
        """In a folder of the caller's, a program that runs with the caller's id for everybody."""
        folder = self.s.folder("shared")
        self.control("plant-setuid", "/s/program", switches=["--bind", folder, "/s"])
        (folder / "program").unlink()


if __name__ == "__main__":
    main()
