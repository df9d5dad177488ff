#!/usr/bin/env python3
"""The user network of the tier kernel: all that tests/net asks of a jail's, asked of the library kernel's eth0."""

import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "net"))

import dns_test  # noqa: E402
import forward_test  # noqa: E402
import internet  # noqa: E402
import reach_test  # noqa: E402
import run_test  # noqa: E402
import sandstone_test  # noqa: E402
from internet import PUBLIC  # noqa: E402

internet.DRIVER = HERE / "network_driver.py"
os.environ["SANDSTONE"] = str(sandstone_test.BINARY)


class Default(reach_test.Default):
    pass


class Rules(reach_test.Rules):
    pass


class Host(reach_test.Host):
    pass


class Server(dns_test.Server):
    pass


class Attacks(dns_test.Attacks):
    pass


class Forward(forward_test.Forward):
    pass


class Run(run_test.Run):
    test_every_tier = None
    test_the_default_is_no_network = None

    def sandbox(self, *cmd, options=(), **how):
        return super().sandbox(*cmd, options=["--tier", "kernel", *options], **how)

    def start(self, command, *args, **popen):
        return super().start(command, "--tier", "kernel", *args, **popen)

    def test_without_one_there_is_a_loopback_and_nothing_else(self):
        ended = self.sandbox("sh", "-c", f"ls /sys/class/net | grep -v dummy; {run_test.FETCH.format(f'http://{PUBLIC}/')}")
        self.assert_ended(ended, 7, out="lo\n")
        self.assertEqual(self.world.packets(), [])

    def test_the_jail_around_it_has_a_loopback_alone(self):
        """The guests are in the jail's network too, which only the library kernel could let them use."""
        child = self.start("run", "--network", "user", "--", "sleep", "100")
        pids = sandstone_test.until(lambda: [p for p, c in sandstone_test.descendants().items() if c.startswith("sandstone-kernel")], "the jail")
        devices = pathlib.Path(f"/proc/{pids[0]}/net/dev").read_text()
        self.assertIn("lo:", devices)
        self.assertNotIn("eth0", devices)
        self._end(child)

    def test_the_hosts_network_is_refused(self):
        self.assert_refused(self.sandbox("true", options=["--network", "host"]), "--network", "user")

    def test_much_goes_both_ways(self):
        ended = self.run_user(f"curl -sS -m 60 http://{PUBLIC}/bytes/50000000 | wc -c")
        self.assert_ended(ended, 0, out="50000000\n")


if __name__ == "__main__":
    internet.main()
