#!/usr/bin/env python3
"""An hour of everything in one sandbox of the tier `kernel`, with `./dev test --soak`: root's by rewriting, an ordinary user's by
notification, at once."""

import os
import sys
import unittest

import sandstone_test

sys.path.insert(1, os.fspath(sandstone_test.CHECKOUT / "tests/kernel"))
import kernel_tier  # noqa: E402 # its folder is the other tests'

# One sandbox, the same work again and again. Each round is checked, and the library kernel must not keep more and more memory.
ROUNDS = r"""
import os, sqlite3, subprocess, sys, time
end, rounds, memory = time.monotonic() + float(sys.argv[1]), 0, []
def run(script):
    done = subprocess.run(["bash", "-c", "set -e; cd /tmp/work; " + script], stdout=-1, stderr=-2, text=True)
    if done.returncode: sys.exit(f"round {rounds}: {script}: {done.returncode}\n{done.stdout}")
    return done.stdout
def available():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as caches: caches.write("3")
    return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemAvailable"))
while time.monotonic() < end:
    os.makedirs("/tmp/work")
    run("for i in $(seq 8); do echo \"int f$i(int x) { return x * $i; }\" > f$i.c; done; printf 'lib.so: f1.o f2.o f3.o f4.o f5.o f6.o f7.o f8.o\n\tgcc -shared -o $@ $^\n' > Makefile; make -s -j4 CFLAGS=-fPIC")
    run("git init -q .; git config user.email a@b; git config user.name n; git add .; git commit -qm one; git gc -q; git clone -q . two; test -e two/f8.c; git fsck")
    run("tar cz /usr/include/linux 2> /dev/null | tar xz; diff -r /usr/include/linux usr/include/linux; find . -type f -print0 | xargs -0 -P 4 -n 40 cat | wc -c | grep -q ...")
    run("node -e 'let n = 0; for (let i = 0; i < 1e6; i++) n += i; console.log(n)' | grep -x 499999500000")
    run("redis-server --port 7000 --save '' > log & until redis-cli -p 7000 ping 2> /dev/null | grep -q PONG; do sleep 0.05; done; "
        "redis-benchmark -p 7000 -n 2000 -q -t set,get,lpush > /dev/null; redis-cli -p 7000 shutdown nosave; wait")
    d = sqlite3.connect("/tmp/work/x.db"); d.execute("pragma journal_mode=wal"); d.execute("create table t(a)")
    children = []
    for i in range(8):
        pid = os.fork()
        if pid == 0:
            e = sqlite3.connect("/tmp/work/x.db", timeout=60)
            for j in range(20): e.execute("insert into t values(?)", (j,)); e.commit()
            os._exit(0)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in children) or d.execute("select count(*), sum(a) from t").fetchone() != (160, 1520): sys.exit("sqlite")
    d.close()
    for _ in range(200):
        if os.fork() == 0: os._exit(0)
    for _ in range(200): os.wait()
    run("rm -rf /tmp/work")
    rounds += 1
    memory.append(available())
if len(memory) > 3 and memory[-1] < memory[2] - (64 << 10): sys.exit(f"memory: {memory}")
print("rounds:", rounds > 0)
"""


@unittest.skipUnless(sandstone_test.SOAK, "an hour")
class Everything(kernel_tier.TestCase):
    HAS_IMAGE = True

    def test_hour(self):
        mode = "rewrite" if sandstone_test.IS_ROOT else "unotify"
        ended = self.sandbox("/usr/bin/python3", "-c", ROUNDS, str(3600 // sandstone_test.PATIENCE),
                             options=["--syscall-mode", mode, "--disk", "4g"], timeout=5400)
        self.assert_ended(ended, 0, out="rounds: True\n")


if __name__ == "__main__":
    sandstone_test.main()
