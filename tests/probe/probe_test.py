"""`sandstone probe` against the real kernel: what the tiers promise holds, and its verdicts follow the walls.

The suite runs this as root and as an ordinary user; what is tried differs, what is promised does not.
"""

import ctypes
import json
import os
import unittest

import sandstone_test


class Probe(sandstone_test.TestCase):
    def probe(self, *args, status=0):
        ended = self.sandstone("probe", *args, timeout=300)
        self.assertEqual(ended.status, status, ended)
        return ended.out

    reports = {}  # an ablation takes half a minute: each is done once for all tests that look at it

    def report(self, *args, status=0):
        key = (args, status)
        if key not in self.reports:
            self.reports[key] = json.loads(self.probe(*args, "--json", status=status))
        return self.reports[key]

    def walls_of(self, tier):
        report = self.report("--tier", tier, "--no-ablation")
        return next(e["walls"] for e in report["experiments"] if e["kind"] == "tier" and e["tier"] == tier)

    def without(self, wall, tier="full"):
        """What the tier allows when a wall is missing, as {operation: row}, by sabotage."""
        walls = [w for w in self.walls_of(tier) if w != wall]
        report = self.report("--tier", tier, "--walls", ",".join(walls), "--no-ablation", status=1)
        return {row["name"] for row in report["operations"] if row["tiers"][tier]["broken"]}


class Promises(Probe):
    def test_full_keeps_all_of_at_least_sixty(self):
        report = self.report("--tier", "full", "--no-ablation")
        self.assertGreaterEqual(len(report["operations"]), 60)
        promised = [row for row in report["operations"] if row["tiers"]["full"]["promised"]]
        self.assertGreaterEqual(len(promised), 60)
        self.assertEqual([row["name"] for row in promised if row["tiers"]["full"]["kind"] == "allowed"], [])
        self.assertEqual(report["broken_promises"], 0)
        self.assertEqual(report["workload_uid"], 0)

    def test_each_tier_keeps_its_promises_by_more_than_chance(self):
        # Kept means more than not broken: there is a run in which the very same attempt succeeds.
        summary = self.report()["summary"]
        for tier, least in (("ns", 50), ("landlock", 55), ("full", 60)):
            with self.subTest(tier=tier):
                self.assertEqual(summary[tier]["broken"], 0)
                self.assertGreaterEqual(summary[tier]["kept"], least)

    def test_what_never_succeeds_is_not_to_a_walls_credit(self):
        report = self.report()
        lacking = [row for row in report["operations"] if not row["control"]["found"]]
        for row in lacking:
            self.assertTrue(row["control"]["reason"], row["name"])
            self.assertNotIn("allowed", row["trials"], row["name"])
            if row["tiers"]["full"]["kind"] != "not-applicable":
                self.assertEqual(row["tiers"]["full"]["blocker"]["kind"], "no-control", row["name"])
        summary = report["summary"]["full"]
        self.assertEqual(summary["stopped"] + summary["allowed"] + len(lacking), summary["operations"])

    def test_each_promise_names_an_attempt_that_there_is(self):
        program = sandstone_test.PROGRAMS / "sandstone-probe"
        listed = {line.split("\t")[0] for line in sandstone_test.command([program, "list"]).out.splitlines()}
        promised = {line.split()[0] for line in self.probe("--promises").splitlines()}
        self.assertEqual(promised - listed, set())
        self.assertGreaterEqual(len(promised), 60)


@unittest.skipUnless((sandstone_test.PROGRAMS / "library-kernel").exists(), "the library kernel is not built")
class OwnKernel(Probe):
    """What gives way to a workload with a kernel of its own is that kernel, in each of its boundaries."""

    def test_nothing_of_the_hosts_is_gained(self):
        report = self.report()
        for column in ("kernel", "kernel/unotify"):
            with self.subTest(column=column):
                self.assertIn(column, report["tiers"], [e["not_run"] for e in report["experiments"] if e["kind"] == "tier" and "not_run" in e])
                cells = {row["name"]: row["tiers"][column] for row in report["operations"]}
                self.assertEqual([name for name, cell in cells.items() if cell["kind"] == "allowed"], [])
                self.assertGreaterEqual(report["summary"][column]["kept"], 60)
                inside = {name for name, cell in cells.items() if cell["kind"] == "own"}
                self.assertLessEqual({"mount-tmpfs", "mount-bind", "unshare-user", "raw-socket", "have-capabilities", "chroot", "kill-all",
                                      "give-file-away", "write-root"}, inside)
                for name in ("read-home-secret", "tcp-connect", "unix-abstract", "proc-mem", "overwrite-file", "int80", "leaked-file"):
                    self.assertIn(cells[name]["kind"], ("refused", "signaled", "without-effect"), name)

    def test_no_wall_is_named_for_it(self):
        for row in self.report()["operations"]:
            for column in ("kernel", "kernel/unotify"):
                self.assertEqual(row["tiers"][column]["blocker"]["walls"], [], row["name"])

    def test_it_can_be_asked_for_alone(self):
        report = self.report("--tier", "kernel/unotify", "--no-ablation")
        self.assertEqual(report["tiers"], ["kernel/unotify"])
        self.assert_refused(self.sandstone("probe", "--tier", "kernel", "--walls", "net"), "--walls")


class Blockers(Probe):
    """By ablation, the same wall is found wherever the errno alone would have misled."""

    def setUp(self):
        super().setUp()
        report = self.report()
        self.rows = {row["name"]: row for row in report["operations"]}

    def blocker(self, operation, tier):
        return self.rows[operation]["tiers"][tier]["blocker"]

    def test_they_differ_from_tier_to_tier(self):
        expected = {
            "tcp-connect": {"ns": "net", "landlock": "net + landlock"},
            "unix-abstract": {"ns": "net", "landlock": "net + landlock"},
            "mount-tmpfs": {"ns": "", "landlock": "landlock", "full": "capabilities + seccomp"},
            "io-uring": {"ns": "", "landlock": "", "full": "seccomp"},
            "int80": {"ns": "", "landlock": "", "full": "seccomp"},
            "have-capabilities": {"ns": "", "landlock": "", "full": "capabilities"},
            "environment-secret": {"ns": "environment", "landlock": "environment", "full": "environment"},
            "leaked-file": {"ns": "descriptors"},
            "launcher-terminal": {"ns": "session", "full": "session"},
            "read-host-name": {"ns": "uts", "full": "uts"},
            "proc-list": {"ns": "pid & root"},
        }
        abi = landlock_abi()
        for operation, tiers in expected.items():
            for tier, text in tiers.items():
                if "landlock" in text and "+" in text and abi < 6:  # TCP rules came with 4, scopes with 6
                    continue
                with self.subTest(operation=operation, tier=tier):
                    self.assertEqual(self.blocker(operation, tier)["text"], text)

    def test_an_attempt_that_a_tier_lets_through_has_none(self):
        for row in self.rows.values():
            for tier, cell in row["tiers"].items():
                if cell["kind"] == "allowed":
                    self.assertEqual(cell["blocker"]["kind"], "none", (row["name"], tier))

    def test_a_decisive_wall_is_one_whose_removal_was_seen_to_matter(self):
        report = self.report()
        without = {e["wall"]: i for i, e in enumerate(report["experiments"]) if e["kind"] == "without" and e["tier"] == "full"}
        found = 0
        for row in report["operations"]:
            blocker = row["tiers"]["full"]["blocker"]
            if blocker["kind"] == "decisive":
                found += 1
                self.assertEqual(row["trials"][without[blocker["walls"][0]]], "allowed", row["name"])
        self.assertGreater(found, 20)


class Sabotage(Probe):
    """A wall that is taken away must be missed: a probe that cannot fail proves nothing."""

    def test_each_wall_is_missed_by_the_attempts_that_it_alone_stops(self):
        missed = {
            "seccomp": {"io-uring", "int80", "modify-ldt", "unshare-user", "vsock-socket", "seccomp-listener", "keyctl"},
            "capabilities": {"have-capabilities", "ambient-capability"},
            "net": {"udp-send"},
            "environment": {"environment-secret"},
            "descriptors": {"leaked-file", "any-descriptor"},
            "session": {"launcher-terminal"},
            "uts": {"read-host-name"},
            "rlimits": {"core-dump"},
        }
        for wall, operations in missed.items():
            with self.subTest(wall=wall):
                broken = self.without(wall)
                self.assertEqual(operations - broken, set())
                others = set().union(*(o for w, o in missed.items() if w != wall))
                self.assertEqual(broken & (others - operations), set(), "what other walls stop is still stopped")

    def test_without_landlock_its_tier_lets_mounts_through(self):
        broken = self.without("landlock", tier="landlock")
        self.assertLessEqual({"mount-tmpfs", "mount-bind", "move-mount"}, broken)

    def test_with_every_wall_taken_away_the_host_is_open(self):
        report = self.report("--tier", "full", "--walls", "environment", "--no-ablation", status=1)
        broken = {row["name"] for row in report["operations"] if row["tiers"]["full"]["broken"]}
        expected = {"read-home-secret", "overwrite-file", "kill", "kill-all", "ptrace-attach", "process-vm-writev",
                    "tcp-connect", "tcp-listen", "unix-path", "udp-send", "host-terminal", "sysv-message-queue"}
        if sandstone_test.IS_ROOT:
            expected |= {"write-root", "write-usr", "write-nested-mount", "packet-sniff", "icmp-raw", "set-host-name",
                         "setuid-binary", "file-capabilities", "double-chroot", "open-by-handle"}
            # Nobody can overwrite a command on a read-only file system.
            expected |= {"launcher-exe"} if os.access(sandstone_test.BINARY, os.W_OK) else set()
        self.assertEqual(expected - broken, set())


def landlock_abi():
    return ctypes.CDLL(None, use_errno=True).syscall(444, 0, 0, 1)


if __name__ == "__main__":
    sandstone_test.main()
