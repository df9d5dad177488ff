"""Programs that people run, inside the tier `kernel`: shells, interpreters, compilers, databases, package tools."""

import unittest

import kernel_tier
import sandstone_test


class Shells(kernel_tier.TestCase):
    def test_pipelines_and_jobs(self):
        script = """
            set -e
            test "$(seq 1000 | grep 7 | sort -rn | head -n 1)" = 997
            sleep 0.1 & first=$!
            (exit 7) & second=$!
            wait $first; echo first $?
            wait $second || echo second $?
            mkfifo /tmp/fifo; echo through > /tmp/fifo & read line < /tmp/fifo; echo $line
            trap 'echo trapped' USR1; kill -USR1 $$
            (trap '' TERM; kill -TERM $(sh -c 'echo $PPID'); echo survived)
        """
        self.assert_ended(self.script(script), 0, out="first 0\nsecond 7\nthrough\ntrapped\nsurvived\n")

    def test_busybox(self):
        self.need("busybox")
        script = "for i in 1 2 3; do (exit $i) & wait $!; echo $?; done; busybox seq 100 | busybox tail -n 1; busybox nproc >/dev/null"
        self.assert_ended(self.sandbox("busybox", "sh", "-c", script), 0, out="1\n2\n3\n100\n")

    def test_bash(self):
        script = """
            set -m
            sleep 50 & kill -STOP %1; sleep 0.05; kill -CONT %1; kill %1; wait %1; echo $?
            coproc cat; echo there >&${COPROC[1]}; read -u ${COPROC[0]} back; echo $back
            diff <(seq 10) <(seq 10) && echo same
            exec 9>/tmp/lock; flock 9; timeout 0.2 sleep 5; echo $?
            printf '%s\\n' {1..3} | while read n; do echo -n $n; done; echo
        """
        self.assert_ended(self.script(script, shell="bash"), 0, out="143\nthere\nsame\n124\n123\n")

    def test_scripts_name_their_interpreter(self):
        script = r"""
            cd /tmp
            printf '#!/bin/sh\necho script "$@"\n' > a; printf '#!/tmp/a -x\n' > b; printf '#!/nope\n' > c; printf 'echo plain\n' > d
            chmod +x a b c d
            ./a 1 2; ./b 3; ./d; ./c; echo $?; ./e; echo $?; chmod -x a; ./a; echo $?; /tmp; echo $?
        """
        ended = self.script(script)
        self.assert_ended(ended, 0, out="script 1 2\nscript -x ./b 3\nplain\n127\n127\n126\n126\n")

    def test_statuses(self):
        script = "sh -c 'exit 300'; echo $?; sh -c 'kill -SEGV $$'; echo $?; sh -c 'kill -9 $$'; echo $?"
        self.assert_ended(self.script(script), 0, out="44\n139\n137\n")


class Python(kernel_tier.TestCase):
    def test_threads_processes_and_sockets(self):
        self.assert_ended(self.python("""
import concurrent.futures as futures, multiprocessing, socket, subprocess, threading
with futures.ThreadPoolExecutor(20) as e: print(sum(e.map(len, ["ab"] * 500)))
print(multiprocessing.Pool(4).map(abs, range(-4, 0)))
print(subprocess.run(["cat"], input=b"z" * 3000000, stdout=-1).stdout == b"z" * 3000000)
try: subprocess.run(["/nope"])
except FileNotFoundError as e: print(e)
s = socket.create_server(("127.0.0.1", 0))
def serve():
    c, _ = s.accept()
    with c:
        while data := c.recv(65536): c.sendall(data)
threading.Thread(target=serve, daemon=True).start()
c = socket.create_connection(s.getsockname())
sent = bytes(range(256)) * 8192
threading.Thread(target=lambda: (c.sendall(sent), c.shutdown(1))).start()
got = b""
while part := c.recv(65536): got += part
print(got == sent)
u, v = socket.socketpair(); u.sendall(b"pair"); print(v.recv(9))
"""), 0, out="1000\n[4, 3, 2, 1]\nTrue\n[Errno 2] No such file or directory: '/nope'\nTrue\nb'pair'\n")

    def test_asyncio_http_and_shared_memory(self):
        self.assert_ended(self.python("""
import asyncio, http.server, multiprocessing.shared_memory as sm, os, threading, urllib.request
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
threading.Thread(target=s.serve_forever, daemon=True).start()
print(len(urllib.request.urlopen("http://127.0.0.1:%d/etc/" % s.server_port).read()) > 0)
async def run():
    p = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    out, _ = await p.communicate(b"q" * 1000000)
    return len(out), p.returncode
print(asyncio.run(run()))
m = sm.SharedMemory(create=True, size=100000)
if os.fork() == 0:
    m.buf[99999] = 7
    os._exit(0)
os.wait(); print(m.buf[99999]); m.close(); m.unlink()
""", options=["-w", "/"]), 0, out="True\n(1000000, 0)\n7\n")

    def test_sqlite(self):
        self.assert_ended(self.python("""
import sqlite3, os
d = sqlite3.connect("/tmp/x.db"); d.execute("pragma journal_mode=wal"); d.execute("create table t(a integer primary key, b text)")
d.executemany("insert into t(b) values(?)", [(str(i) * 20,) for i in range(20000)]); d.commit()
if os.fork() == 0:
    e = sqlite3.connect("/tmp/x.db"); e.execute("insert into t(b) values('child')"); e.commit(); os._exit(0)
os.wait()
print(d.execute("select count(*), sum(length(b)) from t").fetchone(), d.execute("pragma integrity_check").fetchone())
"""), 0, out="(20001, 1777805)\n('ok',)\n".replace(")\n(", ") ("))

    def test_sqlite_is_killed_under_load(self):
        """What was committed is there, whole, and at most one more."""
        self.assert_ended(self.python("""
import os, signal, sqlite3
for mode in "wal", "delete":
    path = f"/tmp/{mode}.db"
    d = sqlite3.connect(path); d.execute(f"pragma journal_mode={mode}"); d.execute("create table t(a, b)"); d.commit(); d.close()
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        d = sqlite3.connect(path)
        for i in range(1000000): d.execute("insert into t values(?, ?)", (i, "x" * 500)); d.commit(); os.write(w, b".")
    os.close(w); acknowledged = 0
    while acknowledged < 200: acknowledged += len(os.read(r, 1000))
    os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
    while part := os.read(r, 65536): acknowledged += len(part)
    d = sqlite3.connect(path); n, most = d.execute("select count(*), max(a) from t").fetchone()
    print(mode, acknowledged <= n <= acknowledged + 1, most == n - 1, d.execute("pragma integrity_check").fetchone()[0])
"""), 0, out="wal True True ok\ndelete True True ok\n")

    def test_a_stack_as_large_as_its_limit(self):
        self.assert_ended(self.python("""
import os, resource
resource.setrlimit(resource.RLIMIT_STACK, (100 << 20, -1))
os.execlp("sh", "sh", "-c", "ulimit -s; grep -c '.stack.' /proc/self/maps")
"""), 0, out="102400\n1\n")

    def test_a_terminal_of_its_own(self):
        self.assert_ended(self.python("""
import os, pty, time
pid, fd = pty.fork()
if pid == 0: os.execlp("sh", "sh", "-c", "tty; read x; echo got $x")
os.write(fd, b"hello\\n"); time.sleep(0.5)
print(os.read(fd, 1000).split()[-2:], os.waitpid(pid, 0)[1])
"""), 0, out="[b'got', b'hello'] 0\n")

    def test_perl(self):
        self.need("perl")
        script = 'my $p = fork; exit 3 unless $p; waitpid $p, 0; print $? >> 8, `echo sub`; $SIG{ALRM} = sub { exit 4 }; alarm 1; 1 while 1'
        self.assert_ended(self.sandbox("perl", "-e", script), 4, out="3sub\n")

    def test_node(self):
        self.need("node")
        self.assert_ended(self.sandbox("node", "-e", """
const http = require("http"), cp = require("child_process"), w = require("worker_threads");
console.log(cp.execSync("echo sub").toString().trim());
let n = 0; for (let i = 0; i < 1e7; i++) n = (n * 31 + i) | 0; console.log(n);
const server = http.createServer((q, r) => r.end("hello " + q.url)).listen(0, "127.0.0.1", () =>
  http.get({port: server.address().port, host: "127.0.0.1", path: "/x"}, r => {
    r.on("data", d => console.log("" + d));
    r.on("end", () => { server.close();
      new w.Worker("require('worker_threads').parentPort.postMessage(42)", {eval: true}).on("message", m => console.log(m)); });
  }));
"""), 0, out="sub\n823511872\nhello /x\n42\n")

    def test_java(self):
        self.need("java", "javac")
        self.assert_ended(self.script(r"""
cat > /tmp/H.java <<'END'
public class H {
  static int deep(int i) { return deep(i + 1) + 1; }
  public static void main(String[] a) throws Exception {
    Thread[] t = new Thread[20]; int[] s = new int[1];
    for (int i = 0; i < 20; i++) { t[i] = new Thread(() -> { synchronized (s) { s[0]++; } }); t[i].start(); }
    for (Thread x : t) x.join();
    System.out.println(s[0]);
    System.out.print(new String(new ProcessBuilder("echo", "child").start().getInputStream().readAllBytes()));
    try { int[] n = null; n[0] = 1; } catch (NullPointerException e) { System.out.println("null"); }
    try { deep(0); } catch (StackOverflowError e) { System.out.println("deep"); }
  }
}
END
java /tmp/H.java
"""), 0, out="20\nchild\nnull\ndeep\n")


class Compilers(kernel_tier.TestCase):
    def setUp(self):
        super().setUp()
        self.need("gcc", "g++", "make")

    def test_c_and_cpp(self):
        self.assert_ended(self.script(r"""
cd /tmp
cat > a.cc <<'END'
#include <iostream>
#include <thread>
#include <vector>
int main() {
  std::vector<std::thread> all;
  for (int i = 0; i < 8; ++i) all.emplace_back([] {});
  for (auto& one : all) one.join();
  try { throw 7; } catch (int i) { std::cout << i << std::endl; }
}
END
g++ -O1 -pthread a.cc -o a && ./a
echo 'int main(void) { return 9; }' > b.c; gcc -static b.c -o b && ./b; echo $?
gcc -fsanitize=address,undefined -O1 b.c -o c && ASAN_OPTIONS=detect_leaks=0 ./c; echo $?
"""), 0, out="7\n9\n9\n")

    def test_make_in_parallel(self):
        folder = self.shared_folder()
        for i in range(20):
            (folder / f"f{i}.c").write_text(f"int f{i}(int x) {{ return x * {i}; }}\n")
        calls = "+".join(f"f{i}(1)" for i in range(20))
        declared = "".join(f"int f{i}(int);" for i in range(20))
        (folder / "main.c").write_text(f"#include <stdio.h>\n{declared}\nint main(void) {{ printf(\"%d\\n\", {calls}); return 0; }}\n")
        objects = " ".join(f"f{i}.o" for i in range(20))
        (folder / "Makefile").write_text(f"prog: main.o {objects}\n\t$(CC) -o $@ $^\n")
        ended = self.script("make -s -j4 && ./prog", options=["-v", f"{folder}:/work", "-w", "/work"], timeout=120)
        self.assert_ended(ended, 0, out="190\n")
        self.assertTrue((folder / "prog").exists())


class Tools(kernel_tier.TestCase):
    def test_git(self):
        self.need("git")
        self.assert_ended(self.script("""
set -e
cd /tmp; git init -q one; cd one; git config user.email a@b; git config user.name n
cp -r /usr/include/c++ .; seq 200000 > numbers; git add .; git commit -qm first; seq 5 >> numbers; git commit -qam second; git gc -q
cd ..; git clone -q one two; git clone -q file:///tmp/one three; diff -r one/c++ three/c++; cmp one/numbers two/numbers
git -C two log --oneline | wc -l; git -C three fsck; git -C two status --short; git -C one archive HEAD | tar t | tail -n 1
""", timeout=120), 0, out="2\nnumbers\n")

    def test_tar_find_and_grep(self):
        self.assert_ended(self.script("""
set -e
cd /tmp; tar czf a.tar.gz -C /usr/lib python3; mkdir x; tar xzf a.tar.gz -C x; diff -r /usr/lib/python3 x/python3 && echo same
test $(find /usr 2>/dev/null | wc -l) -gt 5000
grep -rl "no such words are anywhere" /usr/include /usr/lib/python3 | wc -l
find x -name '*.py' -print0 | xargs -0 -n 50 -P 4 cat | wc -c | grep -q . && rm -rf x && ls
""", timeout=120), 0, out="same\n0\na.tar.gz\n")

    @unittest.skipUnless(sandstone_test.SOAK, "long")
    def test_grep_over_all_of_usr(self):
        script = "test $(find /usr -xdev -type f 2> /dev/null | wc -l) -gt 5000; grep -rl 'no such words ar[e] anywhere' /usr 2>&1"
        ended = self.script(script, timeout=600)  # some folders of the host's may be root's alone
        self.assertTrue(ended.status in (1, 2) and all(line.endswith("Permission denied") for line in ended.out.splitlines()), ended)

    def test_dpkg(self):
        self.need("dpkg-deb")
        self.assert_ended(self.script(r"""
set -e
mkdir -p /tmp/d/DEBIAN /tmp/d/usr/bin; printf '#!/bin/sh\necho configured\n' > /tmp/d/DEBIAN/postinst; chmod 755 /tmp/d/DEBIAN/postinst
printf 'Package: hi\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\nDescription: hi\n' > /tmp/d/DEBIAN/control
printf '#!/bin/sh\necho from a package\n' > /tmp/d/usr/bin/hi; chmod +x /tmp/d/usr/bin/hi
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates; touch /var/lib/dpkg/status
dpkg-deb -b /tmp/d /tmp/hi.deb > /dev/null; dpkg -i /tmp/hi.deb | grep -v '^(Reading' | tail -n 2; hi; dpkg -r hi > /dev/null; test ! -e /usr/bin/hi
"""), 0, out="Setting up hi (1) ...\nconfigured\nfrom a package\n")

    def test_redis(self):
        self.need("redis-server")
        self.assert_ended(self.script("""
cd /tmp; redis-server --port 7777 --dir /tmp > log & server=$!
until redis-cli -p 7777 ping > /dev/null 2>&1; do sleep 0.05; done
redis-cli -p 7777 set a b; redis-cli -p 7777 get a; redis-benchmark -p 7777 -n 5000 -q -t set,get > /dev/null && echo measured
redis-cli -p 7777 save; test -s dump.rdb && redis-cli -p 7777 shutdown nosave; wait $server; echo $?
"""), 0, out="OK\nb\nmeasured\nOK\n0\n")

    def test_redis_is_killed_under_load(self):
        """With every write on the disk before it is acknowledged, none that was is lost."""
        self.need("redis-server")
        self.assert_ended(self.script("""
cd /tmp
start() {
  redis-server --port 7777 --dir /tmp --appendonly yes --appendfsync always --save '' >> log & server=$!
  until redis-cli -p 7777 ping 2> /dev/null | grep -q PONG; do sleep 0.05; done
}
start; redis-cli -p 7777 set word kept > /dev/null
yes incr n | redis-cli -p 7777 2> /dev/null > acknowledged & load=$!
until test $(grep -c '^[0-9]' acknowledged) -ge 300; do sleep 0.05; done
kill -9 $server; kill $load; wait
start; least=$(grep '^[0-9]*$' acknowledged | sort -n | tail -n 1); got=$(redis-cli -p 7777 get n)
test $got -ge ${least:-1} && redis-cli -p 7777 get word; redis-cli -p 7777 shutdown; wait $server; echo $?
""", timeout=120), 0, out="kept\n0\n")

    def test_a_go_program(self):
        self.need("fzf")
        self.assert_ended(self.script("seq 100 | fzf -f 42"), 0, out="42\n")

    def test_a_static_go_program(self):
        self.need("gosu")
        self.assert_ended(self.script("! grep -q ld-linux $(command -v gosu) && gosu 7:8 sh -c 'id -u; id -g'"), 0, out="7\n8\n")

    def test_what_the_machine_is(self):
        ended = self.script("""
nproc; getconf _NPROCESSORS_ONLN; grep -c ^processor /proc/cpuinfo; grep -qw sse2 /proc/cpuinfo && uname -s; ls /proc/self/fd | wc -l
grep -c . /proc/self/status >/dev/null && ps -o comm= 1 && df / >/dev/null && free >/dev/null && cat /proc/1/comm
""")
        lines = ended.out.split()
        self.assertEqual(len(set(lines[:3])), 1, ended)
        self.assertEqual(lines[3:], ["Linux", "4", "sandstone-init", "sandstone-init"], ended)


if __name__ == "__main__":
    sandstone_test.main()
