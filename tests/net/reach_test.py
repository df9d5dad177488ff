"""What the workload reaches, and what it does not, with and without rules."""

import socket
import threading
import unittest

import internet
from internet import HOST, HOST6, LINK_LOCAL, METADATA, OTHER, PRIVATE, PUBLIC, PUBLIC6

REFUSED = "failed: [Errno 113] No route to host\n"
REFUSED6 = "failed: [Errno 13] Permission denied\n"
NO_NAME = "failed: [Errno -2] Name or service not known\n"

# Addresses that are not public, in every clothing that an IPv6 address can give them.
NOT_PUBLIC = [
    "10.1.2.3", "100.64.0.1", "100.100.100.200", "168.63.129.16", "169.254.9.9", "169.254.169.254", "172.16.0.1",
    "172.31.255.254", "192.0.0.192", "192.168.1.1", "198.18.0.1", "240.0.0.1",
    "fd00:ec2::254", "fd12:3456::1", "fc00::1", "fec0::1", "64:ff9b::a01:203", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "2002:a01:203::1", "2001:0:7f00:1::1", "::a01:203", "::ffff:0:10.1.2.3", "100::1", "4000::1", "fd00:0:0:1::77",
]  # fmt: skip


class Default(internet.TestCase):
    """Without rules: public addresses."""

    def test_public_addresses_are_reached(self):
        self.assert_reached(self.fetch([], f"http://{PUBLIC}/"), PUBLIC)
        self.assert_reached(self.fetch([], f"http://[{PUBLIC6}]/"), PUBLIC6)

    def test_public_names_are_resolved_and_reached(self):
        self.world.name("example.org", [PUBLIC])
        self.assert_reached(self.fetch([], "http://example.org/"), PUBLIC)

    def test_datagrams_to_public_addresses_are_answered(self):
        for address in (PUBLIC, PUBLIC6):
            self.assert_ended(self.python([], f"print(ask('{address}', 7777, b'hi'))"), 0, out="b'echo hi'\n")

    def test_nothing_else_is_reached(self):
        program = "for a in sys.argv[1:]: print(a, connect(a, 80)); ask(a, 7777, b'x', 1)"
        ended = self.python([], program, *NOT_PUBLIC)
        self.assertNotIn("connected", ended.out, ended)
        self.assertEqual(ended.out.count("failed: "), len(NOT_PUBLIC), ended)
        self.assertEqual(self.world.packets(), [], "left the sandbox")
        for address in NOT_PUBLIC:
            shown = f"[{internet.canonical(address)}]" if ":" in address else address
            self.assert_denied(ended, "connect", f"{shown}:80/tcp")
            self.assert_denied(ended, "connect", f"{shown}:7777/udp")

    def test_the_same_addresses_are_there_to_be_reached(self):
        """The control for the test above: each address answers, when a rule names it."""
        for address in ("10.1.2.3", "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "2002:a01:203::1"):
            url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
            self.assert_reached(self.fetch([address], url), address)

    def test_the_hosts_own_public_address_is_not_public(self):
        with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
            port = server.getsockname()[1]
            for address in (HOST, HOST6):
                shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
                ended = self.python([], f"print(connect('{address}', {port}))")
                self.assertIn("failed", ended.out, ended)
                self.assert_denied(ended, "connect", f"{shown}/tcp")
                self.assert_ended(self.python([address], f"print(connect('{address}', {port}))"), 0, out="connected\n")

    def test_a_refusal_is_quick_and_says_so(self):
        self.assert_ended(self.fetch([], f"http://{PRIVATE}/"), 0, out=REFUSED)
        self.assert_ended(self.fetch([], "http://[fd12::1]/"), 0, out=REFUSED6)

    def test_a_server_that_is_not_there_is_told_from_a_refusal(self):
        self.assert_ended(self.fetch([], f"http://{PUBLIC}:81/"), 0, out="failed: [Errno 111] Connection refused\n")


class Rules(internet.TestCase):
    """With rules: what they name and nothing else."""

    def test_an_address_opens_itself_alone(self):
        self.assert_reached(self.fetch([PUBLIC], f"http://{PUBLIC}/"), PUBLIC)
        self.assert_ended(self.fetch([PUBLIC], f"http://{OTHER}/"), 0, out=REFUSED)
        self.assert_ended(self.fetch([PUBLIC], f"http://[{PUBLIC6}]/"), 0, out=REFUSED6)

    def test_a_port_opens_itself_alone(self):
        self.assert_reached(self.fetch([f"{PUBLIC}:8080"], f"http://{PUBLIC}:8080/"), PUBLIC)
        self.assert_ended(self.fetch([f"{PUBLIC}:8080"], f"http://{PUBLIC}:80/"), 0, out=REFUSED)
        self.assert_reached(self.fetch([f"{PUBLIC}:80-443"], f"http://{PUBLIC}:443/"), PUBLIC)

    def test_a_range_of_addresses(self):
        self.assert_reached(self.fetch(["10.1.0.0/16"], f"http://{PRIVATE}/"), PRIVATE)
        self.assert_ended(self.fetch(["10.1.0.0/16"], "http://10.2.0.1/"), 0, out=REFUSED)
        self.assert_reached(self.fetch(["[fd12::/32]:80"], "http://[fd12:0:5::9]/"), "fd12:0:5::9")

    def test_everything_is_not_the_private_network(self):
        for rule in ("0.0.0.0/0", "public"):
            self.assert_reached(self.fetch([rule], f"http://{PUBLIC}/"), PUBLIC)
            for address in (PRIVATE, METADATA, LINK_LOCAL):
                self.assert_ended(self.fetch([rule], f"http://{address}/"), 0, out=REFUSED)

    def test_a_private_range_is_not_the_metadata_in_it(self):
        self.assert_reached(self.fetch(["169.254.0.0/16"], f"http://{LINK_LOCAL}/"), LINK_LOCAL)
        self.assert_ended(self.fetch(["169.254.0.0/16"], f"http://{METADATA}/"), 0, out=REFUSED)
        self.assert_reached(self.fetch([METADATA], f"http://{METADATA}/"), METADATA)

    def test_public_and_one_private_address(self):
        rules = ["public", f"{PRIVATE}:80"]
        self.assert_reached(self.fetch(rules, f"http://{PUBLIC}/"), PUBLIC)
        self.assert_reached(self.fetch(rules, f"http://{PRIVATE}/"), PRIVATE)
        self.assert_ended(self.fetch(rules, "http://10.1.2.4/"), 0, out=REFUSED)

    def test_a_name_opens_its_addresses(self):
        self.world.name("example.org", [PUBLIC, PUBLIC6])
        rules = ["example.org:80"]
        self.assertIn(self.fetch(rules, "http://example.org/").out, (f"reached {PUBLIC}\n", f"reached {PUBLIC6}\n"))
        ended = self.python(rules, f"print(resolve('example.org'), connect('{PUBLIC}', 80), connect('{PUBLIC6}', 80))")
        self.assert_ended(ended, 0, out=f"['{PUBLIC6}', '{PUBLIC}'] connected connected\n")
        ended = self.python(rules, f"resolve('example.org'); print(connect('{PUBLIC}', 8080))")
        self.assert_ended(ended, 0, out="failed: No route to host\n")

    def test_an_address_is_not_open_before_its_name_was_asked_for(self):
        self.world.name("example.org", [PUBLIC])
        self.assert_ended(self.fetch(["example.org"], f"http://{PUBLIC}/"), 0, out=REFUSED)
        self.assertEqual(self.world.packets(), [])

    def test_other_names_do_not_exist(self):
        self.world.name("example.org", [PUBLIC])
        self.world.name("www.example.org", [PUBLIC])
        self.assert_ended(self.fetch(["example.org"], "http://www.example.org/"), 0, out=NO_NAME)
        self.assertEqual(self.world.queries(), [])

    def test_subdomains(self):
        for name in ("example.org", "www.example.org", "a.b.example.org", "notexample.org"):
            self.world.name(name, [PUBLIC])
        rules = ["*.example.org"]
        for name in ("www.example.org", "a.b.example.org", "WWW.EXAMPLE.ORG"):
            self.assert_reached(self.fetch(rules, f"http://{name}/"), PUBLIC)
        for name in ("example.org", "notexample.org"):
            self.assert_ended(self.fetch(rules, f"http://{name}/"), 0, out=NO_NAME)

    def test_names_of_the_hosts_own_file(self):
        self.assert_reached(self.fetch(["from-hosts.example"], "http://from-hosts.example/"), PUBLIC)
        self.assertEqual(self.world.queries(), [])

    def test_a_redirect_is_a_new_connection(self):
        self.assert_reached(self.fetch([PUBLIC, OTHER], f"http://{PUBLIC}/redirect?to=http://{OTHER}/"), OTHER)
        self.assert_ended(self.fetch([PUBLIC], f"http://{PUBLIC}/redirect?to=http://{OTHER}/"), 0, out=REFUSED)

    def test_echo_requests(self):
        ended = self.python([PUBLIC], PING + f"print(ping('{PUBLIC}'), ping('{OTHER}'), ping('10.0.2.2'))")
        self.assert_ended(ended, 0, out="answered failed: No route to host answered\n")
        self.assert_denied(ended, "connect", f"{OTHER}/icmp")
        self.assertEqual(self.world.packets(), [("icmp", PUBLIC, 0)])
        ended = self.python([f"{PUBLIC}:80"], PING + f"print(ping('{PUBLIC}'))")
        self.assert_ended(ended, 0, out="failed: No route to host\n")


PING = """
def ping(address):
    body = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + b"payload!"
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total & 0xffff) + (total >> 16)
    body = body[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + body[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        s.connect((address, 0))
        s.send(body)
        try:
            while True:
                got = s.recv(2048)
                if got[20] == 0 and got[28:] == b"payload!":
                    return "answered"
        except OSError as e:
            return f"failed: {e.strerror or e}"
"""


class Host(internet.TestCase):
    """The host's loopback: closed, until a rule names it."""

    WAYS = ("127.0.0.1", "10.0.2.2", "host.sandstone.internal", "host.docker.internal", "localhost")

    def test_an_allowed_port_is_reached_in_every_obvious_way(self):
        port = self.local_server()
        for rule in (f"127.0.0.1:{port}", f"localhost:{port}"):
            with self.subTest(rule=rule):
                program = "for way in sys.argv[1:]: print(fetch(f'http://{way}/'))"
                ended = self.python([rule], program, *(f"{way}:{port}" for way in self.WAYS))
                self.assert_ended(ended, 0, out="reached the host\n" * len(self.WAYS))

    def test_without_a_port_the_gateway_leads_there(self):
        port = self.local_server()
        self.assert_ended(self.fetch(["127.0.0.1"], f"http://10.0.2.2:{port}/"), 0, out="reached the host\n")
        self.assertIn("refused", self.fetch(["127.0.0.1"], f"http://127.0.0.1:{port}/").out, "the sandbox's own")

    def test_over_ipv6(self):
        port = self.local_server("::1")
        for rule in (f"[::1]:{port}", f"localhost:{port}"):
            self.assert_ended(self.fetch([rule], f"http://[fd00::2]:{port}/"), 0, out="reached the host\n")
        self.assert_ended(self.fetch([f"127.0.0.1:{port}"], f"http://[fd00::2]:{port}/"), 0, out=REFUSED6)

    def test_is_closed_without_a_rule_and_with_others(self):
        port = self.local_server()
        for rules in ([], ["public"], ["0.0.0.0/0"], ["::/0"], [f"127.0.0.1:{port + 1}"], [f"{PUBLIC}:{port}"]):
            ways = (*self.WAYS, "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "[fd00::2]", "[fd00::3]")
            program = "for way in sys.argv[1:]: print(fetch(f'http://{way}/'))"
            with self.subTest(rules=rules):
                ended = self.python(rules, program, *(f"{way}:{port}" for way in ways))
                self.assertEqual(ended.out.count("failed: "), len(ways), ended)
                self.assertNotIn("reached", ended.out, ended)

    def test_the_sandboxs_own_loopback_stays_its_own(self):
        port = self.local_server()
        program = """
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].send(b"inside")
print(client.recv(100))
"""
        self.assert_ended(self.python([f"127.0.0.1:{port}"], program), 0, out="b'inside'\n")

    def test_datagrams(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            port = server.getsockname()[1]

            def serve():
                while (got := server.recvfrom(100))[0] != b"end":
                    server.sendto(b"host " + got[0], got[1])

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            for way in ("127.0.0.1", "10.0.2.2"):
                ended = self.python([f"127.0.0.1:{port}"], f"print(ask('{way}', {port}, b'hi'))")
                self.assert_ended(ended, 0, out="b'host hi'\n")
            ended = self.python([], f"print(ask('10.0.2.2', {port}, b'end'))")
            self.assert_ended(ended, 0, out="b'failed: No route to host'\n")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", ("127.0.0.1", port))
            thread.join(20)
            self.assertFalse(thread.is_alive())


if __name__ == "__main__":
    internet.main()
