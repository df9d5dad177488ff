"""The examples in the documentation, run as they stand there.

In README.md and docs/, a fenced block marked `console` is a session: lines that start with `$ ` are commands, the lines under
one are what it prints: its stdout and its stderr, whichever comes first (the two are relayed apart). `…` in an output line stands for anything within the line; a line that
is only `…` stands for any number of lines. A line `[status N]` at the end says the exit status, which is 0 otherwise. A
command goes on over lines that end with a backslash, or until the end mark of its here-document.

The commands of one file share a folder that is empty at first, and `sandstone` is the build's. A block marked `console no-run`
is not run; an HTML comment above it must say why.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import unittest

import sandstone_test

WILD = "…"


@dataclasses.dataclass
class Example:
    line: int
    command: str
    expected: list


def blocks(text):
    """(line number, info string, lines, the comment above or None) of each fenced block."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        if not lines[number].startswith("```") or lines[number] == "```":
            number += 1
            continue
        start = number
        end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("```")), None)
        if end is None:
            raise AssertionError(f"line {start + 1}: the block never ends")
        above = "\n".join(lines[:start]).rstrip()
        comment = above[above.rindex("<!--") + 4 : -3].strip() if above.endswith("-->") else None
        yield start + 1, lines[start][3:].strip(), lines[start + 1 : end], comment
        number = end + 1


def examples(first_line, lines):
    """The commands of a session with what each should print."""
    found, number = [], 0
    while number < len(lines):
        line = lines[number]
        if not line.startswith("$ "):
            if not found:
                raise AssertionError(f"line {first_line + 1 + number}: output before any command: {line!r}")
            found[-1].expected.append(line)
            number += 1
            continue
        at, command = number, line[2:]
        while command.endswith("\\"):
            number += 1
            command += "\n" + lines[number]
        mark = re.search(r"<<-?\s*['\"]?(\w+)", command)
        while mark and lines[number] != mark[1]:
            number += 1
            command += "\n" + lines[number]
        found.append(Example(first_line + 1 + at, command, []))
        number += 1
    return found


def matches(expected, actual):
    """Whether the lines printed are those expected; `…` as described above."""
    pattern = ""
    for line in expected:
        if line == WILD:
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += r"[^\n]*".join(re.escape(part) for part in line.split(WILD)) + r"\n"
    return re.fullmatch(pattern, actual) is not None


def whole_lines(data):
    text = sandstone_test.text(data)
    return text if not text or text.endswith("\n") else text + "\n"


def documents():
    """Those with examples."""
    root = sandstone_test.CHECKOUT
    return [p for p in [root / "README.md", *sorted((root / "docs").rglob("*.md"))] if "```console" in p.read_text(encoding="utf-8")]


class Documentation(sandstone_test.TestCase):
    def run_example(self, example):
        bin_folder = self.dir / "bin"
        bin_folder.mkdir(exist_ok=True)
        link = bin_folder / "sandstone"
        if not link.exists():
            link.symlink_to(sandstone_test.BINARY)
        work = self.dir / "work"
        work.mkdir(exist_ok=True)
        environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TMPDIR": str(self.tmp), "LC_ALL": "C.UTF-8"}
        return subprocess.run(["bash", "-c", example.command], cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120 * sandstone_test.PATIENCE, check=False)

    def check(self, document):
        self.dir.chmod(0o755)
        for start, info, lines, comment in blocks(document.read_text(encoding="utf-8")):
            place = f"{document.name}:{start}"
            if info == "console no-run":
                self.assertTrue(comment, f"{place}: a block that is not run needs a comment above it that says why")
                continue
            if not info.startswith("console"):
                continue
            self.assertEqual(info, "console", f"{place}: neither 'console' nor 'console no-run'")
            for example in examples(start, lines):
                with self.subTest(example=f"{document.name}:{example.line}", command=example.command):
                    expected, status = example.expected, 0
                    if expected and (said := re.fullmatch(r"\[status (\d+)\]", expected[-1])):
                        expected, status = expected[:-1], int(said[1])
                    ended = self.run_example(example)
                    out, err = whole_lines(ended.stdout), whole_lines(ended.stderr)
                    self.assertTrue(
                        matches(expected, out + err) or matches(expected, err + out),
                        "\n--- in the document\n" + "\n".join(expected) + f"\n--- stdout\n{out}--- stderr\n{err}",
                    )
                    self.assertEqual(ended.returncode, status, out + err)


def add_tests():
    for document in documents():
        name = "test_" + re.sub(r"\W", "_", str(document.relative_to(sandstone_test.CHECKOUT)))
        setattr(Documentation, name, lambda self, document=document: self.check(document))


class TheReaderItself(unittest.TestCase):
    """A reader that finds no example, or takes any output for the right one, would prove nothing."""

    def test_it_finds_commands_and_their_output(self):
        text = "x\n```console\n$ a \\\n  b\nout\n$ cat <<END\nhere\nEND\n$ c\n```\n```sh\n$ no\n```\n<!-- why -->\n```console no-run\n$ d\n```\n"
        found = list(blocks(text))
        self.assertEqual([(b[0], b[1], b[3]) for b in found], [(2, "console", None), (11, "sh", None), (15, "console no-run", "why")])
        self.assertEqual([(e.line, e.command, e.expected) for e in examples(2, found[0][2])],
                         [(3, "a \\\n  b", ["out"]), (6, "cat <<END\nhere\nEND", []), (9, "c", [])])

    def test_it_tells_right_output_from_wrong(self):
        for expected, actual in [([], ""), (["a"], "a\n"), (["a…c"], "abc\n"), (["…"], ""), (["…", "z"], "a\nb\nz\n"), (["(a)"], "(a)\n")]:
            self.assertTrue(matches(expected, actual), (expected, actual))
        for expected, actual in [([], "a\n"), (["a"], ""), (["a"], "ab\n"), (["a…c"], "a\nc\n"), (["…", "z"], "z\na\n"), (["(a)"], "a\n")]:
            self.assertFalse(matches(expected, actual), (expected, actual))

    def test_there_are_examples(self):
        sessions = [b for d in documents() for b in blocks(d.read_text(encoding="utf-8")) if b[1] == "console"]
        self.assertGreater(len(sessions), 3)


class Completeness(unittest.TestCase):
    """The reference pages leave nothing out."""

    def test_every_option_is_in_cli_md(self):
        reference = (sandstone_test.CHECKOUT / "docs/cli.md").read_text(encoding="utf-8")
        for command in ("run", "doctor", "probe", "image build", "image import"):
            text = sandstone_test.command([sandstone_test.BINARY, *command.split(), "--help"]).out
            for option in re.findall(r"^ {2,6}(?:-\w, )?(--[\w-]+)", text, re.M):
                self.assertIn(f"`{option}", reference, f"sandstone {command}")

    def test_programs_in_documents_are_examples(self):
        examples = [path.read_text(encoding="utf-8") for path in (sandstone_test.CHECKOUT / "examples").glob("*.cc")]
        document = sandstone_test.CHECKOUT / "docs/library-kernel.md"
        programs = ["\n".join(lines) for _, info, lines, _ in blocks(document.read_text(encoding="utf-8")) if info == "cpp"]
        self.assertEqual(len(programs), 1)
        for program in programs:
            self.assertTrue(any(program in example for example in examples), program)

    def test_every_key_is_in_configuration_md(self):
        reference = (sandstone_test.CHECKOUT / "docs/configuration.md").read_text(encoding="utf-8")
        source = (sandstone_test.CHECKOUT / "src/spec/config_settings.cc").read_text(encoding="utf-8")
        keys = re.findall(r'^    \{"(\w+)",', source, re.M)
        self.assertGreater(len(keys), 30)
        for key in keys:
            self.assertIn(f"`{key}`", reference)


add_tests()

if __name__ == "__main__":
    assert pathlib.Path(sandstone_test.BINARY).exists(), sandstone_test.BINARY
    sandstone_test.main()
