"""Published ports: -p."""

import contextlib
import os
import socket
import subprocess
import unittest

import internet
import sandstone_test

SERVER = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
print("up", flush=True)
Server((sys.argv[1], 8000), Echo).serve_forever()
"""

DATAGRAMS = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5000))
print("up", flush=True)
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(b"echo " + data, peer)
"""


class Forward(internet.TestCase):
    @contextlib.contextmanager
    def serving(self, forward, program, *arguments, rules=()):
        """The program inside, with a forwarded port, until the block ends."""
        options = [word for rule in rules for word in ("--allow", rule)]
        with subprocess.Popen(
            [internet.DRIVER, *options, "-p", forward, "--", "/usr/bin/python3", "-c", internet.PRELUDE + program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            try:
                self.assertEqual(child.stdout.readline(), "up\n")
                yield child
            finally:
                child.kill()

    def talk(self, address, port, data):
        with socket.create_connection((address, port), 30 * sandstone_test.PATIENCE) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            out = b""
            while more := s.recv(65536):
                out += more
            return out

    def test_tcp(self):
        port = internet.free_port()
        with self.serving(f"{port}:8000", SERVER, "0.0.0.0"):
            sandstone_test.until(lambda: self.answers(port), "the server")
            self.assertEqual(self.talk("127.0.0.1", port, b"hello"), b"hello")
            large = os.urandom(3_000_000)
            self.assertEqual(self.talk("127.0.0.1", port, large), large)

    def answers(self, port):
        try:
            return self.talk("127.0.0.1", port, b"x") == b"x"
        except OSError:
            return False

    def test_many_connections(self):
        port = internet.free_port()
        with self.serving(f"{port}:8000", SERVER, "0.0.0.0"):
            sandstone_test.until(lambda: self.answers(port), "the server")
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(50)]
                for number, client in enumerate(clients):
                    client.sendall(b"%d" % number)
                for number, client in enumerate(clients):
                    self.assertEqual(client.recv(100), b"%d" % number)

    def test_nobody_listens_there_without_it(self):
        port = internet.free_port()
        with self.serving(f"{internet.free_port()}:8000", SERVER, "0.0.0.0"):
            self.assertFalse(self.answers(port))

    def test_only_on_the_address_that_was_named(self):
        """127.0.0.1 unless said otherwise: the rest of the network is not let in."""
        port = internet.free_port()
        with self.serving(f"{port}:8000", SERVER, "0.0.0.0"):
            sandstone_test.until(lambda: self.answers(port), "the server")
            with self.assertRaises(ConnectionRefusedError):
                self.talk(internet.HOST, port, b"x")

    def test_udp(self):
        port = internet.free_port(socket.SOCK_DGRAM)
        with self.serving(f"{port}:5000/udp", DATAGRAMS), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(30)
            s.connect(("127.0.0.1", port))
            for data in (b"a", b"b" * 1400, b"c" * 9000, b"d" * 65000):
                s.send(data)
                self.assertEqual(s.recv(65536), b"echo " + data)

    def test_answers_to_a_forwarded_client_open_nothing_else(self):
        """The workload may answer the datagram's sender; the sender's other ports stay closed."""
        program = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5000))
print("up", flush=True)
data, peer = s.recvfrom(100)
s.sendto(b"answer", peer)
print(peer[0], ask(peer[0], peer[1] + 1, b"x"), flush=True)
"""
        port = internet.free_port(socket.SOCK_DGRAM)
        with self.serving(f"{port}:5000/udp", program) as child, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(30)
            s.connect(("127.0.0.1", port))
            s.send(b"hello")
            self.assertEqual(s.recv(100), b"answer")
            self.assertEqual(child.stdout.readline(), "10.0.2.2 b'failed: No route to host'\n")

    def test_a_port_that_is_taken_is_an_error_before_anything_runs(self):
        for kind, suffix in ((socket.SOCK_STREAM, ""), (socket.SOCK_DGRAM, "/udp")):
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                port = taken.getsockname()[1]
                ended = self.net([], "echo", "ran", forwards=[f"{port}:80{suffix}"])
                self.assert_ended(ended, 125, out="")
                self.assertIn(f"-p: 127.0.0.1:{port}{suffix}: Address already in use", ended.err)
                self.assertIn("choose another port", ended.err)

    def test_ports_of_root(self):
        """Bound before the process gives up what it takes; a caller who may not is told so."""
        with self.serving("80:8000", SERVER, "0.0.0.0"):
            sandstone_test.until(lambda: self.answers(80), "the server")
        ended = sandstone_test.command(
            ["setpriv", "--bounding-set=-net_bind_service", internet.DRIVER, "-p", "80:80", "--", "echo", "ran"]
        )
        self.assert_ended(ended, 125, out="")
        self.assertIn("-p: 127.0.0.1:80: Permission denied", ended.err)
        self.assertIn("ports below 1024 are root's", ended.err)


if __name__ == "__main__":
    internet.main()
