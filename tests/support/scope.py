#!/usr/bin/env python3
"""Gives a suite shared folders of its own, so that several checkouts can be tested on one machine at once.

usage: scope.py CMD...      runs CMD with folders of its own, as root

Every suite looks for what its sandboxes leave in /tmp, /var/tmp and /dev/shm. The files of another suite, under way
beside it, are not its own: so root's suites get a mount namespace in which each of these is a fresh folder. Only what
the suite itself needs from there stays visible, at its old place. An ordinary user, who may not mount, shares the
folders, and the look waits for what is another's to go away (sandstone_test.TestCase.assert_nothing_left).
"""

import atexit
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SHARED = [pathlib.Path(p) for p in ("/tmp", "/var/tmp", "/dev/shm")]
MARK = "SANDSTONE_TEST_SCOPE"
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, flags):
    if libc.mount(os.fsencode(source), os.fsencode(target), None, flags, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), os.fspath(target))


def needed():
    """What a suite uses that may lie in a shared folder: its checkout, the build, and where its user may write."""
    checkout = pathlib.Path(__file__).resolve().parents[2]
    paths = [checkout, pathlib.Path.cwd()]
    paths += [pathlib.Path(os.environ[name]).resolve().parent for name in ("SANDSTONE", "SANDSTONE_DEBIAN_IMAGE") if os.environ.get(name)]
    paths += [pathlib.Path(os.environ[name]).resolve() for name in ("HOME", "TMPDIR") if os.environ.get(name)]
    return [p for p in paths if p.is_dir()]


def enter():
    """From here on, and for every process started from here, the shared folders are this suite's own."""
    if os.geteuid() != 0 or os.environ.get(MARK):
        return
    # On the disk, not in a tmpfs: an overlay's upper layer asks more than a tmpfs gives before 6.6.
    base = pathlib.Path(tempfile.mkdtemp(prefix="test-scope-"))
    base.chmod(0o711)
    parent = os.open(base.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    atexit.register(remove, base.name, parent, os.getpid())
    if libc.unshare(CLONE_NEWNS) != 0:
        return  # root in a container that may not: it shares, as an ordinary user does
    mount("none", "/", MS_REC | MS_PRIVATE)
    kept = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in needed()
            if any(path.is_relative_to(shared) and path != shared for shared in SHARED)]
    handle = os.open(base, os.O_PATH | os.O_DIRECTORY)  # its name may vanish below what is mounted next
    for number, shared in enumerate(SHARED):
        if shared.is_dir() and not shared.is_symlink():
            own = f"/proc/self/fd/{handle}/{number}"
            os.mkdir(own)
            os.chmod(own, 0o1777)
            mount(own, shared, MS_BIND)
    for path, folder in kept:
        path.mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{folder}", path, MS_BIND | MS_REC)
        os.close(folder)
    os.close(handle)
    os.environ[MARK] = str(base)
    tempfile.tempdir = None


def outside(path):
    """The name by which those who are not in the scope, the kernel's helpers among them, know `path`."""
    path, base = pathlib.Path(path), os.environ.get(MARK, "")
    for number, shared in enumerate(SHARED):
        if base.startswith("/") and path.is_relative_to(shared):
            return pathlib.Path(base, str(number), path.relative_to(shared))
    return path


def remove(name, parent, owner):
    if os.getpid() == owner:  # not a child that was forked and ended as Python does
        shutil.rmtree(name, ignore_errors=True, dir_fd=parent)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: scope.py CMD...")
    enter()
    sys.exit(subprocess.run(sys.argv[1:], check=False).returncode)
