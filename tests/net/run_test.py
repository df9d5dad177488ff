"""`sandstone run --network user`: the network behind all the other walls, and what the outcome says of it."""

import json
import subprocess
import unittest

import internet
import sandstone_test
from internet import METADATA, PRIVATE, PUBLIC

FETCH = "/usr/bin/curl -sS --noproxy '*' -m 30 {}"


class Run(internet.TestCase):
    def run_user(self, command, *options, **how):
        return self.sandbox("sh", "-c", command, options=["--network", "user", *options], **how)

    def test_every_tier(self):
        self.world.name("example.org", [PUBLIC])
        for tier in ("ns", "landlock", "full"):
            with self.subTest(tier=tier):
                ended = self.run_user(FETCH.format("http://example.org/"), "--tier", tier, "--allow", "example.org:80")
                self.assert_reached(ended, PUBLIC)
                ended = self.run_user(FETCH.format(f"http://{PRIVATE}/"), "--tier", tier)
                self.assertEqual((ended.status, ended.out), (7, ""), ended)

    def test_the_default_is_no_network(self):
        ended = self.sandbox("sh", "-c", FETCH.format(f"http://{PUBLIC}/"))
        self.assertEqual(ended.status, 7, ended)
        self.assertEqual(self.world.packets(), [])

    def test_a_server_on_the_host(self):
        port = self.local_server()
        for way in ("127.0.0.1", "10.0.2.2", "host.sandstone.internal", "localhost"):
            url = f"http://{way}:{port}/"
            self.assert_ended(self.run_user(FETCH.format(url), "--allow", f"127.0.0.1:{port}"), 0, out="reached the host")
            self.assertEqual(self.run_user(FETCH.format(url)).status, 7)

    def test_proxy_variables_change_nothing(self):
        """A client that ignores them is bound all the same, and one that follows them gains nothing."""
        for variables in (["-e", "http_proxy=http://127.0.0.1:9"], ["-e", f"http_proxy=http://{METADATA}:80"], []):
            ended = self.run_user(f"curl -sS -m 30 http://{PRIVATE}/; {FETCH.format(f'http://{PRIVATE}/')}", *variables)
            self.assertEqual((ended.status, ended.out), (7, ""), ended)
        self.assertEqual(self.world.packets(), [])

    def test_denials_are_in_the_outcome_and_in_the_events(self):
        command = f"{FETCH.format(f'http://{METADATA}/')}; {FETCH.format('http://secret.evil.example/')}; exit 3"
        ended = self.run_user(command, "--allow", "example.org", "--json", self.dir / "out", "--events", self.dir / "events")
        self.assertEqual(ended.status, 3, ended)
        outcome = json.loads((self.dir / "out").read_text())
        events = [json.loads(line) for line in (self.dir / "events").read_text().splitlines()]
        denials = [d for d in outcome["denials"] if d["wall"] == "network"]
        seen = {(d["operation"], d["subject"]) for d in denials}
        self.assertEqual(seen, {("connect", f"{METADATA}:80/tcp"), ("dns", "secret.evil.example")}, outcome)
        self.assertIn("169.254.169.254:80/tcp", json.dumps(events))

    def test_denials_of_the_last_moment_are_not_lost(self):
        """Nor their number: beyond some a second they are counted, and the count is told at the end."""
        command = f"for i in $(seq 150); do echo x >/dev/udp/{PRIVATE}/9; done 2>/dev/null; exit 0"
        for _ in range(5):
            ended = self.sandbox("bash", "-c", command, options=["--network", "user", "--json", self.dir / "out"])
            self.assertEqual(ended.status, 0, ended)
            denials = json.loads((self.dir / "out").read_text())["denials"]
            self.assertEqual(sum(d["count"] for d in denials if d["subject"] == f"{PRIVATE}:9/udp"), 150)

    def test_a_published_port(self):
        port = internet.free_port()
        child = self.start(
            "run", "--network", "user", "-p", f"{port}:8000", "--",
            "/usr/bin/python3", "-m", "http.server", "8000", "--directory", "/usr/share/doc",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}/"
        curl = ["curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", url]
        sandstone_test.until(lambda: sandstone_test.command(curl).out == "200", "the server inside")
        self._end(child)
        # Killed with SIGKILL, it cannot wait for its network's process, which ends a moment later.
        sandstone_test.until(lambda: sandstone_test.command(curl).status == 7, "the port is given back")

    def test_a_port_that_is_taken(self):
        port = self.local_server()
        ended = self.sandbox("echo", "ran", options=["--network", "user", "-p", f"{port}:80"])
        self.assert_refused(ended, "-p", str(port), "Address already in use", "choose another port")

    def test_bad_rules(self):
        for rule in ("http://example.org", "10.0.0.5/8", "1.2.3.4:0", "exa mple"):
            self.assert_refused(self.sandbox("true", options=["--network", "user", "--allow", rule]), "--allow", rule)

    def test_the_names_of_the_sandbox(self):
        ended = self.run_user("cat /etc/resolv.conf; getent hosts host.sandstone.internal; getent hosts $(hostname)")
        self.assertEqual(ended.status, 0, ended)
        self.assertTrue(ended.out.startswith("nameserver 10.0.2.3\n10.0.2.2 "), ended)

    def test_the_network_process_sees_none_of_the_workloads_files_and_the_workload_none_of_its(self):
        ended = self.run_user("cat /proc/[0-9]*/comm")
        self.assertNotIn("sandstone-net", ended.out, ended)


if __name__ == "__main__":
    internet.main()
