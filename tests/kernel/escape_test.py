#!/usr/bin/env python3
"""A guest of the tier kernel that turns on what is in its own process: the run-time, the library kernel, the devices' windows.

Guests of one sandbox share a kernel that they can overwrite. So its end proves nothing; what is looked for is that nobody gets
further than what the host's filter leaves, that the devices' process and `sandstone` stand, that the run ends in time and that
nothing of it is left. Each attack that could gain something is first seen to gain it where the wall is absent.
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess

import sandstone_test

ATTACK = pathlib.Path(os.environ.get("SANDSTONE_ATTACKS", sandstone_test.PROGRAMS / "attacks")).resolve() / "attack"
WON, REFUSED = 42, 0
KILLED = 128 + 9
TIMEOUT = 124
BY_A_FAULT = {128 + n for n in (4, 5, 6, 7, 8, 11)}
THE_PROGRAMS = "the first program has ended with"  # which the devices' process says only in the orderly way

RAW_CALLS = ("open openat openat2 socket unix-socket socketpair connect ptrace mount unshare clone-user clone3-user execve vm-write "
             "vm-read kill pidfd memfd dup prctl io-uring listener terminal").split()

# uretprobe and uprobe: Linux lets no filter see them, and ends whoever calls them from anywhere but a probe's trampoline.
PAST_ALL_FILTERS = {335, 336}


class Escape(sandstone_test.TestCase):
    MODE = "rewrite"

    def setUp(self):
        super().setUp()
        self.bin = self.dir / "bin"
        self.bin.mkdir()
        shutil.copy(ATTACK, self.bin / "attack")
        self.secret = "CANARY-" + secrets.token_hex(8)
        (self.bin / "canary").write_text(self.secret + "\n")

    def guest(self, *attack, options=(), tier="kernel", seconds=30, **how):
        mode = ["--syscall-mode", self.MODE] if tier == "kernel" else []
        return self.sandbox("/b/attack", *attack, options=["--tier", tier, *mode, "--timeout", f"{seconds}s", "--ro-bind", self.bin, "/b",
                                                           *options], **how)

    def under_shell(self, *attack, options=(), seconds=6):
        """The first guest is a shell. A fault's status is the devices' process' own then, unless it says that it is the shell's,
        whose run-time shares memory with the attack."""
        line = f"/b/attack {' '.join(map(str, attack))}; exit 9"
        ended = self.sandbox("sh", "-c", line, env={"SANDSTONE_KERNEL_LOG": "1"},
                             options=["--tier", "kernel", "--timeout", f"{seconds}s", "--ro-bind", self.bin, "/b", *options])
        if THE_PROGRAMS not in ended.err:
            self.assertNotIn(ended.status, BY_A_FAULT, ended)
        self.assertEqual((self.bin / "canary").read_text(), self.secret + "\n")
        return ended

    def bare(self, *attack, **how):
        """On the host, where it can harm no one."""
        user = [] if sandstone_test.IS_ROOT else ["--user", "--map-root-user"]
        return sandstone_test.command(["unshare", *user, "--mount", "--pid", "--fork", "--mount-proc", "--", self.bin / "attack", *attack],
                                      **how)


class CallsFromOurText(Escape):
    """A jump to a `syscall` in the run-time: no trap sees it, the domain's filter does."""

    def test_each_is_refused_and_would_gain_something(self):
        with Listener() as port:
            for name in RAW_CALLS:
                with self.subTest(call=name):
                    argument = {"connect": [port], "execve": [self.bin / "attack"]}.get(name, [])
                    self.assert_ended(self.bare("raw-call", "own", name, *argument), WON)
                    inside = {"connect": [port], "execve": ["/b/attack"]}.get(name, [])
                    ended = self.guest("raw-call", "runtime", name, *map(str, inside))
                    self.assert_ended(ended, REFUSED, err="refused")
                    self.assertRegex(ended.err, r"Function not implemented|Operation not permitted")

    def test_an_end_that_the_kernel_is_not_told_of(self):
        """The host's process ends with status 0, and its task by the kernel's own process, which sees that."""
        options = ["--syscall-mode", self.MODE]
        self.assertEqual(self.under_shell("raw-call", "runtime", "exit", options=options, seconds=30).status, 9)

    def test_all_others_are_refused(self):
        reached = {int(line) for line in self.guest("raw-sweep", "runtime").out.split()}
        self.assertGreater(len(reached), 30, "the gadget reaches the host")
        self.assertLessEqual(len(reached - PAST_ALL_FILTERS), 45)
        everything = {int(line) for line in self.guest("raw-sweep", "own", tier="full").out.split()}
        self.assertGreater(len(everything), 200, "more would answer")

    def test_processes_of_the_domain_can_be_killed_and_no_others(self):
        ended = self.guest("raw-kill", seconds=5)
        self.assertIn(ended.status, (KILLED, 125) if self.MODE != "unotify" else (TIMEOUT,), ended)  # there, nobody can be

    def test_nothing_outlives_the_run(self):
        self.assert_ended(self.guest("raw-survive"), REFUSED)
        self.assert_ended(self.guest("raw-survive", "spin", seconds=3), TIMEOUT)
        child = self.start("run", "--tier", "kernel", "--syscall-mode", self.MODE, "--ro-bind", self.bin, "/b", "--", "/b/attack",
                           "raw-survive", "spin")
        sandstone_test.until(lambda: sum("raw-survive" in line for line in sandstone_test.descendants().values()) > 0, "the guest")
        child.kill()
        child.wait()
        self.assert_nothing_left()


class CallsFromOurTextByNotification(CallsFromOurText):
    MODE = "unotify"


class CallsFromElsewhere(Escape):
    def test_without_the_trap_they_do_not_reach_the_host(self):
        """SIGSYS blocked, ignored, at its default, or handled by the guest itself."""
        for how in ("block", "ignore", "default", "handle"):
            with self.subTest(how=how):
                self.assert_ended(self.guest("sigsys", how), REFUSED, err="refused: it ended with")

    def test_code_that_was_written_a_moment_ago_is_served_like_any_other(self):
        for how in ("at-once", "both", "later"):
            with self.subTest(how=how):
                ended = self.guest("jit", how, options=["--hostname", "inside"])
                self.assert_ended(ended, WON)
                self.assertRegex(ended.out, r"\Ainside \S+-sandstone \d+\n\Z")

    def test_memory_that_is_writable_and_executable_can_be_refused(self):
        for how in ("at-once", "both"):
            self.assert_ended(self.guest("jit", how, options=["--wx", "deny"]), REFUSED, err="Permission denied")
        self.assert_ended(self.guest("jit", "later", options=["--wx", "deny"]), WON)

    def test_the_i386_entry_ends_its_caller(self):
        self.assertEqual(self.guest("int80", "/tmp/made").status, KILLED)

    def test_x32_is_no_table(self):
        # A rewritten call is answered by the run-time, with ENOSYS; any other meets the jail's filter.
        self.assertEqual(self.guest("x32", "/tmp/made").status, 43 if self.MODE == "rewrite" else KILLED)


class CallsFromElsewhereTrapped(CallsFromElsewhere):
    MODE = "trap"


class CallsFromElsewhereByNotification(CallsFromElsewhere):
    MODE = "unotify"


class OwnMemory(Escape):
    def test_the_ranges_below_are_not_the_guests_to_change(self):
        for what in ("text", "slots", "kernel", "all"):
            for how in ("unmap", "remap", "protect", "move"):
                with self.subTest(what=what, how=how):
                    self.assert_ended(self.guest("unmap", what, how), REFUSED, err="refused")

    def test_taken_away_by_force_the_run_ends(self):
        for what in ("text", "slots", "kernel", "all"):
            with self.subTest(what=what):
                ended = self.under_shell("unmap", what, "raw", seconds=4)
                self.assertIn(ended.status, (9, TIMEOUT, 125), ended)

    def test_the_kernel_is_overwritten(self):
        for area in ("data", "pages", "lock", "carriers", "header", "slots", "patches"):
            for seed in seeds(2):
                with self.subTest(area=area, seed=seed):
                    ended = self.under_shell("scribble", area, seed, 1)
                    self.assertIn("scribbling", ended.err)

    def test_the_devices_windows_are_forged(self):
        shared = self.dir / "shared"
        shared.mkdir()
        for attack in ("scribble windows", "registers"):
            for seed in seeds(6):
                with self.subTest(attack=attack, seed=seed):
                    ended = self.under_shell(*attack.split(), seed, 1, options=["-v", f"{shared}:/shared"])
                    self.assertIn("scribbling", ended.err)
                    self.assertEqual(os.listdir(shared), [])

    def test_the_trail_is_forged(self):
        for form in ("text", "json"):
            for seed in seeds(3):
                with self.subTest(form=form, seed=seed):
                    trace = self.dir / "trace"
                    self.under_shell("scribble", "rings", seed, 1, options=["--trace", trace, "--trace-format", form])
                    written = trace.read_bytes()
                    self.assertLess(len(written), 256 << 20)
                    self.assertEqual(re.findall(rb"[\x00-\x08\x0b-\x1f\x7f-\xff]", written)[:3], [])

    def test_the_counters_are_forged(self):
        for area in ("counts", "counters"):
            for seed in seeds(2):
                with self.subTest(area=area, seed=seed):
                    lines, report = self.dir / "lines", self.dir / "report"
                    self.under_shell("scribble", area, seed, 1,
                                     options=["--stats", "--json", report, "--stats-file", lines, "--stats-interval", "20ms"])
                    for line in lines.read_text(encoding="ascii").splitlines():
                        json.loads(line)
                    json.loads(report.read_text(encoding="ascii"))


class Outside(Escape):
    """What a guest's root does to its kernel is seen neither by the host nor by the jail around it."""

    ROOT = ("mount -t tmpfs none /mnt && touch /mnt/in && hostname elsewhere && mknod /tmp/null c 1 3 && chown 5:5 /tmp/null && "
            "unshare --mount --net --pid --fork true && ip link set lo up && umount /mnt && echo done && read line && exit 7")

    def test_root_inside_changes_nothing(self):
        child = self.start("run", "--tier", "kernel", "-i", "--", "sh", "-c", f"echo ready; read line; {self.ROOT}",
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        jail = [pid for pid, line in sandstone_test.descendants().items() if line.startswith("sandstone-kernel ")]
        self.assertGreaterEqual(len(jail), 2, sandstone_test.descendants())
        before = [self.state(pid) for pid in ["self", *jail]]
        child.stdin.write(b"\n")
        child.stdin.flush()
        self.assertEqual(child.stdout.readline(), b"done\n")
        self.assertEqual([self.state(pid) for pid in ["self", *jail]], before)
        child.stdin.write(b"\n")
        child.stdin.flush()
        self.assertEqual(child.wait(20 * sandstone_test.PATIENCE), 7)

    def state(self, pid):
        """Mounts, namespaces and ids of a process, and the names of host and interfaces where they can be had."""
        proc = pathlib.Path(f"/proc/{pid}")
        found = [os.uname().nodename, sorted(os.listdir("/sys/class/net"))]
        found += [proc.joinpath(name).read_text() for name in ("mountinfo", "net/dev_mcast", "net/if_inet6")]
        found += re.findall(r"(?m)^(?:Uid|Gid|Cap\w+|NoNewPrivs|Seccomp):.*$", (proc / "status").read_text())
        if sandstone_test.IS_ROOT:
            found += [os.readlink(proc / "ns" / name) for name in ("mnt", "net", "pid", "uts", "user", "ipc")]
            if pid != "self":
                found.append(sandstone_test.command(["nsenter", "-t", str(pid), "-u", "hostname"]).out)
        return found

    def test_the_tests_know_how_the_devices_process_ends(self):
        """A fault of it is the run's status: what `under_shell` looks for would be seen."""
        child = self.start("run", "--tier", "kernel", "--", "sh", "-c", "echo ready; sleep 100", stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env={"SANDSTONE_KERNEL_LOG": "1"})
        self.assertEqual(child.stdout.readline(), b"ready\n")
        ours = {pid for pid, line in sandstone_test.descendants().items() if line.startswith("sandstone-kernel ")}
        devices = [pid for pid in ours if parent_of(pid) not in ours]
        self.assertEqual(len(devices), 1)
        os.kill(devices[0], 11)
        self.assertIn(child.wait(20 * sandstone_test.PATIENCE), BY_A_FAULT)
        self.assertNotIn(THE_PROGRAMS, child.stderr.read().decode())


class Secrets(Escape):
    def test_no_memory_holds_what_was_the_callers(self):
        environment = {"SECRET": self.secret}
        self.assert_ended(self.bare("scan", "own", env={**os.environ, **environment}), WON, err=self.secret)
        ended = self.guest("scan", "runtime", env=environment)
        self.assert_ended(ended, REFUSED)
        if self.MODE != "unotify":
            self.assertGreater(int(re.search(r"(\d+) pages", ended.err)[1]), 1000, "it has read the kernel's memory")

    def test_no_descriptor_does(self):
        with open(self.bin / "canary", "rb") as file:
            os.set_inheritable(file.fileno(), True)
            self.assert_ended(self.bare("host-descriptors", "own", pass_fds=[file.fileno()]), WON, err=self.secret)
            file.seek(0)
            ended = self.guest("host-descriptors", "runtime", pass_fds=[file.fileno()])
            ours = 0 if self.MODE == "unotify" else 2  # the kernel's memory, and rewritten text
            self.assert_ended(ended, REFUSED, err=f"refused: {ours} are open")


class SecretsByNotification(Secrets):
    MODE = "unotify"


def parent_of(pid):
    return int(re.search(r"(?m)^PPid:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def seeds(count):
    return [secrets.randbelow(1 << 32) for _ in range(count * (4 if sandstone_test.SOAK else 1))]


class Listener:
    """A TCP server on 127.0.0.1 that accepts; gives its port."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        return str(self.socket.getsockname()[1])

    def __exit__(self, *_):
        self.socket.close()


if __name__ == "__main__":
    sandstone_test.main()
