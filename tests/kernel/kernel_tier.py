"""What the tests of the tier `kernel` share: a sandbox of that tier, programs compiled for it, whether it is built at all."""

import functools
import os
import pathlib
import shutil
import subprocess
import unittest

import sandstone_test

HERE = pathlib.Path(__file__).resolve().parent
BUILT = (sandstone_test.PROGRAMS / "library-kernel").exists() and (sandstone_test.PROGRAMS / "sandstone-kernel").exists()
NOBODY = 65534


@unittest.skipUnless(BUILT, "the library kernel is not built: ./dev build kernel")
class TestCase(sandstone_test.TestCase):
    OPTIONS = ()  # of all its sandboxes: how calls get to the kernel, what the root is
    HAS_IMAGE = False  # the root is debian_image(), not the default view

    def sandbox(self, *cmd, options=(), **how):
        where = ["--disk-image", debian_image()] if self.HAS_IMAGE else []
        return super().sandbox(*cmd, options=["--tier", "kernel", *where, *self.OPTIONS, *options], **how)

    def script(self, text, *, options=(), shell="sh", **how):
        """The script's end; `text` is what `shell -c` runs."""
        return self.sandbox(shell, "-c", text, options=options, **how)

    def python(self, text, **how):
        return self.sandbox("/usr/bin/python3", "-c", text, **how)

    def need(self, *programs):
        """Skips what the host's view has not got. The image has all that scripts/packages/image.txt names, or the test fails."""
        for program in programs if not self.HAS_IMAGE else ():
            if shutil.which(program, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin") is None:
                self.skipTest(f"{program} is not installed")

    def shared_folder(self, name="shared"):
        """A folder that the sandbox may write to, whoever the tests run as."""
        folder = self.dir / name
        folder.mkdir()
        self.dir.chmod(0o755)
        folder.chmod(0o777)
        return folder


@functools.cache
def debian_image():
    """The disk image that scripts/debian.sh makes, which ./dev test names to those who cannot look into the cache."""
    named = os.environ.get("SANDSTONE_DEBIAN_IMAGE")
    if named:
        return named
    if (sandstone_test.CHECKOUT / ".machine").exists():
        raise unittest.SkipTest("the test machine has no network to make the image from")
    script = sandstone_test.CHECKOUT / "scripts/debian.sh"
    return subprocess.run([script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def compiled(folder, name, *, libraries=()):
    """The C program `name`.c of this folder, compiled into `folder`."""
    program = pathlib.Path(folder) / name
    subprocess.run(
        ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", HERE / f"{name}.c", "-o", program,
         *libraries],
        check=True,
    )
    os.chmod(program, 0o755)
    return program


def cases_of(name):
    """A class decorator: a test for each case of the C program `name`."""

    def add(cls):
        source = (HERE / f"{name}.c").read_text(encoding="utf-8")
        table = source[source.index("cases[] = {") :]
        for line in table.splitlines():
            if line.strip().startswith('{"'):
                case = line.split('"')[1]

                def test(self, case=case):
                    program = self.program(name)
                    ended = self.sandbox(f"/t/{program.name}", case, options=["-v", f"{program.parent}:/t:ro"])
                    self.assert_ended(ended, 0, out="ok\n")

                setattr(cls, f"test_{case}", test)
        return cls

    return add


class CompiledTestCase(TestCase):
    """The programs are compiled once for a class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if shutil.which("gcc") is None:
            raise unittest.SkipTest("gcc is not installed")

    def program(self, name):
        folder = self.dir / "programs"
        folder.mkdir(exist_ok=True)
        self.dir.chmod(0o755)
        program = folder / name
        return program if program.exists() else compiled(folder, name)
