"""Ways around the policy for a workload that has every capability in its namespace: frames of its own making, the
link's other end, addresses and routes of its choice.

Each is shown to work where the policy allows it, or beside the plain form that does. MARK ends a program's frames: its
answer means that the network process has seen all that went before.
"""

import socket
import unittest

import internet
from internet import OTHER, PRIVATE, PUBLIC, PUBLIC6

MARKER = ("tcp", PUBLIC, 8080)
ALLOW_MARKER = f"{PUBLIC}:8080"

# Frames, built by hand.
RAW = """
import subprocess
GATEWAY, GUEST = bytes.fromhex("52550a000202"), bytes.fromhex("5254000a020f")
PRIVATE, PUBLIC = "10.1.2.3", "93.184.215.14"

def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)

def summed(segment, at, protocol, source, target):
    pseudo = packed(source) + packed(target) + struct.pack("!HH", protocol, len(segment))
    return segment[:at] + struct.pack("!H", checksum(pseudo + segment)) + segment[at + 2:]

def own(target):
    return "fd00::15" if ":" in target else "10.0.2.15"

def tcp(target, port=80, source=None, flags=2, from_port=40000):
    segment = struct.pack("!HHIIBBHHH", from_port, port, 1, 0, 5 << 4, flags, 65535, 0, 0)
    return summed(segment, 16, 6, source or own(target), target)

def udp(target, port=7777, data=b"raw", source=None, from_port=40001):
    return summed(struct.pack("!HHHH", from_port, port, 8 + len(data), 0) + data, 6, 17, source or own(target), target)

def ping():
    return (lambda p: p[:2] + struct.pack("!H", checksum(p)) + p[4:])(struct.pack("!BBHHH", 8, 0, 0, 7, 1) + b"payload!")

def ipv4(content, target, protocol=6, source="10.0.2.15", options=b"", fragment=0x4000, identity=1, kind=b"\\x08\\0"):
    head = struct.pack("!BBHHHBBH", 0x40 | 5 + len(options) // 4, 0, 20 + len(options) + len(content), identity,
                       fragment, 64, protocol, 0) + packed(source) + packed(target) + options
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return GATEWAY + GUEST + kind + head + content

def ipv6(content, target, protocol=6, source="fd00::15"):
    head = struct.pack("!IHBB", 6 << 28, len(content), protocol, 64)
    return GATEWAY + GUEST + b"\\x86\\xdd" + head + packed(source) + packed(target) + content

def send(*frames, device="eth0"):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, 0))
        for frame in frames:
            s.send(frame)

def mark():
    print(connect(PUBLIC, 8080))

def ip(*words):
    return subprocess.run(["ip", *words], stderr=subprocess.DEVNULL).returncode
"""


class RawTestCase(internet.TestCase):
    def raw(self, rules, program, **how):
        return self.python([ALLOW_MARKER, *rules], RAW + program, **how)

    def arrived(self, rules, program):
        """What leaves of the program's frames, the marker apart."""
        self.world.forget()
        ended = self.raw(rules, program + "\nmark()")
        self.assert_ended(ended, 0, out="connected\n")
        packets = self.world.packets()
        self.assertEqual(packets.pop(), MARKER, packets)
        return packets, ended


class Frames(RawTestCase):
    def test_raw_packets_meet_the_policy(self):
        program = """
send(ipv4(tcp(PRIVATE), PRIVATE), ipv4(udp(PRIVATE), PRIVATE, 17), ipv4(ping(), PRIVATE, 1))
"""
        packets, _ = self.arrived([PRIVATE], program)
        self.assertEqual(packets, [("tcp", PRIVATE, 80), ("udp", PRIVATE, 7777), ("icmp", PRIVATE, 0)])
        packets, ended = self.arrived([], program)
        self.assertEqual(packets, [])
        for subject in (f"{PRIVATE}:80/tcp", f"{PRIVATE}:7777/udp", f"{PRIVATE}/icmp"):
            self.assert_denied(ended, "connect", subject)

    def test_raw_packets_over_ipv6_meet_the_policy(self):
        program = "send(ipv6(tcp('fd12::9'), 'fd12::9'), ipv6(udp('fd12::9'), 'fd12::9', 17))"
        packets, _ = self.arrived(["fd12::9"], program)
        self.assertEqual(packets, [("tcp", "fd12::9", 80), ("udp", "fd12::9", 7777)])
        self.assertEqual(self.arrived([], program)[0], [])

    def test_other_protocols_do_not_leave(self):
        """SCTP, GRE, IP in IP, a protocol nobody has: nothing, even to an address with every port open."""
        program = "send(*(ipv4(bytes(40), PRIVATE, p) for p in (0, 4, 41, 47, 50, 51, 132, 253, 255)))"
        packets, ended = self.arrived([PRIVATE], program)
        self.assertEqual(packets, [])
        self.assert_denied(ended, "send", "IPv4 protocol that is not TCP, UDP or ICMP")

    def test_fragments_do_not_leave(self):
        """A datagram in two fragments, of which only the first names ports; and a second that overwrites the first's."""
        program = """
whole = udp(PUBLIC, 8080, bytes(64))
other = udp(PUBLIC, 7777, bytes(64))
send(ipv4(whole[:32], PUBLIC, 17, fragment=0x2000), ipv4(whole[32:], PUBLIC, 17, fragment=4),
     ipv4(whole[:32], PUBLIC, 17, fragment=0x2000, identity=2), ipv4(other, PUBLIC, 17, fragment=0, identity=2),
     ipv4(tcp(PUBLIC, 8080)[:8], PUBLIC, fragment=0x2000, identity=3), ipv4(tcp(PUBLIC, 443)[8:], PUBLIC, fragment=1, identity=3),
     ipv6(struct.pack("!BBHI", 17, 0, 1, 5) + udp("fd12::9")[:16], "fd12::9", 44))
"""
        packets, ended = self.arrived([PUBLIC, PRIVATE, "fd12::9"], program)
        # One of them is whole: it only says that it may be fragmented.
        self.assertEqual(packets, [("udp", PUBLIC, 7777)])
        self.assert_denied(ended, "send", "IPv4 fragment")
        self.assert_denied(ended, "send", "IPv6 fragment")

    def test_source_routes_and_extension_headers_do_not_leave(self):
        """A second destination in the packet: to a router it is the real one."""
        program = """
route = bytes([131, 7, 4]) + packed(PRIVATE) + bytes(1)
routing6 = bytes([6, 2, 0, 1, 0, 0, 0, 0]) + packed("fd12::9")
padding6 = bytes([6, 0, 1, 4, 0, 0, 0, 0])
send(ipv4(tcp(PUBLIC), PUBLIC, options=route), ipv4(tcp(PUBLIC), PUBLIC, options=bytes([1, 1, 1, 0])),
     ipv6(routing6 + tcp("fd12::9"), "fd12::9", 43), ipv6(padding6 + tcp("fd12::9"), "fd12::9", 60),
     ipv6(padding6 + tcp("fd12::9"), "fd12::9", 0))
"""
        self.assertEqual(self.arrived([PUBLIC, "fd12::9"], program)[0], [])

    def test_sources_that_are_not_the_sandboxs_do_not_leave(self):
        """The rest of the virtual network, the gateway itself, the loopback, somebody else."""
        program = "send(*(ipv4(tcp(PRIVATE, source=s), PRIVATE, source=s) for s in sys.argv[1:]))"
        for sources, arrives in ((["10.0.2.15"], [("tcp", PRIVATE, 80)]),
                                 (["10.0.2.16", "10.0.2.2", "10.0.2.3", "127.0.0.1", "8.8.8.8", "0.0.0.0"], [])):
            self.assertEqual(self.arrived([PRIVATE], f"sys.argv[1:] = {sources}\n" + program)[0], arrives)

    def test_combinations_of_flags_open_nothing(self):
        program = "send(*(ipv4(tcp(PRIVATE, flags=f, from_port=30000 + f), PRIVATE) for f in range(256)))"
        packets, _ = self.arrived([PRIVATE], program)
        self.assertEqual(set(packets), {("tcp", PRIVATE, 80)})
        self.assertEqual(self.arrived([], program)[0], [])

    def test_lengths_that_lie(self):
        """Headers that say more or less than there is, and packets behind the packet."""
        program = """
good, inner = ipv4(tcp(PRIVATE), PRIVATE), ipv4(udp(PRIVATE), PRIVATE, 17)
frames = [good[:n] for n in range(14, len(good))] + [good + inner[14:]]
for at in (16, 17, 38, 39):
    frames += [inner[:at] + bytes([b]) + inner[at + 1:] for b in (0, 1, 19, 20, 27, 28, 30, 32, 100, 255)]
send(*frames)
"""
        self.assertEqual(self.arrived([], program)[0], [])

    def test_noise(self):
        """Thousands of broken frames: nothing leaves, and the network goes on."""
        program = """
import random
random.seed(2)
seeds = [ipv4(tcp(PRIVATE), PRIVATE), ipv4(udp(PRIVATE), PRIVATE, 17), ipv6(tcp("fd12::9"), "fd12::9"), ipv4(ping(), PRIVATE, 1),
         GATEWAY + GUEST + b"\\x08\\x06" + bytes.fromhex("0001080006040001") + GUEST + packed("10.0.2.15") + bytes(6) + packed("10.0.2.2")]
for turn in range(100):
    frames = []
    for _ in range(100):
        frame = bytearray(random.choice(seeds))
        for _ in range(random.randrange(1, 6)):
            frame[random.randrange(12, len(frame))] = random.randrange(256)
        frames.append(bytes(frame[:random.randrange(14, len(frame) + 1)]) if random.random() < 0.2 else bytes(frame))
    send(*frames)
    ip("neighbour", "flush", "dev", "eth0")  # some of it has told the stack wrong things about this end
    connect(PUBLIC, 8080)
"""
        packets, _ = self.arrived([], program)
        self.assertEqual(set(packets) - {MARKER}, set())

    def test_the_stacks_own_servers_do_not_answer(self):
        """BOOTP, TFTP, DHCPv6 and NC-SI, which libslirp has of its own."""
        program = """
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind(("eth0", 3))
bootp = bytes([1, 1, 6, 0]) + bytes(232) + bytes.fromhex("63825363350101ff")
send(ipv4(udp("10.0.2.2", 67, bootp), "10.0.2.2", 17), ipv4(udp("255.255.255.255", 67, bootp), "255.255.255.255", 17),
     ipv4(udp("10.0.2.2", 69, b"\\0\\1/etc/passwd\\0octet\\0"), "10.0.2.2", 17),
     ipv6(udp("fd00::2", 69, b"\\0\\1/etc/passwd\\0octet\\0"), "fd00::2", 17),
     ipv6(udp("fd00::2", 547, b"\\x0b\\0\\0\\1\\0\\6\\0\\2\\0\\x17"), "fd00::2", 17),
     GATEWAY + GUEST + b"\\x88\\xf8" + bytes(60))
connect(PUBLIC, 8080)
tap.setblocking(False)
while True:
    try:
        frame, info = tap.recvfrom(2000)
    except BlockingIOError:
        break
    if info[2] == 4:
        continue
    # What comes in: ARP, the marker's TCP, and the refusals.
    assert frame[12:14] != b"\\x88\\xf8", frame
    assert not (frame[12:14] == b"\\x08\\0" and frame[23] == 17), frame
    assert not (frame[12:14] == b"\\x86\\xdd" and frame[20] == 17), frame
"""
        self.assertIn(MARKER, self.arrived(["127.0.0.1", "::1"], program)[0])

    def test_closed_ports_of_the_host_before_and_after_the_stack_knows_our_address(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        program = f"""
send(*(ipv4(tcp("10.0.2.2", {port}, from_port=20000 + i), "10.0.2.2") for i in range(100)))
mark()
send(*(ipv4(tcp("10.0.2.2", {port}, from_port=20000 + i), "10.0.2.2") for i in range(100)))
mark()
print(connect("10.0.2.2", {port}), connect("fd00::2", {port}))
"""
        ended = self.raw([f"localhost:{port}"], program)
        refused = "failed: Connection refused"
        self.assert_ended(ended, 0, out=f"connected\nconnected\n{refused} {refused}\n")

    def test_the_broadcast_address_is_not_a_name_for_the_host(self):
        """libslirp leads it to the loopback."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            port = server.getsockname()[1]
            program = f"send(*(ipv4(udp(t, {port}, t.encode()), t, 17) for t in ('255.255.255.255', '10.0.2.255', '10.0.2.2')))"
            self.arrived([f"127.0.0.1:{port}"], program)
            self.assertEqual(server.recv(100), b"10.0.2.2")
            server.setblocking(False)
            with self.assertRaises(BlockingIOError):
                server.recv(100)

    def test_datagrams_from_strangers_do_not_come_in(self):
        """The workload's port is open on the host once it has sent: only who was asked may answer."""
        program = f"""
import threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.0.2.15", 40002))
if {{friend}}:
    s.sendto(b"hello", ("{OTHER}", 7777))
    s.recv(100)
s.sendto(b"from {OTHER}", ("{PUBLIC}", 7777))
s.sendto(b"last", ("{PUBLIC}", 7777))
got = []
while not got or got[-1][0] != b"echo last":
    got.append(s.recvfrom(100))
print([peer[0] for data, peer in got])
"""
        rules = [PUBLIC, OTHER]
        self.assert_ended(self.python(rules, program.format(friend=True)), 0, out=f"['{OTHER}', '{PUBLIC}']\n")
        self.assert_ended(self.python(rules, program.format(friend=False)), 0, out=f"['{PUBLIC}']\n")


class Namespace(RawTestCase):
    """What CAP_NET_ADMIN inside can change, and what it gains."""

    def test_other_addresses_and_routes(self):
        program = """
ip("address", "add", "10.0.2.99/24", "dev", "eth0"), ip("address", "add", "192.168.7.7/24", "dev", "eth0")
ip("route", "replace", "default", "dev", "eth0"), ip("-6", "address", "add", "fd00::99/64", "dev", "eth0", "nodad")
def bound(source, target):
    with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        try:
            s.sendto(b"x", (target, 7777))
        except OSError:
            pass
bound("10.0.2.99", PRIVATE), bound("192.168.7.7", PRIVATE), bound("192.168.7.7", PUBLIC), bound("fd00::99", "fd12::9")
ip("route", "replace", "default", "via", "10.0.2.2")
"""
        self.assertEqual(self.arrived([PRIVATE, PUBLIC, "fd12::9"], program)[0], [])

    def test_the_links_other_end(self):
        """Frames put on it, an address on it, a bridge of both: the way out is the one descriptor outside."""
        program = """
frames = [ipv4(tcp(PRIVATE), PRIVATE), ipv4(udp(PRIVATE), PRIVATE, 17)]
send(*frames, device="eth0-net")
ip("address", "add", "10.1.2.4/24", "dev", "eth0-net")
connect(PRIVATE, 80) if False else ask(PRIVATE, 7777, b"x", 0.2)
ip("address", "flush", "dev", "eth0-net")
ip("link", "set", "eth0-net", "promisc", "on"), ip("link", "set", "eth0-net", "address", "52:55:0a:00:02:02")
send(*frames, device="eth0-net"), send(*frames)
ip("link", "set", "eth0-net", "address", "52:54:00:0a:02:01")
"""
        self.assertEqual(self.arrived([], program)[0], [])
        self.assertEqual(self.arrived([PRIVATE], "send(ipv4(tcp(PRIVATE), PRIVATE))")[0], [("tcp", PRIVATE, 80)])

    def test_a_poisoned_neighbour_table(self):
        """Claims to be the gateway and the DNS server, and asks as somebody else."""
        program = """
def arp(operation, sender, target):
    return (b"\\xff" * 6 + GUEST + b"\\x08\\x06" + bytes.fromhex("000108000604") + struct.pack("!H", operation) + GUEST
            + packed(sender) + bytes(6) + packed(target))
send(*(arp(o, s, t) for o in (1, 2) for s in ("10.0.2.2", "10.0.2.3", "10.0.2.16", "0.0.0.0", "255.255.255.255")
       for t in ("10.0.2.2", "10.0.2.15", s)))
"""
        self.assertEqual(self.arrived([], program)[0], [])

    def test_without_its_link_the_workload_has_no_network_and_nothing_else_happens(self):
        program = "ip('link', 'delete', 'eth0'); print(connect(PUBLIC, 8080))"
        self.assert_ended(self.raw([], program), 0, out="failed: Network is unreachable\n")
        program = "ip('link', 'set', 'eth0-net', 'down'); ip('link', 'set', 'eth0-net', 'up'); time.sleep(0.1); mark()"
        self.assert_ended(self.raw([], program), 0, out="connected\n")

    def test_the_way_to_the_hosts_loopback_is_not_a_way_to_its_other_ports(self):
        with socket.create_server(("127.0.0.1", 0)) as open_one, socket.create_server(("127.0.0.1", 0)) as closed_one:
            ports = open_one.getsockname()[1], closed_one.getsockname()[1]
            # The rule that leads the open port there, widened to all.
            program = f"""
ip("rule", "add", "to", "127.0.0.1", "lookup", "100", "pref", "5")
print(connect("127.0.0.1", {ports[0]}), connect("127.0.0.1", {ports[1]}), connect("127.0.0.1", 22))
"""
            ended = self.raw([f"127.0.0.1:{ports[0]}"], program)
            self.assert_ended(ended, 0, out="connected failed: No route to host failed: No route to host\n")
            self.assert_denied(ended, "connect", f"127.0.0.1:{ports[1]}/tcp")


class Exhaustion(internet.TestCase):
    def test_more_connections_than_the_process_may_hold(self):
        """Some fail; when they are closed, the network is as before."""
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
            port = server.getsockname()[1]
            program = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
socket.setdefaulttimeout(2)
held, failed = [], 0
for _ in range(1500):
    s = socket.socket()
    try:
        s.connect(("10.0.2.2", {port}))
        held.append(s)
    except OSError:
        failed += 1
        s.close()
        if failed > 3:
            break
print(len(held) > 800, failed > 0)
for s in held:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the server holds its end
    s.close()
socket.setdefaulttimeout(30)
while connect("{PUBLIC}", 80) != "connected":
    time.sleep(0.1)
print("again")
"""
            ended = self.python([f"127.0.0.1:{port}", PUBLIC], program, timeout=120)
            self.assert_ended(ended, 0, out="True True\nagain\n")

    def test_a_flood_of_denials_is_counted(self):
        program = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(5000):
    try:
        s.sendto(b"x", ("10.1.2.3", 9))
    except OSError:
        pass
"""
        ended = self.python([], program)
        counts = [int(line.rsplit(" x", 1)[1]) for line in ended.err.splitlines() if line.startswith("denied connect 10.1.2.3:9/udp")]
        self.assertLess(len(counts), 500, "told one by one")
        self.assertGreater(sum(counts), 1000)


if __name__ == "__main__":
    internet.main()
