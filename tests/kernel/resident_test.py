"""What /proc tells of a process's memory that is no file's, which the host alone knows."""

import kernel_tier
import sandstone_test

PROGRAM = r"""
import mmap, os, re, subprocess, time
MIB = 1 << 20
def of(pid):
    time.sleep(0.05)  # for some ms the same is told again
    text = open(f"/proc/{pid}/status").read()
    return {name: int(re.search(name + r":\s*(\d+)", text)[1]) << 10 for name in ("VmRSS", "RssAnon", "RssFile", "VmHWM")}
def grew(before, after, by):
    return abs(after["RssAnon"] - before["RssAnon"] - by) < MIB
me, start = os.getpid(), of("self")
m = mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
print("mapped", grew(start, of("self"), 0))
for at in range(0, 64 * MIB, 4096): m[at] = 1
full = of("self")
print("touched", grew(start, full, 64 * MIB), full["VmHWM"] >= full["VmRSS"] >= full["RssAnon"] + full["RssFile"])
print("statm", abs(int(open("/proc/self/statm").read().split()[1]) * 4096 - full["VmRSS"]) < MIB)
print("stat", abs(int(open("/proc/self/stat").read().rpartition(")")[2].split()[21]) * 4096 - full["VmRSS"]) < MIB)
print("ps", abs((int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(me)])) << 10) - full["VmRSS"]) < MIB)
wait, tell = os.pipe()
child = os.fork()
if child == 0:
    os.close(tell); os.read(wait, 1); os._exit(0)
print("child", abs(of(child)["RssAnon"] - full["RssAnon"]) < MIB)
os.close(tell); os.waitpid(child, 0)
m.close()
print("unmapped", grew(start, of("self"), 0), of("self")["VmHWM"] >= 64 * MIB)
print("given back", "rss-counter" not in subprocess.run(["dmesg"], capture_output=True, text=True).stdout)
"""

MANY = r"""
import subprocess, time
each = ["python3", "-c", "import sys; b = bytearray(int(sys.argv[1]) << 22); print(flush=True); sys.stdin.read()"]
children = [subprocess.Popen([*each, str(i)], stdin=-1, stdout=-1) for i in range(1, 9)]
for child in children: child.stdout.readline()
time.sleep(0.05)
listed = dict(line.split() for line in subprocess.check_output(["ps", "-e", "-o", "pid=,rss="], text=True).splitlines())
sizes = [int(listed[str(child.pid)]) for child in children]
print([4096 * i < size < 4096 * i + 16384 for i, size in enumerate(sizes, 1)])
for child in children: child.communicate()
"""


class Resident(kernel_tier.TestCase):
    def test_of_no_file(self):
        ended = self.python(PROGRAM)
        self.assert_ended(ended, 0, out="mapped True\ntouched True True\nstatm True\nstat True\nps True\nchild True\nunmapped True True\ngiven back True\n")

    def test_of_many_at_once(self):
        """Each is asked about, and nobody is taken for another."""
        ended = self.python(MANY)
        self.assert_ended(ended, 0, out="[True, True, True, True, True, True, True, True]\n")


class ResidentByNotification(Resident):
    OPTIONS = ("--syscall-mode", "unotify")


if __name__ == "__main__":
    sandstone_test.main()
