"""What is measured: the command lines of the sandboxes, each as like `sandstone run` as its options allow."""

import json
import os
import pathlib
import shutil
import struct
import subprocess

# What sandstone's view takes of /etc (src/walls/view.cc); those that the host lacks are left out by all.
ETC = ("alternatives", "fonts", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "ld.so.cache",
       "mime.types", "perl", "pki", "protocols", "services", "ssl/certs", "ssl/openssl.cnf")
SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt")
TRUE = "/bench/true"  # where the program that does nothing is to be found inside


class Sandbox:
    """One line of a table: its words as spawn.c takes them, and why they may not work here."""

    def __init__(self, name, words, note=""):
        self.name = name
        self.words = [str(word) for word in words]
        self.note = note
        self.trouble = None

    def check(self, prefix):
        """Runs it once. A sandbox that does not work here is told about, not measured."""
        if shutil.which(self.words[0]) is None:
            self.trouble = "not installed"
            return
        files = {int(fd): path for fd, path in (w.split("<", 1) for w in self.words if "<" in w)}
        words = prefix + [w for w in self.words if "<" not in w]
        opened = {fd: os.open(path, os.O_RDONLY) for fd, path in files.items()}
        try:
            for fd, ours in opened.items():
                os.dup2(ours, fd)
            ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                                   pass_fds=tuple(opened), check=False)
            if ended.returncode != 0:
                lines = [line for line in (ended.stderr + ended.stdout).splitlines() if line.strip()]
                self.trouble = f"status {ended.returncode}: {lines[-1].strip() if lines else 'no word'}"
        except subprocess.TimeoutExpired:
            self.trouble = "did not end within 30 s"
        finally:
            for fd, ours in opened.items():
                os.close(fd)
                if ours != fd:
                    os.close(ours)


def host_folders():
    """The system folders as (path, target of a symlink or None)."""
    for name in SYSTEM:
        path = pathlib.Path("/", name)
        if path.is_symlink():
            yield str(path), os.readlink(path)
        elif path.is_dir():
            yield str(path), None


def entries():
    return [f"/etc/{name}" for name in ETC if os.path.exists(f"/etc/{name}")]


def tree_filter(leaves=117):
    """The same program as bench/filter.h, for sandboxes that take one from a descriptor."""
    load, jump_equal, jump_at_least, ret = 0x20, 0x15, 0x35, 0x06
    allow, enosys, kill = 0x7fff0000, 0x00050026, 0x80000000

    def tree(first, last):
        if last - first == 1:
            return [(ret, 0, 0, enosys if first % 16 == 15 and first > 80 else allow)]
        middle = (first + last) // 2
        left, right = tree(first, middle), tree(middle, last)
        return [(jump_at_least, len(left), 0, middle * 4)] + left + right

    program = [(load, 0, 0, 4), (jump_equal, 1, 0, 0xc000003e), (ret, 0, 0, kill), (load, 0, 0, 0)] + tree(0, leaves)
    return b"".join(struct.pack("<HBBI", *step) for step in program)


def bubblewrap(work, program, inside=TRUE):
    words = ["bwrap", "--unshare-all", "--new-session", "--die-with-parent", "--clearenv", "--cap-drop", "ALL",
             f"10<{work}/filter", "--seccomp", "10"]
    for path, target in host_folders():
        words += ["--symlink", target, path] if target else ["--ro-bind", path, path]
    for path in entries():
        words += ["--ro-bind", path, path]
    for path in ("/tmp", "/run", "/var/tmp"):
        words += ["--tmpfs", path]
    words += ["--proc", "/proc", "--dev", "/dev", "--dir", "/home/sandbox", "--setenv", "PATH", "/usr/bin:/bin",
              "--ro-bind", f"{work}/{program}", inside, inside]
    return words


def oci_bundle(work, name, outside):
    """A bundle with the namespaces, mounts and masks of sandstone's view, no capability and one id mapped."""
    bundle = work / name
    for folder in ("proc", "dev", "tmp", "bench", "etc/ssl"):
        (bundle / "rootfs" / folder).mkdir(parents=True, exist_ok=True)
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=1m"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]},
    ]
    binds = entries() + [path for path, target in host_folders() if target is None]
    for path, target in host_folders():
        place = bundle / "rootfs" / path[1:]
        if target:
            place.symlink_to(target)
    for source, path in [(path, path) for path in binds] + [(f"{work}/true", TRUE)]:
        place = bundle / "rootfs" / path[1:]
        if os.path.isdir(source):
            place.mkdir(exist_ok=True)
        else:
            place.touch()
        mounts.append({"destination": path, "type": "bind", "source": source, "options": ["rbind", "ro", "nosuid", "nodev"]})
    ids = [{"containerID": 0, "hostID": outside, "size": 1}]
    config = {
        "ociVersion": "1.0.2",
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": [TRUE], "env": ["PATH=/usr/bin:/bin"], "cwd": "/",
                    "capabilities": {}, "noNewPrivileges": True},
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "sandbox",
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": kind} for kind in ("user", "pid", "network", "ipc", "uts", "mount", "cgroup")],
            "uidMappings": ids, "gidMappings": ids,
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def ours(work):
    command = f"{work}/sandstone"
    view = ["--ro-bind", f"{work}/true", TRUE, "--", TRUE]
    return [
        Sandbox("floor", [f"{work}/floor", f"{work}/true"], "see below"),
        Sandbox("sandstone, tier none", [command, "run", "--tier", "none", "--", f"{work}/true"], "baseline, no wall"),
        Sandbox("sandstone, tier ns", [command, "run", "--tier", "ns", *view]),
        Sandbox("sandstone, tier landlock", [command, "run", "--tier", "landlock", *view]),
        Sandbox("sandstone, tier full", [command, "run", *view]),
    ]


def quick_peers(work):
    return [
        Sandbox("bubblewrap", bubblewrap(work, "true"), "the same view, all capabilities dropped, a filter of the same size"),
        Sandbox("unshare(1)", ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts",
                               "--cgroup", "--time", f"{work}/true"], "namespaces alone: the host's files, no filter"),
        Sandbox("proot", ["proot", "-r", "/", f"{work}/true"], "ptrace alone: no wall against a hostile program"),
    ]


def slow_peers(work, user):
    state = work / ("state-user" if user else "state-root")
    bundle = oci_bundle(work, "bundle-user" if user else "bundle-root", 65534)
    cgroups = ["--cgroup-manager=disabled"] if user else []
    return [
        Sandbox("firejail", ["firejail", "--quiet", "--noprofile", "--net=none", "--private", "--private-dev",
                             "--caps.drop=all", "--nonewprivs", "--seccomp", "--ipc-namespace", "--", f"{work}/true"],
                "setuid root"),
        Sandbox("crun", ["crun", "--root", state / "crun", *cgroups, "run", "-b", bundle, "bench-crun"],
                "the same view and ids, no filter"),
        Sandbox("runc", ["runc", "--root", state / "runc", "run", "-b", bundle, "bench-runc"], "the same view and ids, no filter"),
        Sandbox("runsc", ["runsc", "--platform=ptrace", "--network=none", "--rootless", "do", f"{work}/true"],
                "gVisor on ptrace: a kernel of its own"),
    ]
