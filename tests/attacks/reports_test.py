"""Sandstone's own words: log lines, --json and --events, with hostile text in them and hostile hands on the files."""

import json
import os

from harness import AttackTest, each_caller, main

# Clears the screen, sets the title, forges a line, is an 8-bit CSI, reverses the reading order, is not UTF-8.
HOSTILE = b"/nope\x1b[2J\x1b]0;OWNED\x07\nsandstone: all is well\r\"}\xc2\x9b31m\xe2\x80\xae\xff\xfe"
FORBIDDEN = (b"\x1b", b"\x07", b"\r", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff")


class Reports(AttackTest):
    def assertPlain(self, text):
        """One line of printable text."""
        for piece in FORBIDDEN:
            self.assertNotIn(piece, text)
        self.assertEqual(text.count(b"\n"), 1, text)

    def assertWeakPrintsIntoItsReport(self):
        report = self.s.file("weak-report")
        weak = self.weak("print", self.s.secret, switches=["--early-report", report])
        self.caller.run(["sh", "-c", 'exec "$@" >&-', "sh", *weak])
        self.assertIn(self.s.secret, report.read_text(), "the control must print into the report")

    def run_reported(self, *arguments, options=(), command=None):
        events, outcome = self.s.path / "events.jsonl", self.s.path / "outcome.json"
        for file in (events, outcome):
            file.unlink(missing_ok=True)
        os.chmod(self.s.path, 0o777)
        reports = ["--json", outcome, "--events", events]
        result = self.caller.run(self.sandstone(*arguments, options=[*reports, *options], command=command))
        return result, events, outcome

    def assertReports(self, events, outcome):
        """Both reports parse, are pure ASCII or clean UTF-8, and every event is one line."""
        for file in (events, outcome):
            raw = file.read_bytes()
            raw.decode("utf-8")
            for piece in FORBIDDEN[:4]:
                self.assertNotIn(piece, raw)
        lines = events.read_text().splitlines()
        parsed = [json.loads(line) for line in lines]
        self.assertTrue(all(isinstance(event, dict) for event in parsed))
        return parsed, json.loads(outcome.read_text())

    @each_caller
    def test_command_in_error_lines(self):
        result = self.caller.run([self.s.bin / "weak_jail", "--log", "--", HOSTILE])
        self.assertIn(b"\x1b[2J", result.stderr, "the control must print what it is given")
        for argv in (
            self.sandstone(command=[HOSTILE]),
            self.sandstone(command=[self.s.attack, "read"], options=["-w", HOSTILE]),
            self.sandstone(command=["true"], options=["--bind", HOSTILE, "/x"]),
            self.sandstone(command=["true"], options=["--bind", "/usr", HOSTILE[1:]]),
            self.sandstone(command=["true"], options=["--rootfs", HOSTILE]),
            self.sandstone(command=["true"], options=["--hostname", HOSTILE]),
            self.sandstone(command=["true"], options=["--tier", HOSTILE]),
            self.sandstone(command=["true"], options=["-c", HOSTILE]),
            self.sandstone(command=["true"], options=["-m", HOSTILE]),
            self.sandstone(command=["true"], options=["-e", HOSTILE]),
            self.sandstone(command=["true"], options=["--json", b"/nope/" + HOSTILE]),
            self.sandstone(command=["true"], options=["--allow", HOSTILE, "--network", "user"]),
            self.sandstone(command=["true"], options=[b"--" + HOSTILE]),
        ):
            with self.subTest(argv=argv):
                result = self.caller.run(argv)
                if result.stderr:
                    self.assertPlain(result.stderr)
                self.assertNotIn(result.status, range(128, 160), str(result))

    @each_caller
    def test_command_in_reports(self):
        result, events, outcome = self.run_reported(command=[HOSTILE])
        self.assertEqual(result.status, 127, str(result))
        self.assertReports(events, outcome)

    @each_caller
    def test_denied_calls_in_reports(self):
        """Denied calls with hostile arguments, a hostile process name, pointers to nowhere and endless paths."""
        result, events, outcome = self.run_reported("hostile-names")
        self.assertEqual(result.status, 0, str(result))
        parsed, final = self.assertReports(events, outcome)
        self.assertTrue(final["denials"], "the denials must be there for the test to say anything")
        self.assertNotIn(b"\x1b", result.stderr)

    @each_caller
    def test_flood_of_denials(self):
        """Endless denials end neither the supervisor nor the report's reader."""
        result, events, outcome = self.run_reported("flood", "20000")
        self.assertEqual(result.status, 0, str(result))
        _, final = self.assertReports(events, outcome)
        self.assertLessEqual(len(final["denials"]), 1000)

    @each_caller
    def test_report_takes_the_number_of_a_closed_stream(self):
        """With stdout closed, the next file that a launcher opens is descriptor 1, and the workload prints into it."""
        self.assertWeakPrintsIntoItsReport()
        for closed in ("<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed=closed):
                report = self.s.path / f"report{len(closed)}"
                os.chmod(self.s.path, 0o777)
                for flag in ("--json", "--events"):
                    report.unlink(missing_ok=True)
                    argv = self.sandstone("print", self.s.secret, options=[flag, report])
                    self.caller.run(["sh", "-c", f'exec "$@" {closed}', "sh", *argv])
                    self.assertTrue(report.read_text().startswith("{"), report.read_text())
                    self.assertNotIn(self.s.secret, report.read_text())

    @each_caller
    def test_report_is_replaced_by_a_link(self):
        """The workload may write where the report lies, and puts a link to a file of the caller's in its place."""
        victim = self.s.file("victim", "precious\n")
        shared = self.s.folder("shared")
        report = self.s.file("shared/report", "")
        weak = self.weak("replace-report", "/s/report", victim,
                         switches=["--bind", shared, "/s", "--report", report])
        self.caller.run(weak)
        self.assertNotEqual(victim.read_text(), "precious\n", "the control must overwrite the victim")
        victim.write_text("precious\n")
        for flag in ("--json", "--events"):
            report.unlink()
            self.s.file("shared/report", "")
            argv = self.sandstone("replace-report", "/s/report", victim,
                                  options=["--bind", shared, "/s", flag, report])
            result = self.caller.run(argv)
            self.assertEqual(result.status, 0, str(result))
            self.assertEqual(victim.read_text(), "precious\n", flag)
            self.assertTrue(report.is_symlink(), "the attack must have been tried")


if __name__ == "__main__":
    main()
