// Reaching the host and its network. The canary answers with its secret, so that a connection to something of
// the sandbox's own at the same address is not taken for success.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "network";

sockaddr_in loopback(uint64_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* generic(const void* address) {
  return static_cast<const sockaddr*>(address);
}

// Non-blocking sockets and a poll: an attempt must end on a network that swallows packets, too.
Verdict finish_connection(const Parameters& p, int socket) {
  pollfd wait{socket, POLLOUT, 0};
  if (::poll(&wait, 1, kPatience) <= 0) return without_effect("no answer");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return refused("connect", error);
  if (!readable(socket)) return without_effect("connected, but nothing answered");
  char answer[128] = {};
  const ssize_t got = ::recv(socket, answer, sizeof answer, 0);
  if (got < 0) return refused("recv");
  if (!p.holds_secret("secret", std::string(answer, static_cast<size_t>(got))))
    return without_effect("not the canary's answer");
  return allowed("the host's listener answered");
}

Verdict connect_to(const Parameters& p, int family, int protocol, const void* address, socklen_t size) {
  const Descriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!socket.valid()) return refused("socket");
  if (::connect(socket.get(), generic(address), size) != 0 && errno != EINPROGRESS) return refused("connect");
  return finish_connection(p, socket.get());
}

Verdict tcp_connect(const Parameters& p) {
  const sockaddr_in address = loopback(p.number("tcp-port"));
  return connect_to(p, AF_INET, 0, &address, sizeof address);
}

Verdict tcp6_connect(const Parameters& p) {
  if (!p.has("tcp6-port")) return not_applicable("the host has no IPv6");
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(p.number("tcp6-port")));
  address.sin6_addr = in6addr_loopback;
  return connect_to(p, AF_INET6, 0, &address, sizeof address);
}

// Multipath TCP falls back to TCP: a filter that knows only IPPROTO_TCP lets it through.
Verdict mptcp_connect(const Parameters& p) {
  const sockaddr_in address = loopback(p.number("tcp-port"));
  return connect_to(p, AF_INET, IPPROTO_MPTCP, &address, sizeof address);
}

// TCP Fast Open connects inside sendto(2), past every check that stands at connect(2).
Verdict tcp_fast_open(const Parameters& p) {
  const sockaddr_in address = loopback(p.number("tcp-port"));
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return refused("socket");
  if (::sendto(socket.get(), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, generic(&address), sizeof address) < 0 &&
      errno != EINPROGRESS)
    return refused("sendto(MSG_FASTOPEN)");
  return finish_connection(p, socket.get());
}

Verdict tcp_listen(const Parameters& p) {
  const sockaddr_in address = loopback(p.number("listen-port"));
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return refused("socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), generic(&address), sizeof address) != 0) return refused("bind");
  if (::listen(socket.get(), 4) != 0) return refused("listen");
  if (!readable(socket.get(), kPatienceInVain)) return without_effect("the host cannot reach the port");
  const Descriptor peer(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!peer.valid()) return refused("accept");
  if (!readable(peer.get()) || !p.holds_secret("secret", read_up_to(peer.get(), 1)))
    return without_effect("not the canary's connection");
  return allowed("the host connected to a port of the workload's");
}

Verdict exchange_datagram(const Parameters& p, int socket) {
  if (::send(socket, "hello", 5, MSG_NOSIGNAL) < 0) return refused("send");
  pollfd wait{socket, POLLIN, 0};
  if (::poll(&wait, 1, kPatience) <= 0) return without_effect("no answer");
  char answer[128] = {};
  const ssize_t got = ::recv(socket, answer, sizeof answer, MSG_DONTWAIT);
  if (got < 0) return refused("recv");
  if (!p.holds_secret("secret", std::string(answer, static_cast<size_t>(got))))
    return without_effect("not the canary's answer");
  return allowed("the host's listener answered");
}

Verdict udp_send(const Parameters& p) {
  const sockaddr_in address = loopback(p.number("udp-port"));
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return refused("socket");
  if (::connect(socket.get(), generic(&address), sizeof address) != 0) return refused("connect");
  return exchange_datagram(p, socket.get());
}

Verdict unix_path(const Parameters& p) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, p.text("unix-path").c_str(), sizeof address.sun_path - 1);
  return connect_to(p, AF_UNIX, 0, &address, sizeof address);
}

// A folder that was shared takes its sockets along.
Verdict unix_shared(const Parameters& p) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (p.text("shared") + "/socket").c_str(), sizeof address.sun_path - 1);
  return connect_to(p, AF_UNIX, 0, &address, sizeof address);
}

Verdict unix_abstract(const Parameters& p) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = p.text("abstract");
  std::memcpy(address.sun_path + 1, name.data(), std::min(name.size(), sizeof address.sun_path - 1));
  return connect_to(p, AF_UNIX, 0, &address,
                    static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size()));
}

uint16_t internet_checksum(const void* data, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < size; i += 2) {
    uint16_t word = 0;
    std::memcpy(&word, static_cast<const char*>(data) + i, 2);
    sum += word;
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

Verdict icmp_raw(const Parameters& p) {
  const Descriptor socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  if (!socket.valid()) return refused("socket(SOCK_RAW)");
  struct {
    icmphdr header{};
    char data[32] = {};
  } packet;
  static_assert(sizeof packet == 40);
  packet.header.type = ICMP_ECHO;
  std::memcpy(packet.data, p.text("nonce").data(), std::min(p.text("nonce").size(), sizeof packet.data));
  packet.header.checksum = internet_checksum(&packet, sizeof packet);
  const sockaddr_in address = loopback(0);
  if (::sendto(socket.get(), &packet, sizeof packet, 0, generic(&address), sizeof address) < 0)
    return refused("sendto");
  return claimed("sent a hand-made echo request");
}

Verdict packet_sniff(const Parameters& p) {
  const Descriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003)));
  if (!socket.valid()) return refused("socket(AF_PACKET)");
  for (int i = 0; i < 200 && readable(socket.get(), kPatienceInVain); ++i) {
    char frame[2048];
    const ssize_t got = ::recv(socket.get(), frame, sizeof frame, MSG_DONTWAIT);
    if (got > 0 && p.holds_secret("secret", std::string(frame, static_cast<size_t>(got))))
      return allowed("overheard the host's traffic");
  }
  return without_effect("a packet socket, but none of the host's traffic");
}

// Kernel surface that a namespace of one's own opens up: the socket itself is the prize.
Verdict have_socket(int family, int type, int protocol) {
  const Descriptor socket(::socket(family, type | SOCK_CLOEXEC, protocol));
  if (!socket.valid()) return refused("socket");
  return gained("has the socket");
}

Verdict packet_socket(const Parameters&) {
  return have_socket(AF_PACKET, SOCK_DGRAM, htons(0x0003));
}
Verdict raw_socket(const Parameters&) {
  return have_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
}
Verdict vsock_socket(const Parameters&) {
  return have_socket(AF_VSOCK, SOCK_STREAM, 0);
}

struct AlgorithmAddress {  // linux/if_alg.h's sockaddr_alg, whose last member C++ refuses
  uint16_t family;
  char type[14];
  uint32_t feature;
  uint32_t mask;
  char name[64];
};

Verdict alg_socket(const Parameters&) {
  const Descriptor socket(::socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return refused("socket(AF_ALG)");
  AlgorithmAddress address{};
  address.family = AF_ALG;
  std::strcpy(address.type, "hash");
  std::strcpy(address.name, "sha256");
  if (::bind(socket.get(), generic(&address), sizeof address) != 0) return refused("bind");
  return gained("the kernel's cryptography answers");
}

Verdict configure_interface(const Parameters&) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return refused("socket");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return refused("SIOCGIFFLAGS");
  // Sets the flags that are set: the right to do so is the prize.
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return refused("SIOCSIFFLAGS");
  return gained("may configure network interfaces");
}

constexpr Operation kOperations[] = {
    {"tcp-connect", kArea, "connects to a TCP service on the host's loopback", tcp_connect},
    {"tcp6-connect", kArea, "connects to a TCP service on the host's IPv6 loopback", tcp6_connect},
    {"tcp-fast-open", kArea, "connects by sendto(MSG_FASTOPEN), without connect(2)", tcp_fast_open},
    {"mptcp-connect", kArea, "connects by Multipath TCP, which falls back to TCP", mptcp_connect},
    {"tcp-listen", kArea, "opens a TCP port that the host can reach", tcp_listen, true},
    {"udp-send", kArea, "exchanges datagrams with a UDP service on the host's loopback", udp_send},
    {"icmp-raw", kArea, "sends hand-made ICMP to the host", icmp_raw},
    {"raw-socket", kArea, "has a raw IP socket", raw_socket},
    {"packet-sniff", kArea, "overhears the host's traffic with a packet socket", packet_sniff, true},
    {"packet-socket", kArea, "has a packet socket: a part of the kernel with a history of holes",
     packet_socket},
    {"unix-path", kArea, "connects to a service of the host by its AF_UNIX path", unix_path},
    {"unix-shared", kArea, "connects to an AF_UNIX socket in a folder that was shared", unix_shared},
    {"unix-abstract", kArea, "connects to a service of the host by its abstract AF_UNIX name", unix_abstract},
    {"vsock-socket", kArea, "has an AF_VSOCK socket: no network namespace confines it", vsock_socket},
    {"alg-socket", kArea, "drives the kernel's cryptography (AF_ALG)", alg_socket},
    {"configure-interface", kArea, "configures network interfaces", configure_interface},
};

}  // namespace

std::span<const Operation> network_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
