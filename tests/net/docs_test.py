"""The examples of docs/network.md, run in an internet of its own. Those of one block share a shell."""

import pathlib
import subprocess
import sys
import unittest

import internet
import sandstone_test
from internet import PRIVATE, PUBLIC

sys.path.append(str(sandstone_test.CHECKOUT / "tests/docs"))
import examples_test  # noqa: E402

DOCUMENT = sandstone_test.CHECKOUT / "docs/network.md"

# Runs each command with its output in a file of its own, and writes its status behind it.
RUN = """
set -m
number=0
while IFS= read -r -d '' command; do
  number=$((number + 1))
  eval "$command" </dev/null >"$OUT/$number" 2>&1
  echo $? >"$OUT/$number.status"
done
"""


class Documentation(internet.TestCase):
    def setUp(self):
        super().setUp()
        for name in ("example.org", "www.example.org"):
            self.world.name(name, [PUBLIC])
        self.world.name("db.example", [PRIVATE])
        self.world.name("other.example", [PUBLIC])

    def run_block(self, examples):
        """(output, status) of each."""
        folder = self.dir / "bin"
        folder.mkdir(exist_ok=True)
        link = folder / "sandstone"
        if not link.exists():
            link.symlink_to(sandstone_test.BINARY)
        out = pathlib.Path(self.dir / "out")
        out.mkdir(exist_ok=True)
        subprocess.run(
            ["bash", "-c", RUN],
            input="".join(e.command + "\0" for e in examples).encode(),
            env={"PATH": f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin", "OUT": str(out), "TMPDIR": str(self.tmp), "LC_ALL": "C.UTF-8"},
            cwd=self.dir,
            check=True,
            timeout=120 * sandstone_test.PATIENCE,
        )
        return [((out / str(n)).read_text(), int((out / f"{n}.status").read_text())) for n in range(1, len(examples) + 1)]

    def test_examples(self):
        text, ran = DOCUMENT.read_text(encoding="utf-8"), 0
        self.dir.chmod(0o755)
        for start, info, lines, _ in examples_test.blocks(text):
            self.assertEqual(info, "console no-run", f"line {start}")
            examples = examples_test.examples(start, lines)
            for example, (output, status) in zip(examples, self.run_block(examples), strict=True):
                with self.subTest(line=example.line, command=example.command):
                    expected = list(example.expected)
                    wanted = 0
                    if expected and expected[-1].startswith("[status "):
                        wanted = int(expected.pop()[8:-1])
                    self.assertTrue(examples_test.matches(expected, output), f"expected:\n{expected}\nprinted:\n{output}")
                    self.assertEqual(status, wanted, output)
                    ran += 1
        self.assertGreater(ran, 15)


if __name__ == "__main__":
    internet.main()
