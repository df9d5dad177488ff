"""Out of the root, through read-only mounts, beneath masks, with devices and handles."""

import os
import subprocess

import scope
from harness import ISOLATED, JAILED, OWN_KERNEL, PYTHON, AttackTest, Caller, each_caller, wait_until, main

WITH_KEY = """
import ctypes, sys
libc = ctypes.CDLL(None)
key = libc.syscall(248, b"user", b"sandstone-canary", b"-", 1, -4)  # add_key to the user's keyring
print("ready" if key > 0 else "no key", flush=True)
sys.stdin.read()
libc.syscall(250, 9, key, -4)  # KEYCTL_UNLINK
"""

# Root inside owns the mounts of `ns` (docs/security.md); from `landlock` on it cannot change them, but it can clone
# /proc without the masks on it until `full` takes its capabilities.
MASKED = (("ns", []), ("landlock", []), ("full", []), ("full", ["-u", "0"]))
READ_ONLY = (*((tier, []) for tier in OWN_KERNEL), ("ns", []), ("landlock", []), ("landlock", ["-u", "0"]), ("full", []), ("full", ["-u", "0"]))


class Root(AttackTest):
    @each_caller
    def test_double_chroot(self):
        """chroot is no wall: whoever may chroot again walks out of it. pivot_root leaves nothing to walk to."""
        canary = self.s.canary("outside/canary")
        self.control("double-chroot", "/tmp/inner", canary, switches=["--chroot", "--keep-capabilities"])
        self.stopped_after_pivot = self.caller.run(
            self.weak("double-chroot", "/tmp/inner", canary, switches=["--keep-capabilities"]))
        self.assertStopped(self.stopped_after_pivot, message="the weak jail with pivot_root")
        for tier in ISOLATED:
            self.stopped("double-chroot", "/tmp/inner", canary, tier=tier, options=["-u", "0"])

    @each_caller
    def test_old_root(self):
        """The root that the launcher came from, left mounted: at a folder, or stacked beneath the new one."""
        canary = self.s.canary("outside/canary")
        self.control("old-root", canary, switches=["--keep-old-root"])
        self.control("old-root", canary, switches=["--stack-old-root"])
        for tier in ISOLATED:
            for options in ([], ["-u", "0"]):
                self.stopped("old-root", canary, tier=tier, options=options)

    @each_caller
    def test_handle_of_the_filesystem(self):
        """open_by_handle_at ("Shocker"): every inode of the filesystem that any bound file is on."""
        canary = self.s.canary("outside/canary")
        if self.caller.uid == 0:
            # Only privilege over the machine opens handles: an ordinary user has no control to show.
            self.control("open-handle", "/b/attack", canary, switches=["--share-user", "--keep-capabilities"])
        for tier in ISOLATED:
            for options in ([], ["-u", "0"]):
                self.stopped("open-handle", "/b/attack", canary, tier=tier, options=options)

    @each_caller
    def test_device_node(self):
        folder = self.s.folder("shared")
        if self.caller.uid == 0:
            switches = ["--share-user", "--keep-capabilities", "--bind", folder, "/s"]
            self.control("make-device", "/s", switches=switches)
        for tier in JAILED:
            for options in ([], ["-u", "0"]):
                self.stopped("make-device", "/s", tier=tier, options=["--bind", folder, "/s", *options])
                self.stopped("make-device", "/tmp", tier=tier, options=options)


class ReadOnly(AttackTest):
    def nested(self, argv):
        """argv where the folder "outer" has a mount of its own, "outer/inner", that only this test sees."""
        outer = self.s.folder("outer/inner").parent
        script = 'mount -t tmpfs -o mode=777 none "$1" && shift && exec "$@"'
        command = ["sh", "-c", script, "sh", outer / "inner", *argv]
        return self.caller.private(command, "--mount", "--propagation", "private")

    @each_caller
    def test_nested_mount_under_a_read_only_bind(self):
        """MS_REMOUNT|MS_RDONLY changes the topmost mount alone."""
        outer = self.s.folder("outer")
        shallow = ["--shallow-read-only", "--ro-bind", outer, "/data"]
        deep = ["--ro-bind", outer, "/data"]
        self.assertWon(self.caller.run(self.nested(self.weak("write", "/data/inner/planted", switches=shallow))))
        self.assertStopped(self.caller.run(self.nested(self.weak("write", "/data/inner/planted", switches=deep))))
        for tier in ISOLATED:
            argv = self.sandstone("write", "/data/inner/planted", "/data/planted", options=deep, tier=tier)
            self.assertStopped(self.caller.run(self.nested(argv)))

    @each_caller
    def test_read_only_in_one_call(self):
        """mount(MS_BIND | MS_RDONLY) is not read-only: the kernel ignores the second flag."""
        folder = self.s.folder("data")
        self.control("write", "/data/planted", switches=["--one-call-read-only", "--ro-bind", folder, "/data"])
        (folder / "planted").unlink()
        for tier in ISOLATED:
            self.stopped("write", "/data/planted", tier=tier, options=["--ro-bind", folder, "/data"])
            self.stopped("write", "/data/planted", tier=tier, options=["-v", f"{folder}:/data:ro"])
        self.assertEqual(list(folder.iterdir()), [])

    @each_caller
    def test_remount(self):
        """A read-only bind is made writable again: by remount, mount_setattr, a clone of the tree, or all of these in
        a user namespace of the attacker's own."""
        folder = self.s.folder("data")
        self.control("remount", "/data", switches=["--keep-capabilities", "--ro-bind", folder, "/data"])
        (folder / "planted").unlink()
        for tier, options in READ_ONLY:
            self.stopped("remount", "/data", tier=tier, options=["--ro-bind", folder, "/data", *options])
        self.assertEqual(list(folder.iterdir()), [])

    @each_caller
    def test_host_system_is_read_only(self):
        places = ["/usr/planted", "/etc/planted", "/bin/planted", "/lib/planted", "/planted"]
        for tier in JAILED:
            for options in ([], ["-u", "0"]):
                self.caller.run(self.sandstone("write", *places, tier=tier, options=options))
                for place in places:
                    self.assertFalse(os.path.exists(place), place)


class Masks(AttackTest):
    ENTRIES = ["kcore", "keys", "key-users", "timer_list", "sched_debug", "kpagecount", "kpageflags"]

    @each_caller
    def test_masks_are_lifted(self):
        """umount of the mask, a bind or a clone of /proc without its submounts, a new procfs, each also in a user
        namespace of the attacker's own."""
        self.s.folder("empty")
        # /proc/version stands for a masked entry in the control: it is public on every kernel.
        switches = ["--keep-capabilities", "--system", "--mask", "/proc/version"]
        self.control("unmask", "/proc", "version", switches=switches)
        for tier, options in MASKED:
            self.stopped("unmask", "/proc", *self.ENTRIES, tier=tier, options=options)

    @each_caller
    def test_masked_entries_are_empty(self):
        paths = [f"/proc/{entry}" for entry in self.ENTRIES]
        owner = Caller("owner", self.caller.outside)
        # Without a key of its id, nothing of this would have content for the workload: the kernel hides the rest.
        with owner.start([PYTHON, "-c", WITH_KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
            self.assertEqual(keeper.stdout.readline(), b"ready\n")
            self.ablate("read-masked", *paths, missing=["proc-mask"])
            keeper.stdin.close()

    @each_caller
    def test_kernel_settings_cannot_be_opened_for_writing(self):
        """core_pattern runs a program of the attacker's choice as root, on the host; sysrq-trigger reboots it."""
        paths = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                 "/proc/sys/kernel/hotplug", "/proc/sys/vm/panic_on_oom", "/proc/sys/fs/binfmt_misc/register",
                 "/proc/sys/kernel/printk", "/sys/kernel/uevent_helper", "/proc/irq/0/smp_affinity"]
        if self.caller.uid == 0:
            self.control("open-writable", *paths, switches=["--share-user", "--keep-capabilities"])
        for tier in JAILED:
            for options in ([], ["-u", "0"]):
                self.stopped("open-writable", *paths, tier=tier, options=options)


class OwnNamespaces(AttackTest):
    @each_caller
    def test_user_namespace(self):
        self.control("user-namespace")
        self.ablate("user-namespace", missing=["seccomp"])

    @each_caller
    def test_mounts_in_a_user_namespace(self):
        self.control("mount-in-namespace")
        self.ablate("mount-in-namespace", missing=["seccomp", "landlock"])

    @each_caller
    def test_detached_mounts_in_a_user_namespace(self):
        """A mount that is attached nowhere is none to Landlock: the filter alone stops it."""
        self.control("mount-detached")
        self.ablate("mount-detached", missing=["seccomp"])

    @each_caller
    def test_overlay_in_a_user_namespace(self):
        self.control("overlay-in-namespace")
        self.ablate("overlay-in-namespace", missing=["seccomp", "landlock"])

    @each_caller
    def test_release_agent(self):
        """cgroup v1 runs the agent on the host as root when the last process leaves a group."""
        shared = self.s.folder("shared")
        agent = self.s.file("agent", f"#!/bin/sh\nid -u > {scope.outside(shared)}/ran\n", 0o755)
        if self.caller.uid == 0:
            switches = ["--share-user", "--keep-capabilities"]
            self.control("release-agent", "/tmp", scope.outside(agent), switches=switches)
            ran = lambda: (shared / "ran").exists() and (shared / "ran").read_text() == "0\n"
            self.assertTrue(wait_until(ran), "the control must run a program as the host's root")
            (shared / "ran").unlink()
        for tier in JAILED:
            for options in ([], ["-u", "0"]):
                self.stopped("release-agent", "/tmp", scope.outside(agent), tier=tier, options=options)
        self.assertFalse((shared / "ran").exists())


if __name__ == "__main__":
    main()
