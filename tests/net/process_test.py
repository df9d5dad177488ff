"""The network process itself: what it is left with, and that it never outlives or takes down its sandbox."""

import os
import pathlib
import signal
import subprocess
import unittest

import internet
import sandstone_test
from internet import PUBLIC

NAME = "sandstone-net"
NOBODY = 65534


def network_process(parent):
    """The pid of the network process that `parent` started."""
    for child in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == NAME:
                return int(child)
        except OSError:  # ended meanwhile
            pass
    return None


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


class Process(internet.TestCase):
    def running(self, *options, program="exec sleep 1000"):
        """The driver with a workload that runs, and the pid of its network process."""
        driver = subprocess.Popen(
            [internet.DRIVER, *options, "--", "sh", "-c", f"echo up; {program}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self._end, driver)
        self.assertEqual(driver.stdout.readline(), "up\n")
        return driver, network_process(driver.pid)

    def test_has_no_privilege(self):
        _, pid = self.running()
        now = status(pid)
        self.assertEqual(now["NoNewPrivs"], ["1"])
        self.assertEqual(now["Seccomp"], ["2"])
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(now[capabilities][0], 16), 0, capabilities)
        if sandstone_test.IS_ROOT and internet.maps_everybody():
            self.assertEqual(int(now["CapBnd"][0], 16), 0)
            self.assertEqual(set(now["Uid"] + now["Gid"]), {str(NOBODY)})
            self.assertEqual(now["Groups"], [])

    def test_holds_only_its_sockets(self):
        """Nothing of the caller's: its descriptors, environment, terminal."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_inheritable(writer, True)
        driver = subprocess.Popen(
            [internet.DRIVER, "--", "sh", "-c", "echo up; exec sleep 1000"],
            stdout=subprocess.PIPE,
            env={**os.environ, "SECRET": "token", "SLIRP_DEBUG": "call"},
            pass_fds=[writer],
        )
        self.addCleanup(self._end, driver)
        os.close(writer)
        self.assertEqual(driver.stdout.readline(), b"up\n")
        pid = network_process(driver.pid)
        # A process that may not be dumped shows this to nobody else but root.
        folder = pathlib.Path(f"/proc/{pid}")
        if os.access(folder / "fd", os.R_OK):
            kinds = {os.readlink(folder / "fd" / fd).split(":")[0] for fd in os.listdir(folder / "fd")}
            self.assertEqual(kinds, {"/dev/null", "socket"})
            self.assertEqual((folder / "environ").read_bytes(), b"")
        self.assertEqual(pathlib.Path(folder / "stat").read_text().rsplit(") ", 1)[1].split()[3], str(pid), "its session")
        driver.kill()
        driver.wait()
        self.assertEqual(os.read(reader, 1), b"", "somebody still holds the caller's pipe")

    def test_nobody_looks_into_it(self):
        _, pid = self.running()
        owner = os.stat(f"/proc/{pid}/mem").st_uid
        self.assertNotEqual((owner, sandstone_test.IS_ROOT), (os.geteuid(), False), "not dumpable: /proc is root's")
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0")
        self.assertRegex(limits, r"Max open files +1024 +1024")
        self.assertRegex(limits, r"Max file size +0 +0")

    def test_ends_when_the_supervisor_is_killed(self):
        driver, pid = self.running()
        driver.kill()
        driver.wait()
        sandstone_test.until(lambda: pid not in sandstone_test.descendants(), "the end of the network process")

    def test_outlives_the_signals_of_a_terminal(self):
        """Its supervisor decides when it ends, not a ^C that the workload may handle."""
        driver, pid = self.running()
        self.assertNotEqual(os.getpgid(pid), os.getpgid(driver.pid))
        self.assertNotEqual(os.getsid(pid), os.getsid(driver.pid))

    def test_its_death_is_told_and_leaves_the_workload_alone(self):
        driver, pid = self.running(program="sleep 0.5; echo on")
        os.kill(pid, signal.SIGKILL)
        out, err = driver.communicate(timeout=60)
        self.assertEqual(driver.returncode, 0)
        self.assertEqual(out, "on\n")
        self.assertIn("network: the network process ended", err)

    def test_closed_without_it(self):
        """The workload of a dead network process reaches nothing."""
        driver, pid = self.running(program=f"sleep 0.5; curl -sS -m 2 http://{PUBLIC}/ || echo closed")
        os.kill(pid, signal.SIGKILL)
        out, _ = driver.communicate(timeout=60)
        self.assertEqual(out, "closed\n")
        self.assertEqual(self.world.packets(), [])

    def test_rules_and_ports_that_mean_nothing_are_refused_in_one_line(self):
        for options, words in (
            (["--allow", "http://example.org"], ["--allow: 'http://example.org'", "is a URL"]),
            (["--allow", "10.0.0.5/8"], ["has bits behind the prefix", "write 10.0.0.0/8"]),
            (["--allow", "127.0.0.2:80"], ["only 127.0.0.1 and ::1 can be reached"]),
            (["--allow", "10.0.2.9"], ["is the sandbox's own network"]),
            (["--allow", "example.org:99999"], ["'99999' is not a port"]),
            (["--allow", "\x1b[2J"], ["\\x1b[2J"]),
            ([w for p in range(1, 40, 2) for w in ("--allow", f"127.0.0.1:{p}")], ["more than 16 ranges"]),
            ([w for _ in range(1001) for w in ("--allow", "a.example")], ["more than 1000 rules"]),
            (["-p", "0:80"], ["-p: port 0 is no port"]),
        ):
            ended = sandstone_test.command([internet.DRIVER, *options, "--", "echo", "ran"])
            self.assert_ended(ended, 125, out="")
            self.assertEqual(ended.err.count("\n"), 1, ended)
            for word in words:
                self.assertIn(word, ended.err)


if __name__ == "__main__":
    internet.main()
