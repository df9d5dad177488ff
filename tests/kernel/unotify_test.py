#!/usr/bin/env python3
"""Guests whose calls come by notification: the library kernel is in a process of its own, out of their reach."""

import json
import os
import pathlib
import subprocess
import tempfile

import sandstone_test

HERE = pathlib.Path(__file__).resolve().parent

THREADS = """
import subprocess, threading
done = []
threads = [threading.Thread(target=lambda i=i: done.append(i)) for i in range(16)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(done) == list(range(16)), subprocess.run(["echo", "sub"], capture_output=True).stdout)
children = [subprocess.Popen(["cat"], stdin=subprocess.PIPE) for _ in range(20)]
for c in children: c.stdin.close()
print([c.wait() for c in children] == [0] * 20)
"""

SIGNALS = """
import ctypes, os, signal, threading, time
read_end, write_end = os.pipe()
got = []
signal.signal(signal.SIGALRM, lambda *a: got.append(1))
libc = ctypes.CDLL(None, use_errno=True)
byte = ctypes.create_string_buffer(1)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.1)
print(libc.read(read_end, byte, 1), ctypes.get_errno(), got)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.1)
threading.Timer(0.5, os.write, (write_end, b"x")).start()
print(libc.read(read_end, byte, 1), byte.value, got)
"""

KILLS = """
import os, select, signal, subprocess
for argv in (["sleep", "1000"], ["sh", "-c", "while :; do :; done"]):
    p = subprocess.Popen(argv)
    select.select([], [], [], 0.2)
    p.send_signal(signal.SIGKILL)
    print(p.wait())
"""

BLOCKED = """
import os, threading, time
ends = [os.pipe() for _ in range(40)]
threads = [threading.Thread(target=os.read, args=(r, 1)) for r, _ in ends]
for t in threads: t.start()
begin = time.time()
for _ in range(1000): os.stat("/")
print(time.time() - begin < 5)
for _, w in ends: os.write(w, b"x")
for t in threads: t.join()
"""


class Unotify(sandstone_test.TestCase):
    OPTIONS = ()

    def guest(self, *cmd, options=(), **more):
        return self.sandbox(*cmd, options=("--tier", "kernel", "--syscall-mode", "unotify", *self.OPTIONS, *options), **more)

    def expect(self, out, *cmd, **more):
        ended = self.guest(*cmd, **more)
        self.assertEqual((ended.status, ended.out), (0, out), ended)

    def test_pipelines(self):
        self.expect("3\n2\n", "bash", "-c", "for i in 1 2 3; do echo $i; done | sort -r | head -n 2")

    def test_status(self):
        self.assertEqual(self.guest("bash", "-c", "(exit 3); exit $(($? + 4))").status, 7)
        self.assertEqual(self.guest("bash", "-c", "kill -SEGV $$").status, 139)

    def test_threads_and_children(self):
        self.expect("True b'sub\\n'\nTrue\n", "python3", "-c", THREADS)

    def test_signals_end_calls_or_let_them_go_on(self):
        self.expect("-1 4 [1]\n1 b'x' [1, 1]\n", "python3", "-c", SIGNALS)

    def test_kill(self):
        self.expect("-9\n-9\n", "python3", "-c", KILLS)

    def test_a_blocked_call_delays_no_other(self):
        self.expect("True\n", "python3", "-c", BLOCKED)

    def test_scripts(self):
        self.expect("script a b\n", "sh", "-c", "cd /tmp; printf '#!/bin/sh\\necho script $@\\n' >s; chmod +x s; ./s a b")

    def test_the_compiler(self):
        self.expect("42\n", "sh", "-c", "cd /tmp; echo 'int main(){return 42;}' >a.c; gcc -o a a.c && ./a; echo $?")

    def test_a_private_mapping_is_a_copy(self):
        self.expect("b'xxxx' b'yxxx' b'xxxx'\n", "python3", "-c", "import mmap\nf = open('/tmp/f', 'w+b'); f.write(b'x' * 9000); f.flush()\n"
                    "m = mmap.mmap(f.fileno(), 9000, flags=mmap.MAP_PRIVATE)\na = m[8996:]\nm[:1] = b'y'\nf.seek(0)\nprint(a, m[:4], f.read(4))")

    def attack(self):
        folder = tempfile.mkdtemp(dir="/var/tmp")
        self.addCleanup(subprocess.run, ["rm", "-rf", folder])
        os.chmod(folder, 0o755)
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-static", "-I", HERE.parents[1] / "linux/arch/lib/include/shared", "-o", f"{folder}/attack", HERE / "unotify_attack.c"], check=True)
        return folder

    def test_a_guest_cannot_reach_the_library_kernels_process(self):
        folder = self.attack()
        self.expect("done\n", "/a/attack", options=("-v", f"{folder}:/a:ro"))

    def test_it_is_no_process_of_the_guests(self):
        self.expect("True\n", "python3", "-c", "import os\nprint(not any(open(f'/proc/{p}/cmdline').read().startswith('sandstone-kernel') "
                    "for p in os.listdir('/proc') if p.isdigit()))")


class UnotifyForAnotherId(Unotify):
    OPTIONS = ("-u", "65534:65534")


class Audit(sandstone_test.TestCase):
    def outcome(self, *options):
        ended = self.sandbox("true", options=("--tier", "kernel", "--json", "FD:2", *options))
        self.assertEqual(ended.status, 0, ended)
        return json.loads(ended.err)["syscall_mode"]

    def test_it_chooses(self):
        self.assertEqual(self.outcome("--audit"), {"chosen": "unotify", "because": "auto, and an audit is asked for"})
        self.assertEqual(self.outcome(), {"chosen": "rewrite", "because": "auto, and no audit is asked for"})
        self.assertEqual(self.outcome("--syscall-mode", "trap"), {"chosen": "trap", "because": "it was asked for"})

    def test_conflicts_are_refused(self):
        for options in (("--tier", "kernel", "--syscall-mode", "trap"), ("--tier", "kernel", "--syscall-mode", "rewrite"), ("--tier", "full")):
            ended = self.sandbox("true", options=(*options, "--audit"))
            self.assertEqual(ended.status, 125, ended)
            self.assertIn("--audit", ended.err)

    def test_the_trail_has_what_was_called(self):
        with tempfile.TemporaryDirectory() as folder:
            trail = pathlib.Path(folder, "trail")
            ended = self.sandbox("sh", "-c", "echo secret >/tmp/found; cat /tmp/found", options=("--tier", "kernel", "--audit", "--trace", str(trail)))
            self.assertEqual((ended.status, ended.out), (0, "secret\n"), ended)
            text = trail.read_text()
            for part in ('"/tmp/found"', "execve(", "exit_group(0", "clone("):
                self.assertIn(part, text)


if __name__ == "__main__":
    sandstone_test.main()
