"""The two places that a suite is run in: namespaces of its own on the host, and the tier `kernel`."""

import os
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("SANDSTONE", HERE.parents[1] / "build/release/sandstone")
PATIENCE = float(os.environ.get("SANDSTONE_PATIENCE", "1"))
MODES = ["rewrite", "trap", "unotify"]

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "SHELL": "/bin/sh",
               "PYTHONDONTWRITEBYTECODE": "1", "SANDSTONE_PATIENCE": str(PATIENCE)}

# As much like the inside as a host can be: a /tmp in memory, a network of `lo` alone, the same name and number of
# descriptors. $1... are pairs of a folder and the place where the suite finds it, up to "--".
PRIVATE = """
mount --make-rprivate / && mount -t tmpfs -o mode=755 none /mnt && ip link set lo up && hostname sandstone &&
  echo 127.0.0.1 localhost sandstone >/mnt/hosts && mount --bind /mnt/hosts /etc/hosts && ulimit -S -n 1024 && ulimit -H -n 4096 || exit 125
while [ "$1" != -- ]; do mkdir -p "$2" && mount --bind "$1" "$2" || exit 125; shift 2; done
shift
mount -t tmpfs -o mode=1777 tmpfs /tmp && cd / && exec "$@"
"""


def bare(command, folders, seconds):
    """The output of a command that sees each of `folders`, {place: folder}, as the sandbox would show it."""
    pairs = [word for place, folder in folders.items() for word in (str(folder), place)]
    return _output(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc",
                    "sh", "-c", PRIVATE, "bare", *pairs, "--", *command], seconds)


def inside(mode, command, folders, seconds):
    """The same from the tier `kernel`. The time is the sandbox's own to keep: its --timeout must work for one that hangs."""
    shown = [word for place, folder in folders.items() for word in ("-v", f"{folder}:{place}:ro")]
    variables = [word for name, value in ENVIRONMENT.items() for word in ("-e", f"{name}={value}")]
    return _output([BINARY, "run", "--quiet", "--tier", "kernel", "--syscall-mode", mode, "-u", "0", "--tmpfs", "/tmp",
                    "--hostname", "sandstone", "--timeout", f"{seconds * PATIENCE:.0f}s", *variables, *shown, "--",
                    *command], seconds + 60)


def _output(command, seconds):
    """Its standard output, and its status. Nothing may wait for a process that keeps the pipe, so it is a file."""
    with tempfile.TemporaryFile() as out:
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, cwd="/",
                                    env=ENVIRONMENT, timeout=seconds * PATIENCE, check=False).returncode
        except subprocess.TimeoutExpired:
            status = 124
        out.seek(0)
        return out.read().decode("utf-8", "replace"), status
