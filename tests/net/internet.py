"""A host of its own with an internet around it, so that tests of the network need none and cannot disturb one.

The test program runs itself again in new network, mount and process namespaces (and a user namespace, for an ordinary
user). There it is a host with the public address HOST, a default route and a nameserver; behind the route is world.py,
which answers on every other address, public or private.
"""

import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

import sandstone_test
import scope

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = sandstone_test.PROGRAMS / "net_driver"

HOST, HOST6 = "45.33.32.156", "2a01:4f8:c0c::10"
GATE, GATE6 = "45.33.32.1", "2a01:4f8:c0c::1"
NAMESERVER = "9.9.9.9"
PUBLIC, PUBLIC6 = "93.184.215.14", "2606:2800:21f:cb07::1"
OTHER = "151.101.1.140"
PRIVATE, METADATA, LINK_LOCAL = "10.1.2.3", "169.254.169.254", "169.254.9.9"

INSIDE = "SANDSTONE_TEST_INTERNET"


def canonical(address):
    """The address as inet_ntop(3) writes it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, address))


def maps_everybody():
    """Whether there are other ids here than root's: not in an ordinary user's namespace."""
    return int(pathlib.Path("/proc/self/gid_map").read_text().split()[2]) > 65534


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class World:
    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--net", sys.executable, HERE / "world.py", f"{GATE}/24", f"{GATE6}/64"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        sandstone_test.until(
            lambda: os.readlink(f"/proc/{self.process.pid}/ns/net") != os.readlink("/proc/self/ns/net"),
            "the world's network namespace",
        )
        ip("link", "add", "up0", "type", "veth", "peer", "name", "world0", "netns", str(self.process.pid))
        ip("link", "set", "lo", "up")
        ip("link", "set", "up0", "up")
        ip("address", "add", f"{HOST}/24", "dev", "up0")
        ip("-6", "address", "add", f"{HOST6}/64", "dev", "up0", "nodad")
        ip("route", "add", "default", "via", GATE)
        ip("-6", "route", "add", "default", "via", GATE6)
        self._ask("link")
        # The host's own ping needs it too: an unprivileged socket that sends echo requests.
        gid = 65534 if maps_everybody() else 0
        pathlib.Path("/proc/sys/net/ipv4/ping_group_range").write_text(f"0 {gid}")

    def _ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def _do(self, **words):
        return json.loads(self._ask(json.dumps(words)))

    def name(self, name, *answers, ttl=300):
        """Makes NAMESERVER answer with the addresses of each answer in turn; the last one stays."""
        for kind, v6 in (("A", False), ("AAAA", True)):
            split = [([a for a in addresses if (":" in a) == v6], ttl) for addresses in answers]
            self._do(do="zone", name=name, type=kind, answers=split)

    def packets(self):
        """What arrived: (protocol, address, port) of every packet that opens something, DNS to NAMESERVER left out."""
        return [tuple(p) for p in self._do(do="packets") if p[1:] != [NAMESERVER, 53]]

    def queries(self):
        return [tuple(q) for q in self._do(do="queries")]

    def forget(self):
        self._do(do="forget")


class TestCase(sandstone_test.TestCase):
    def setUp(self):
        self.world = world()  # before the look at what runs
        self.world.forget()
        super().setUp()

    def net(self, rules, *cmd, forwards=(), **how):
        """CMD with the user network and nothing else around it, as root with every capability inside."""
        options = [word for rule in rules for word in ("--allow", rule)]
        options += [word for forward in forwards for word in ("-p", forward)]
        return sandstone_test.command([DRIVER, *options, "--", *cmd], **how)

    def python(self, rules, program, *arguments, **how):
        """A Python program inside, with PRELUDE before it."""
        return self.net(rules, "/usr/bin/python3", "-c", PRELUDE + program, *map(str, arguments), **how)

    def fetch(self, rules, url, **how):
        """What GET of the URL gives inside: the body, or "failed: ..."."""
        return self.python(rules, "print(fetch(sys.argv[1]))", url, **how)

    def assert_reached(self, ended, address):
        self.assert_ended(ended, 0, out=f"reached {address}\n")

    def assert_denied(self, ended, operation, subject):
        self.assertIn(f"denied {operation} {subject} x", ended.err, ended)

    def local_server(self, address="127.0.0.1", text="reached the host"):
        """An HTTP server on the host's loopback; its port."""

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = type("Server", (http.server.ThreadingHTTPServer,), {"address_family": family})
        server = kind((address, 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]


# What programs inside begin with. A refusal must be quick, so the time-out only stops a test that has failed.
PRELUDE = """
import json, os, socket, struct, sys, time, urllib.request
socket.setdefaulttimeout(30)

def fetch(url):
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(url).read().decode().strip()
    except Exception as e:
        return f"failed: {getattr(e, 'reason', e)}"

def connect(address, port, family=None):
    family = family or (socket.AF_INET6 if ":" in address else socket.AF_INET)
    with socket.socket(family) as s:
        try:
            s.connect((address, port))
            return "connected"
        except OSError as e:
            return f"failed: {e.strerror or e}"

def ask(address, port, data, wait=30):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(wait)
        try:
            s.connect((address, port))
            s.send(data)
            return s.recv(65536)
        except OSError as e:
            return f"failed: {e.strerror or e}".encode()

def query(name, kind=1, identity=0x1234, edns=False):
    labels = b"".join(bytes([len(l)]) + l for l in name.encode("latin-1").split(b".") if l)
    head = struct.pack("!HHHHHH", identity, 0x0100, 1, 0, 0, 1 if edns else 0)
    return head + labels + b"\\0" + struct.pack("!HH", kind, 1) + (
        b"\\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if edns else b"")

def rcode(reply):
    return reply[3] & 15, struct.unpack_from("!H", reply, 6)[0]

def resolve(name):
    try:
        return sorted({i[4][0] for i in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except socket.gaierror as e:
        return f"failed: {e.strerror}"
"""

_world = None


def world():
    global _world
    if _world is None:
        _world = World()
    return _world


def main():
    if INSIDE not in os.environ:
        os.environ[INSIDE] = os.environ[scope.MARK] = "1"
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        os.execvp(
            "unshare",
            ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable]
            + sys.argv,
        )
    # Folders of its own: other tests that run at the same time leave and look for files in the common ones.
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        if not any(pathlib.Path(folder) in path.parents for path in (HERE, DRIVER)):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", folder], check=True)
    with tempfile.NamedTemporaryFile("w", prefix="resolv-") as resolv, tempfile.NamedTemporaryFile(
        "w", prefix="hosts-"
    ) as hosts:
        resolv.write(f"nameserver {NAMESERVER}\n")
        resolv.flush()
        hosts.write("127.0.0.1 localhost\n93.184.215.14 from-hosts.example\n10.1.2.3 private-from-hosts.example\n")
        hosts.flush()
        for file in (resolv, hosts):
            os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--bind", resolv.name, os.path.realpath("/etc/resolv.conf")], check=True)
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        sandstone_test.main()
