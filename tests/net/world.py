"""The rest of the internet, for tests: a process in a network namespace of its own that answers on every address.

Started by internet.py, which talks to it in JSON lines: one command in, one reply out. It serves HTTP on 80, 443 and
8080, echoes datagrams on 7777, answers DNS on 53 from a zone that the test sets, and notes every packet that arrives,
so that "nothing left" can be told from "no answer came".
"""

import collections
import http.server
import ipaddress
import json
import socket
import struct
import subprocess
import sys
import threading
import urllib.parse

LINK = "world0"
HTTP_PORTS = (80, 443, 8080)
ECHO_PORT = 7777
IP_PKTINFO, IPV6_FREEBIND = 8, 78

lock = threading.Lock()
packets = []  # [protocol, destination address, destination port], of what opens something: TCP SYN, UDP, ICMP echo
queries = []  # [name, type] as they came
zone = {}  # (name, type) -> deque of (addresses, ttl); the last one stays


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Page(http.server.BaseHTTPRequestHandler):
    """Says which address was reached. /redirect?to=URL sends the client elsewhere."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        target = urllib.parse.urlparse(self.path)
        address = self.connection.getsockname()[0].removeprefix("::ffff:")
        body = f"reached {address}\n".encode()
        if target.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", urllib.parse.parse_qs(target.query)["to"][0])
        else:
            self.send_response(200)
        if target.path.startswith("/bytes/"):
            body = b"x" * int(target.path.removeprefix("/bytes/"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6  # and IPv4, mapped
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socket.socket.bind(self.socket, self.server_address)
        self.server_name, self.server_port = "world", self.server_address[1]


def serve_datagrams(port, answer):
    """Answers each datagram from the address that it was sent to."""

    def loop(family, option, structure):
        server = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            server.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        else:
            server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        server.bind(("", port))
        while True:
            data, ancillary, _, peer = server.recvmsg(65536, 256)
            out = answer(data)
            info = ancillary[0][2]
            if data.startswith(b"from "):  # "from ADDRESS": answered by somebody who was not asked
                packed = ipaddress.ip_address(data.split()[1].decode()).packed
                info = bytes(8) + packed if len(packed) == 4 else packed
            if family == socket.AF_INET:  # index, source, (destination in the header)
                info = struct.pack("I4s4s", 0, info[8:12], bytes(4))
            else:
                info = info[:16] + bytes(4)
            server.sendmsg([out], [(structure, option, info)], 0, peer)

    threading.Thread(target=loop, args=(socket.AF_INET, IP_PKTINFO, socket.IPPROTO_IP), daemon=True).start()
    threading.Thread(
        target=loop, args=(socket.AF_INET6, socket.IPV6_PKTINFO, socket.IPPROTO_IPV6), daemon=True
    ).start()


def dns_answer(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin-1").lower())
        at += 1 + message[at]
    kind, _ = struct.unpack_from("!HH", message, at + 1)
    question = message[12 : at + 5]
    name = ".".join(labels)
    with lock:
        queries.append([name, kind])
        known = any(n == name for n, _ in zone)
        answers = zone.get((name, kind))
        addresses, ttl = ([], 0) if not answers else answers.popleft() if len(answers) > 1 else answers[0]
    records = b""
    for address in addresses:
        packed = ipaddress.ip_address(address).packed
        records += struct.pack("!HHHIH", 0xC00C, kind, 1, ttl, len(packed)) + packed
    flags = 0x8180 | (0 if known else 3)
    return message[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0) + question + records


def serve_dns_over_tcp():
    server = socket.create_server(("", 53), family=socket.AF_INET6, dualstack_ipv6=True)

    def talk(client):
        with client:
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
                more = client.recv(4096)
                if not more:
                    return
                data += more
            out = dns_answer(data[2:])
            client.sendall(struct.pack("!H", len(out)) + out)

    while True:
        threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()


def note(packet):
    version = packet[0] >> 4
    if version == 4:
        protocol, destination, rest = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
    else:
        protocol, destination, rest = packet[6], packet[24:40], packet[40:]
    if len(rest) < 4:
        rest = rest + bytes(4)
    port = struct.unpack_from("!H", rest, 2)[0]
    if protocol == 6 and (len(rest) < 14 or rest[13] & 0x12 != 0x02):
        return
    if protocol == 58 and rest[0] != 128:
        return
    if destination[0] == 0xFF or (version == 4 and destination[0] >= 224):
        return  # what every host sends to its link
    name = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}.get(protocol, str(protocol))
    with lock:
        packets.append([name, str(ipaddress.ip_address(destination)), 0 if name == "icmp" else port])


def watch():
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    tap.bind((LINK, 3))
    while True:
        frame, address = tap.recvfrom(65600)
        if address[2] != 4 and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):  # 4: what leaves here
            note(frame[14:])


def command(words):
    with lock:
        if words["do"] == "zone":
            kind = {"A": 1, "AAAA": 28}[words["type"]]
            zone[words["name"], kind] = collections.deque(words["answers"])
        elif words["do"] == "packets":
            return list(packets)
        elif words["do"] == "queries":
            return list(queries)
        elif words["do"] == "forget":
            packets.clear()
            queries.clear()
            zone.clear()
    return None


def main():
    sys.stdin.readline()  # the link is here
    ip("link", "set", "lo", "up")
    ip("link", "set", LINK, "up")
    for family, address in (("-4", sys.argv[1]), ("-6", sys.argv[2])):
        ip(family, "address", "add", address, "dev", LINK, *(["nodad"] if family == "-6" else []))
        ip(family, "route", "add", "local", "default", "dev", "lo", "table", "main")
    for port in HTTP_PORTS:
        threading.Thread(target=Server(("::", port), Page).serve_forever, daemon=True).start()
    serve_datagrams(ECHO_PORT, lambda data: b"echo " + data)
    serve_datagrams(53, dns_answer)
    threading.Thread(target=serve_dns_over_tcp, daemon=True).start()
    threading.Thread(target=watch, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(command(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
