"""The command line and config files: what is refused, and how; what comes on top; what is printed."""

import fcntl
import json
import os
import pathlib
import pty
import select
import stat
import subprocess

import sandstone_test

# Every way to get it wrong: the words after `sandstone`, and what the line must say.
BAD_WORDS = [
    ([], "none given"),
    (["runn"], "did you mean 'run'"),
    (["frobnicate"], "unknown command"),
    (["version", "x"], "one word too many"),
    (["help", "nothing"], "unknown command"),
    (["doctor", "x"], "one word too many"),
    (["doctor", "--jsno"], "did you mean --json"),
    (["run"], "nothing to run"),
    (["run", "--"], "nothing to run"),
    (["run", ""], "nothing to run"),
]
BAD_OPTIONS = [
    (["--tier", "nonsense"], "--tier: 'nonsense' is not a tier (none, ns, landlock, full or kernel)"),
    (["--tier="], "--tier: '' is not a tier"),
    (["--memry", "1"], "--memry: unknown option (did you mean --memory?)"),
    (["--\x1b[31mred"], "--\\x1b[31mred: unknown option"),
    (["-x"], "-x: unknown option"),
    (["-ix"], "-x: unknown option"),
    (["--read-only=maybe"], "--read-only: 'maybe' is not a value for a switch (true or false)"),
    (["--walls", ""], "--walls: the name of a wall is empty"),
    (["--walls", "user,,mount"], "--walls: the name of a wall is empty"),
    (["--walls", "hadrian"], "--walls: 'hadrian' is not a wall"),
    (["-v", "data:/data"], "-v: 'data' is a name, and there are no named volumes (./data for a folder)"),
    (["-v", "/a"], "-v: '/a' is not SRC:DST[:ro|rw]"),
    (["-v", "/a:b"], "-v: the destination 'b' is not absolute"),
    (["-v", "/a:/b/../c"], "-v: the destination '/b/../c' holds '..'"),
    (["-v", "/a:/"], "-v: the destination is the root itself"),
    (["-v", "/a:/b:z"], "-v: 'z' is not a mode"),
    (["--bind", "/a", "b"], "--bind: the destination 'b' is not absolute"),
    (["--bind", "", "/b"], "--bind: the path is empty"),
    (["--tmpfs", "/t:big"], "--tmpfs: 'big' is not a size"),
    (["--tmpfs", "t"], "--tmpfs: the destination 't' is not absolute"),
    (["-w", "relative"], "--workdir: 'relative' is not absolute"),
    (["-e", "=x"], "-e: '' is not a name"),
    (["--env-file", "/nonexistent"], "/nonexistent: cannot open: No such file"),
    (["-u", ""], "-u: '' is not UID[:GID]"),
    (["-u", "no such user"], "--user: no user 'no such user' in /etc/passwd"),
    (["-u", "4294967295"], "--user: '4294967295' is not an id"),
    (["--hostname", "x" * 65], "--hostname: must have 1 to 64 bytes"),
    (["--save", "/tmp/x"], "--save: there is nothing to save"),
    (["-m", "lots"], "-m: 'lots' is not a size"),
    (["-m", "-1"], "-m: '-1' is not a size"),
    (["-m", "1k"], "--memory: less than 1 MiB"),
    (["--cpus", "0"], "--cpus: '0' is out of range"),
    (["--cpus", "nan"], "--cpus: 'nan' is not a number"),
    (["--cpu-percent", "x"], "--cpu-percent: 'x' is not a number"),
    (["--cpus", "1", "--cpu-percent", "100"], "--cpu-percent: cannot go with --cpus"),
    (["--pids-limit", "many"], "--pids-limit: 'many' is not a whole number"),
    (["--pids-limit", "0"], "--pids-limit: must be 1 to 4000000"),
    (["--ulimit", "nofile"], "--ulimit: 'nofile' is not NAME=SOFT[:HARD]"),
    (["--ulimit", "files=1"], "--ulimit: 'files' is not the name of a limit"),
    (["--ulimit", "nofile=2:1"], "the soft limit is above the hard one"),
    (["--disk", "1x"], "--disk: '1x' is not a size"),
    (["--timeout", "soon"], "--timeout: 'soon' is not a duration"),
    (["--timeout", "0"], "--timeout: must be more than nothing"),
    (["--output-limit", "x"], "--output-limit: 'x' is not a size"),
    (["--network", "wifi"], "--network: 'wifi' is not a network (none, host or user)"),
    (["--allow", "example.org"], "--allow: has no meaning without a user network (add --network user)"),
    (["--network", "user", "--allow", "a,,b"], "--allow: an empty rule"),
    (["--network", "user", "--allow", "http://example.org"], "--allow: 'http://example.org': "),
    (["-p", "80:80"], "--publish: has no meaning without a user network"),
    (["--network", "user", "-p", "80"], "-p: '80' is not [ADDR:]HOST:SANDBOX[/udp]"),
    (["--network", "user", "-p", "0:80"], "-p: '0' is not a port"),
    (["--network", "user", "-p", "[::1]:80:80"], "-p: "),
    (["--network", "user", "-p", "1:2", "-p", "1:3"], "the host's port 1 is given twice"),
    (["--tier", "none", "--rootfs", "/"], "--rootfs: the tier none has no walls to carry this out"),
    (["-t"], "-t: the input device is not a terminal"),
    (["-c", "/nonexistent"], "/nonexistent: cannot open"),
    (["-c", "/"], "/: cannot read: Is a directory"),
    (["-c", "/dev/null", "-c", "/dev/null"], "-c: given twice"),
    (["-c", "/dev/null"], "/dev/null:1:1: this is not JSON"),
    (["--json", "/nonexistent/x"], "--json: cannot write '/nonexistent/x'"),
    (["--json", ""], "--json: the name of the file is empty"),
    (["--json", "/"], "--json: cannot write '/': Is a directory"),
    (["--json", "FD:99"], "--json: descriptor 99 is not open"),
    (["--json", "FD:x"], "--json: 'x' is not the number of a descriptor"),
    (["--events", "/dev/fd/1"], "--events: '/dev/fd/1' is a symbolic link"),
    (["--print-config", "-e", b"A=\xff"], "--print-config: a setting holds bytes that are not UTF-8"),
]
LAST = ["-v", "--memory", "--bind", "-c"]  # as the last word, without their value

BAD_CONFIGS = [
    ("", "box.json:1:1: this is not JSON"),
    ("{", "box.json:1:2: this is not JSON"),
    ('{\n "memory": 1,\n}', "box.json:3:1: this is not JSON"),
    ("[]", "box.json: /: must be an object"),
    ('{"memory": "64m", "memory": "1g"}', "box.json: /memory: the key is there twice"),
    ('{"memroy": 1}', "box.json: /memroy: unknown key (did you mean 'memory'?)"),
    ('{"mounts": [{"type": "bind", "source": "/a", "destination": "/b", "mod": 1}]}', "box.json: /mounts/0/mod: unknown key"),
    ('{"memory": true}', "box.json: /memory: must be a number of bytes"),
    ('{"volume": ["/a:/b", "b:/c"]}', "box.json: /volume/1: 'b' is a name"),
    ('{"env": {"A": 1}}', "box.json: /env/A: must be a string"),
    ('{"tier": "tall"}', "box.json: /tier: 'tall' is not a tier"),
    ('{"tier": "none", "read_only": true}', "box.json: /read_only: the tier none has no walls"),
    ('{"allow": ["example.org"]}', "box.json: /allow: has no meaning without a user network"),
    ('{"network": "user", "allow": ["a.org", "a:b:c"]}', "box.json: /allow: 'a:b:c': "),
    ('{"cpus": 1, "cpu_limit_percent": 5}', "box.json: /cpu_limit_percent: cannot go with cpus"),
    ('{"name": "a\\u0000b"}', "box.json: /name: holds a NUL byte"),
    ('{"hostname": "\\ud800"}', "this is not JSON"),
    ("[" * 100_000, "nested deeper"),
    (" " * (1 << 20) + "{}", "box.json: larger than 1"),
    ('{"\\u001b[31m": 1}', "box.json: /\\x1b[31m: unknown key"),
]


class Refusals(sandstone_test.TestCase):
    """Bad input is status 125 and one line on stderr, with the place and nothing else done."""

    def test_words(self):
        for words, said in BAD_WORDS:
            with self.subTest(words=words):
                self.assert_refused(self.sandstone(*words), said)

    def test_options(self):
        for options, said in BAD_OPTIONS:
            with self.subTest(options=options):
                self.assert_refused(self.sandstone("run", *options, "--", "echo", "it ran"), said)

    def test_options_without_their_value(self):
        for option in LAST:
            with self.subTest(option=option):
                self.assert_refused(self.sandstone("run", option), f"{option}: needs a value")

    def test_configs(self):
        for text, said in BAD_CONFIGS:
            with self.subTest(text=text[:60]):
                (self.dir / "box.json").write_text(text)
                self.assert_refused(self.sandstone("run", "-c", "box.json", "echo", "it ran", cwd=self.dir), said)

    def test_env_files(self):
        for text, said in [("A=1\nB C=2\n", "vars:2: 'B C' is not a name"), ("=x", "vars:1: '' is not a name"), ("A=\0", "vars:1: ")]:
            with self.subTest(text=text):
                (self.dir / "vars").write_text(text)
                self.assert_refused(self.sandbox("echo", "it ran", options=["--env-file", self.dir / "vars"]), said)

    def test_a_refusal_leaves_no_report_behind(self):
        report = self.dir / "report.json"
        self.assert_refused(self.sandbox("true", options=["--json", report, "--tier", "x"]))
        self.assertFalse(report.exists())
        self.assert_refused(self.sandbox("true", options=["--json", report, "--events", "/nonexistent/x"]))
        self.assertFalse(report.exists(), "the other report's file could not be had")
        report.write_text("an old report")
        self.assert_refused(self.sandbox("true", options=["--json", report, "--events", "/nonexistent/x"]))
        self.assertEqual(report.read_text(), "an old report")

    def test_a_full_device_is_told_of(self):
        with open("/dev/full", "wb") as full:
            self.assertEqual(subprocess.run([sandstone_test.BINARY, "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode, 125)


class Words(sandstone_test.TestCase):
    def test_options_end_at_the_command(self):
        self.assert_ended(self.sandstone("run", "-e", "A=1", "sh", "-c", "echo $A $0", "-e"), 0, out="1 -e\n")
        self.assert_ended(self.sandstone("run", "--", "echo", "--", "--tier"), 0, out="-- --tier\n")

    def test_every_form_of_an_option(self):
        for words in (["-e", "A=1"], ["-eA=1"], ["-e=A=1"], ["--env", "A=1"], ["--env=A=1"]):
            with self.subTest(words=words):
                self.assert_ended(self.sandbox("sh", "-c", "echo $A", options=words), 0, out="1\n")

    def test_help_and_version(self):
        for words in (["--help"], ["-h"], ["help"], ["run", "--help"], ["help", "run"], ["doctor", "-h"], ["run", "-h", "--tier", "x"]):
            with self.subTest(words=words):
                ended = self.sandstone(*words)
                self.assert_ended(ended, 0, err="")
                self.assertIn("Usage: sandstone", ended.out)
                self.assertLessEqual(max(map(len, ended.out.splitlines())), 80, ended)
        self.assertRegex(self.sandstone("--version").out, r"^sandstone \d+\.\d+\.\d+\n$")
        self.assertEqual(self.sandstone("--version").out, self.sandstone("version").out)

    def test_a_reader_that_has_enough_is_no_error(self):
        ended = sandstone_test.command(["bash", "-c", '"$1" run --help | head -n 1; exit ${PIPESTATUS[0]}', "bash", sandstone_test.BINARY])
        self.assertEqual(ended.err, "")
        self.assertIn(ended.status, (0, 141), "141: SIGPIPE")

    def test_a_pipeline_reaches_the_command(self):
        self.assert_ended(self.sandbox("cat", stdin="through\n"), 0, out="through\n")
        self.assert_ended(self.sandbox("cat", options=["--interactive=false"], stdin="not this\n"), 0, out="")


class Config(sandstone_test.TestCase):
    def printed(self, *words, **how):
        ended = self.sandstone("run", "--print-config", *words, **how)
        self.assert_ended(ended, 0)
        return ended.out

    def write(self, **settings):
        path = self.dir / "box.json"
        path.write_text(json.dumps(settings))
        return path

    def test_what_is_printed_gives_the_same_again(self):
        words = [
            "--tier", "landlock", "--best-effort", "--walls", "user,mount", "-v", ".:/a:ro", "--bind", "/x:y", "/b c", "--tmpfs", "/t:1m",
            "-w", "/a", "-e", "A=ü \"\n", "-e", "EMPTY=", "-u", "7:8", "--hostname", "h", "--rootfs", "/r", "--save", "s", "--name", "n",
            "-m", "64m", "--cpu-percent", "33", "--pids-limit", "9", "--ulimit", "stack=unlimited", "--ulimit", "nofile=1:2",
            "--timeout", "1.5s", "--output-limit", "1k", "--network", "user", "--allow", "a.org,b.org:443", "--allow", "192.0.2.0/24",
            "-p", "8080:80", "-p", "0.0.0.0:53:53/udp", "-it", "python3", "-c", "print('x')",
        ]
        first = self.printed(*words, cwd=self.dir)
        (self.dir / "printed.json").write_text(first)
        self.assertEqual(self.printed("-c", self.dir / "printed.json"), first)
        settings = json.loads(first)
        self.assertEqual(settings["mounts"][0], {"type": "bind", "source": str(self.dir), "destination": "/a", "read_only": True})
        self.assertEqual(settings["save"], f"{self.dir}/s")
        self.assertEqual(settings["cpus"], 0.33)

    def test_printing_runs_nothing(self):
        self.sandbox("touch", "/here/ran", options=["--print-config", "-v", f"{self.dir}:/here", "--json", self.dir / "report"])
        self.assertEqual([p.name for p in self.dir.iterdir()], ["tmpdir"])

    def test_flags_come_on_top_wherever_they_stand(self):
        path = self.write(tier="ns", memory="64m", cpus=1, env={"A": "file", "B": "file"}, allow=["a.org"], network="user", read_only=True,
                          command=["echo", "file"], hostname="file")
        words = ["--hostname", "flag", "-m", "128m", "-c", path, "--cpu-percent", "50", "-e", "A=flag", "--allow", "b.org", "--read-only=false"]
        settings = json.loads(self.printed(*words))
        self.assertEqual((settings["hostname"], settings["memory"], settings["cpus"]), ("flag", 128 << 20, 0.5))
        self.assertEqual(settings["env"], {"A": "flag", "B": "file"})
        self.assertEqual((settings["tier"], settings["read_only"], settings["command"]), ("ns", False, ["echo", "file"]))
        self.assertEqual(settings["allow"], ["a.org", "b.org"], "lists add up")
        self.assertEqual(json.loads(self.printed(*words, "id", "-u"))["command"], ["id", "-u"])

    def test_variables_come_in_dockers_order(self):
        (self.dir / "one").write_text("# a comment\n\nA=one\nB=one\nHERE\nGONE\nQ=\"as it is\" \r\n")
        path = self.write(env={"A": "config", "C": "config"}, env_file=["one"])
        settings = json.loads(self.printed("-e", "B=flag", "--env-file", self.dir / "one", "-c", path, "true", env={"HERE": "caller"}))
        self.assertEqual(settings["env"], {"A": "one", "B": "flag", "HERE": "caller", "Q": '"as it is" ', "C": "config"})

    def test_the_callers_own_variables(self):
        settings = json.loads(self.printed("-e", "SET", "-e", "UNSET", "true", env={"SET": "yes"}))
        self.assertEqual(settings["env"], {"SET": "yes"})

    def test_zboxs_file(self):
        path = self.write(name="web", binary="/bin/echo", args=["hi"], cpu_cores=2, cpu_limit_percent=50, memory_limit_mb=64,
                          network_access=True, port_forwards=[{"host": 8080, "sandbox": 80}, "9090:90"], root="root")
        settings = json.loads(self.printed("-c", path))
        self.assertEqual(settings["command"], ["/bin/echo", "hi"])
        self.assertEqual((settings["cpus"], settings["memory"], settings["network"]), (0.5, 64 << 20, "user"))
        self.assertEqual(settings["publish"], ["127.0.0.1:8080:80/tcp", "127.0.0.1:9090:90/tcp"])
        self.assertEqual(settings["rootfs"], f"{self.dir}/root", "relative to the file")

    def test_a_file_that_runs(self):
        path = self.write(command=["sh", "-c", "echo $A; pwd; cat note"], env={"A": "1"}, volume=["./shared:/shared:ro"], workdir="/shared")
        (self.dir / "shared").mkdir()
        (self.dir / "shared/note").write_text("from the folder beside the file\n")
        self.dir.chmod(0o755)
        self.assert_ended(self.sandstone("run", "-c", path, cwd="/"), 0, out="1\n/shared\nfrom the folder beside the file\n")

    def test_names_of_users_come_from_the_rootfs(self):
        (self.dir / "root/etc").mkdir(parents=True)
        (self.dir / "root/etc/passwd").write_text("ana:x:1001:1002::/:/bin/sh\n")
        (self.dir / "root/etc/group").write_text("staff:x:50:\n")
        words = ["--rootfs", self.dir / "root", "true"]
        self.assertEqual(json.loads(self.printed("-u", "ana", *words))["user"], "1001:1002")
        self.assertEqual(json.loads(self.printed("-u", "ana:staff", *words))["user"], "1001:50")
        self.assert_refused(self.sandstone("run", "-u", "daemon", *words), "--user: no user 'daemon' in ")
        self.assertEqual(json.loads(self.printed("-u", "daemon", "true"))["user"], "1:1")


class Reports(sandstone_test.TestCase):
    def report(self, *cmd, options=()):
        path = self.dir / "report.json"
        ended = self.sandbox(*cmd, options=["--json", path, *options])
        return ended, json.loads(path.read_text())

    def test_how_it_ended(self):
        for cmd, options, status, cause, line in [
            (["sh", "-c", "exit 7"], [], 7, "exited", ""),
            (["sh", "-c", "kill -9 $$"], [], 137, "signaled", ""),
            (["sleep", "60"], ["--timeout", "300ms"], 124, "timeout", "sandstone: timeout: ended after 0.3 s\n"),
            (["yes"], ["--output-limit", "1k"], 137, "output",
             "sandstone: too much output: ended at the limit of 1 KiB (--output-limit sets the limit)\n"),
            (["/no\x1b[31m"], [], 127, "not_found", "sandstone: /no\\x1b[31m: "),
            (["/etc/hostname"], [], 126, "not_executable", "sandstone: /etc/hostname: "),
        ]:
            with self.subTest(cmd=cmd):
                ended, report = self.report(*cmd, options=options)
                self.assertEqual(ended.status, status, ended)
                self.assertEqual((report["cause"], report["exit_status"]), (cause, status), report)
                self.assertEqual(ended.err.count("\n"), 1 if line else 0, ended)
                self.assertTrue(ended.err.startswith(line), ended)
                self.assertEqual(report["signal"], 9 if cause == "signaled" else None)
                self.assertEqual(report["error"] is not None, status in (126, 127), report)
                self.assertEqual(report["tier"], "full")
                self.assertIn("seccomp", report["walls"])
                self.assertEqual(report["missing"], [])
                self.assertGreater(report["usage"]["wall_seconds"], 0)

    def test_quiet_is_for_how_it_ended_not_for_errors(self):
        self.assert_ended(self.sandbox("sleep", "60", options=["-q", "--timeout", "100ms"]), 124, out="")
        self.assertEqual(self.sandbox("sleep", "60", options=["-q", "--timeout", "100ms"]).err, "")
        self.assert_ended(self.sandbox("/nope", options=["-q"]), 127, err="sandstone: /nope")
        self.assert_refused(self.sandbox("true", options=["-q", "--tier", "x"]))

    def test_a_report_is_for_its_owner_alone(self):
        self.report("true")
        self.assertEqual(stat.S_IMODE((self.dir / "report.json").stat().st_mode), 0o600)

    def test_a_report_on_a_descriptor(self):
        ended = subprocess.run(["sh", "-c", '"$1" run --json FD:5 --events FD:6 -- true 5>report 6>events', "sh", sandstone_test.BINARY],
                               cwd=self.dir, check=False)
        self.assertEqual(ended.returncode, 0)
        self.assertEqual(json.loads((self.dir / "report").read_text())["cause"], "exited")
        events = [json.loads(line) for line in (self.dir / "events").read_text().splitlines()]
        self.assertEqual([events[0]["kind"], events[-1]["kind"]], ["started", "exited"], events)
        self.assertEqual(sorted(events, key=lambda e: e["time"]), events)

    def test_the_workload_does_not_get_the_descriptors_of_reports(self):
        reader, writer = os.pipe()
        ended = self.sandbox("sh", "-c", "echo forged >&$0 && echo wrote", str(writer), options=["--json", f"FD:{writer}"], pass_fds=[writer])
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as pipe:
            self.assertEqual(json.loads(pipe.read())["cause"], "exited", "nothing but the report")
        self.assertNotIn("wrote", ended.out)

    def test_a_reader_of_events_that_never_reads_holds_nothing_up(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        script = "import ctypes; c = ctypes.CDLL(None)\nfor i in range(400): c.mount(b'a', b'/b%d' % i, b'c', 0, None)\nprint('done')"
        ended = self.sandbox("python3", "-c", script, options=["--events", f"FD:{writer}"], pass_fds=[writer])
        self.assert_ended(ended, 0, out="done\n")
        self.assertEqual(select.select([], [writer], [], 0)[1], [], "the pipe is full: a writer that waited would still be here")
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as pipe:
            for line in pipe:
                json.loads(line)  # none is cut off

    def test_a_slow_reader_is_told_how_much_it_missed(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        script = (
            "import ctypes; c = ctypes.CDLL(None)\nfor i in range(400): c.mount(b'a', b'/b%d' % i, b'c', 0, None)\n"
            "print('flooded', flush=True); input(); c.mount(b'a', b'/last', b'c', 0, None)"
        )
        child = self.start("run", "--events", f"FD:{writer}", "--", "python3", "-c", script, pass_fds=[writer], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
        os.close(writer)
        self.assertEqual(child.stdout.readline(), b"flooded\n")
        head = b""
        while select.select([reader], [], [], 0)[0]:
            head += os.read(reader, 65536)
        child.stdin.write(b"go on\n")
        child.stdin.close()
        with os.fdopen(reader, "rb") as pipe:
            events = [json.loads(line) for line in (head + pipe.read()).splitlines()]
        self.assertEqual(child.wait(), 0)
        self.assertIn("a on /last", [e.get("subject") for e in events])
        dropped = [e["count"] for e in events if e["kind"] == "dropped"]
        self.assertGreater(len(dropped), 0)
        self.assertEqual(len(events) - len(dropped) + sum(dropped), 403, "started, 401 denials, exited: all are there or counted")

    def test_a_reader_of_events_that_goes_away_ends_nothing(self):
        reader, writer = os.pipe()
        os.close(reader)
        ended = self.sandbox("echo", "done", options=["--events", f"FD:{writer}"], pass_fds=[writer])
        os.close(writer)
        self.assert_ended(ended, 0, out="done\n")

    def test_a_report_that_cannot_be_written_is_an_error(self):
        if not os.access("/dev/full", os.W_OK):
            self.fail("this test needs /dev/full")
        ended = self.sandbox("echo", "done", options=["--json", "/dev/full"])
        self.assert_ended(ended, 125, out="done\n", err="sandstone: --json: cannot write: No space left on device\n")


class Doctor(sandstone_test.TestCase):
    def test_it_lists_the_tiers_and_every_wall(self):
        ended = self.sandstone("doctor")
        self.assert_ended(ended, 0, err="")
        for word in ("none", "ns", "landlock", "full", "seccomp", "proc-mask", "control-group", "--rootfs", "kvm"):
            self.assertRegex(ended.out, rf"(?m)^  {word} +(yes|no|partly)\b")
        self.assertLessEqual(max(map(len, ended.out.splitlines())), 80, ended)

    def test_json(self):
        ended = self.sandstone("doctor", "--json")
        self.assert_ended(ended, 0, err="")
        report = json.loads(ended.out)
        self.assertEqual([(t["tier"], t["works"]) for t in report["tiers"]], [(t, True) for t in ("none", "ns", "landlock", "full")])
        self.assertLessEqual({"user", "seccomp", "landlock", "control-group"}, {f["name"] for f in report["findings"]})
        for finding in report["findings"]:
            self.assertIn(finding["level"], ("yes", "partly", "no"))
            self.assertTrue(finding["level"] == "yes" or finding["detail"], finding)

    # Inside a sandbox no user namespace can be made: the patient that doctor must not call well.
    def test_it_finds_what_is_missing(self):
        program = self.dir / "sandstone"
        program.write_bytes(sandstone_test.BINARY.read_bytes())
        program.chmod(0o755)
        self.dir.chmod(0o755)
        ended = self.sandbox("/doctor", "doctor", "--json", options=["-v", f"{program}:/doctor:ro"])
        self.assert_ended(ended, 1, err="")
        report = json.loads(ended.out)
        works = {t["tier"]: t for t in report["tiers"]}
        self.assertFalse(works["full"]["works"])
        self.assertTrue(works["full"]["why_not"])
        user = next(f for f in report["findings"] if f["name"] == "user")
        self.assertEqual(user["level"], "no")
        self.assertTrue(user["remedy"])


class Terminal(sandstone_test.TestCase):
    def test_t_takes_a_terminal_but_never_gives_it_away(self):
        master, slave = pty.openpty()
        callers = os.fstat(slave).st_dev  # each mount of devpts is a device of its own
        child = self.start("run", "-it", "--", "sh", "-c", "test -t 0 && stat -L -c 'on %d' /dev/stdin", stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        said = b""
        while True:
            try:
                said += os.read(master, 4096)
            except OSError:  # EIO: nobody has the other end any more
                break
        os.close(master)
        self.assertEqual(child.wait(), 0, said)
        self.assertRegex(said.decode(), r"^on \d+\r\n$")
        self.assertNotEqual(said.decode().split()[1], str(callers))


if __name__ == "__main__":
    assert pathlib.Path(sandstone_test.BINARY).exists(), sandstone_test.BINARY
    sandstone_test.main()
