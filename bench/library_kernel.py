"""The library kernel beside the host's: runs bench/library_kernel.cc and makes its section of docs/benchmarks.md."""

import os
import pathlib
import re
import subprocess

import measure

HEADING = "## The library kernel"

# At most this share of what the host takes for the same call; None: reported only.
CALLS = {
    "getppid": 0.10, "fstat": 0.13, "stat, 4 components": 0.15, "open+close": 0.18, "pread 1 B": 0.12, "pread 4 KiB": 0.20,
    "pipe write+read 1 B": 0.13, "create+write+unlink": 0.25, "pipe round trip, two threads": 1.2,
}
# At most so much.
FIGURES = {
    "boot to ready, ms": 15, "ext4 mounted after that, ms": 3, "resident after boot, MiB": 14, "image, MiB": 12,
}
SPEED = 0.8  # at least this share of the host's


def image_of(build):
    """The built kernel's image, or None."""
    path = build / "library-kernel"
    return path if path.exists() else None


def ext4(path, size, *, allocated=False):
    """`allocated`: whoever writes first does not pay for the space of the file that it lies in, which varies by a factor of five."""
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(size >> 20 if allocated else 0):
            file.write(bytes(1 << 20))
        os.fsync(file.fileno())
    measure.output_of(["mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,nodiscard", path])


def run(build, work, *, quick, prefix=()):
    """{calls: {name: (host, library)}, shares, speeds, figures: {name: value}, skipped: a sentence or None}"""
    program = [*prefix, build / "bench" / "library_kernel", "--image", image_of(build)]
    if quick:
        program.append("--quick")
    disk = work / "small.ext4"
    ext4(disk, 64 << 20)
    program += ["--disk", disk]
    skipped, script, memory = None, "exec \"$@\"", None
    if os.geteuid() == 0 and os.path.exists("/dev/loop-control"):
        # Two pairs of images: on the disk that the work folder is on, and in memory, where no disk hides what we cost.
        memory = pathlib.Path("/dev/shm") / work.name
        memory.mkdir()
        size = (512 << 20) if quick else (1536 << 20)
        mounts = []
        for name, folder in (("image on disk", work), ("image in memory", memory)):
            for side in ("host", "library"):
                ext4(folder / f"{side}.ext4", size, allocated=True)
            (folder / "mounted").mkdir()
            mounts.append(f"mount -o loop {folder}/host.ext4 {folder}/mounted")
            program += ["--sequential", name, folder / "library.ext4", folder / "mounted"]
        script = " && ".join([*mounts, script])
    else:
        skipped = "The sequential files were left out: only root can mount the host's ext4 image through a loop device."
    results = {"calls": {}, "share": {}, "speeds": {}, "figures": {}, "skipped": skipped}
    try:
        unshare = ["unshare", "--mount", "--propagation", "private"] if skipped is None else []
        for line in measure.output_of([*unshare, "sh", "-c", script, "sh", *program]).splitlines():
            kind, name, *values = line.split("\t")
            values = [float(value) for value in values]
            if kind == "figure":
                results["figures"][name] = values[0]
            else:
                results[{"call": "calls", "speed": "speeds", "share": "share"}[kind]][name] = values
    finally:
        if memory is not None:
            subprocess.run(["rm", "-rf", memory], check=False)
    return results


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(" --- " if i == 0 else " ---: " for i in range(len(head))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict(met):
    return "met" if met else "**missed**"


def amount(nanoseconds):
    return f"{nanoseconds:.1f}" if nanoseconds < 100 else f"{nanoseconds:,.0f}"


def section(results, where):
    calls = []
    for name, (host, ours) in results["calls"].items():
        limit = CALLS.get(name)
        calls.append([name, amount(host), amount(ours), f"{ours / host:.3f}", "" if limit is None else f"≤ {limit:.2f}",
                      "" if limit is None else verdict(ours / host <= limit)])
    speeds = [[name, f"{host:,.0f}", f"{ours:,.0f}", f"{ours / host:.2f}", f"≥ {SPEED:.2f}", verdict(ours / host >= SPEED)]
              for name, (host, ours) in results["speeds"].items()]
    figures = []
    for name, value in results["figures"].items():
        limit = FIGURES.get(name)
        figures.append([name, f"{value:.1f}", "" if limit is None else f"≤ {limit}", "" if limit is None else verdict(value <= limit)])
    shares = "; ".join(f"{name}: host {host:.2f}, library {ours:.2f}" for name, (host, ours) in results["share"].items())
    sequential = results["skipped"] or f"""A file of 1 GiB, written in pieces of 1 MiB and synced, written again in place, and read after its pages were dropped; MiB/s.
The library kernel has 2 GiB of memory, so both can keep the whole file, and changes go to its image (`SANDSTONE_DISK_PERSIST`).
The host has such an image mounted through a loop device. Both images lie in the same folder, on disk or in memory, and are no sparse files.

{table(['', 'host', 'library', 'ratio', 'target', ''], speeds)}"""
    return f"""{HEADING}

Measured on {where['date']}, load average {where['load']} before it began, by one program (`bench/library_kernel.cc`; alone: `./dev bench --only
library-kernel`) that makes the same calls of both kernels by turns. Medians of many short rounds. [What it is](library-kernel.md).

The files are at the same path in a tmpfs on both sides. "Other process": the pointers mean the memory of another process, which
the library kernel reaches by process_vm_readv(2). "Four threads": the time in which all together make one call.

{table(['', 'host, ns', 'library, ns', 'ratio', 'target', ''], calls)}

The least served of the four got this share of an even part: {shares}.

With 256 MiB of memory given and the configuration that ships; "resident" is the proportional set size of the kernel's addresses:

{table(['', 'measured', 'target', ''], figures)}

{sequential}
"""


def replace_section(path, text, heading=HEADING):
    """The document with its section exchanged, or added at its end."""
    whole = path.read_text() if path.exists() else "# Benchmarks\n"
    at = re.search(rf"^{re.escape(heading)}$.*?(?=^## |\Z)", whole, re.M | re.S)
    if at is None:
        path.write_text(whole.rstrip("\n") + "\n\n" + text)
        return
    rest = whole[at.end():]
    path.write_text(whole[:at.start()] + text + ("\n" + rest if rest else ""))
