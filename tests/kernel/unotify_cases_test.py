#!/usr/bin/env python3
"""The cases of memory.c, processes.c and sigaction.c where calls come by notification. Without SANDSTONE_SOAK only those on
memory that is shared, which is done in another way there."""

import kernel_tier
import memory_test
import processes_test
import sandstone_test
import sigaction_test

UNOTIFY = ("--syscall-mode", "unotify")
SHARED = {
    "anonymous_shared", "calls_on_untouched_pages", "memfd", "protects", "remaps", "replaces", "shared_is_the_file",
    "shared_stays_after_unmap", "shm_between_processes", "threads_map", "truncated",
}


MORE_FILES_THAN_FIT = """
import mmap, os, signal
def shared(name, size):
    f = open(name, "w+b"); f.truncate(size)
    return mmap.mmap(f.fileno(), size)
size = 4 << 20
for i in range(6):
    m = shared(f"/tmp/{i}", size)
    for at in range(0, size, 4096): m[at:at + 4] = (i << 16 | at >> 12).to_bytes(4, "little")
    m.close()
for i in range(6):
    data = open(f"/tmp/{i}", "rb").read()
    print(len(data) == size and all(data[at:at + 4] == (i << 16 | at >> 12).to_bytes(4, "little") for at in range(0, size, 4096)))
    os.unlink(f"/tmp/{i}")
pid = os.fork()
if pid == 0:
    m = shared("/tmp/large", 20 << 20)
    for at in range(0, 20 << 20, 4096): m[at] = 1
    os._exit(0)
print(os.waitpid(pid, 0)[1] == signal.SIGBUS); os.unlink("/tmp/large")
m = shared("/tmp/small", 4096); m[0] = 7; print(open("/tmp/small", "rb").read(1))
"""

ON_A_VOLUME = """
import mmap, os
f = open("/v/old", "r+b"); m = mmap.mmap(f.fileno(), 0)
print(m[:3], os.pwrite(f.fileno(), b"1", 1), m[:3]); m[2:3] = b"2"; print(os.pread(f.fileno(), 3, 0)); m.flush(); m.close()
f = open("/v/new", "w+b"); f.truncate(9 << 20); m = mmap.mmap(f.fileno(), 9 << 20)
for at in range(0, 9 << 20, 4096): m[at] = at >> 12 & 255
m.close(); f.close()
f = open("/v/old", "rb"); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); print(m[:3])
"""


class Unotify(kernel_tier.TestCase):
    """What is shared of a file's pages, beside what memory.c has."""

    OPTIONS = UNOTIFY

    def test_more_files_than_fit(self):
        """With 128 MiB there are 16 for what is shared: files that are no longer give way, too much at once is SIGBUS."""
        ended = self.python(MORE_FILES_THAN_FIT, options=["-m", "128m", "--best-effort"])
        self.assert_ended(ended, 0, out="True\n" * 7 + "b'\\x07'\n")

    def test_on_a_volume(self):
        folder = self.shared_folder()
        (folder / "old").write_bytes(b"abc")
        (folder / "old").chmod(0o666)
        self.assert_ended(self.python(ON_A_VOLUME, options=["-v", f"{folder}:/v"]), 0, out="b'abc' 1 b'a1c'\nb'a12'\nb'a12'\n")
        self.assertEqual((folder / "old").read_bytes(), b"a12")
        new = (folder / "new").read_bytes()
        self.assertEqual(new[::4096], bytes(at & 255 for at in range(9 << 8)))

    def test_devices_are_not_shared(self):
        """What the library kernel reads there it must be able to believe: its file system."""
        script = "import mmap, os\nf = os.open('/dev/vda', os.O_RDWR)\ntry: mmap.mmap(f, 4096)\nexcept OSError as e: print(e.errno)"
        self.assert_ended(self.python(script, options=["--disk-image", kernel_tier.debian_image()]), 0, out="19\n")


class Memory(memory_test.Memory):
    OPTIONS = UNOTIFY

    # A private mapping is a copy there, read at once, and does not grow.
    test_private_is_coherent_until_written = test_remaps_private = test_advice = None


class Processes(processes_test.Processes):
    OPTIONS = UNOTIFY


class Sigaction(sigaction_test.Sigaction):
    OPTIONS = UNOTIFY


if not sandstone_test.SOAK:
    del Processes, Sigaction
    for name in dir(Memory):
        if name.startswith("test_") and name.removeprefix("test_") not in SHARED:
            setattr(Memory, name, None)

if __name__ == "__main__":
    sandstone_test.main()
