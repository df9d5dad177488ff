"""What is in an ext4 image, told by e2fsprogs: a second opinion that shares no code with what made it but libext2fs."""

import re
import subprocess

SBIN = "/usr/sbin/"


def check(image):
    """e2fsck's whole output if it finds anything wrong, else None."""
    ended = subprocess.run([SBIN + "e2fsck", "-fn", image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, check=False)
    return None if ended.returncode == 0 else ended.stdout.decode("utf-8", "replace")


def debugfs(image, request):
    ended = subprocess.run([SBIN + "debugfs", "-R", request, image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=True)
    return ended.stdout


def entries(image, folder="/"):
    """{name: (mode, uid, gid, inode)} of a folder, without "." and ".." and the root's lost+found."""
    found = {}
    for line in debugfs(image, f'ls -p "{folder}"').decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("/"):
            _, inode, mode, uid, gid, name, _, _ = line.split("/")
            if name not in (".", "..") and (folder, name) != ("/", "lost+found"):
                found[name] = (int(mode, 8), int(uid) % 2**32, int(gid) % 2**32, int(inode))
    return found


def tree(image, folder="/"):
    """{path: (mode, uid, gid, inode)} of all below a folder."""
    found = {}
    for name, entry in entries(image, folder).items():
        path = folder.rstrip("/") + "/" + name
        found[path.lstrip("/")] = entry
        if entry[0] & 0o170000 == 0o040000:
            found.update(tree(image, path))
    return found


def content(image, path):
    return debugfs(image, f'cat "{path}"')


def stat(image, path):
    return debugfs(image, f'stat "{path}"').decode("utf-8", "replace")


def target(image, path):
    fast = re.search(r'Fast link dest: "(.*)"', stat(image, path))
    return fast[1] if fast else content(image, path).decode()


def attribute(image, path, name):
    value = debugfs(image, f'ea_get -x "{path}" {name}').decode()
    return bytes.fromhex(value.split("=", 1)[1].strip()) if "=" in value else None


def superblock(image):
    return debugfs(image, "stats -h").decode("utf-8", "replace")
