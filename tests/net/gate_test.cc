// The gate by itself: frames go straight to libslirp, past the guard's first look, and only the gate stands
// between it and the kernel.
#include "net/process/gate.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "net/addresses.h"
#include "net/frame.h"
#include "net/reply_frame.h"

namespace sandstone::net {
namespace {

using Bytes = std::vector<uint8_t>;

// A server on the host's loopback.
struct Server {
  explicit Server(int type) : fd(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(type != SOCK_STREAM || ::listen(fd.get(), 5) == 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
  }
  // On the loopback what was sent has arrived when sendto(2) and connect(2) return.
  [[nodiscard]] bool reached() const {
    pollfd ready{fd.get(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
  }
  Fd fd;
  uint16_t port = 0;
};

in_addr to_in(const uint8_t* bytes) {
  in_addr out;
  std::memcpy(&out, bytes, sizeof out);
  return out;
}

class BareStack {
 public:
  BareStack() {
    callbacks_.send_packet = [](const void*, size_t size, void*) { return static_cast<ssize_t>(size); };
    callbacks_.guest_error = [](const char*, void*) {};
    callbacks_.clock_get_ns = [](void*) -> int64_t { return Clock::now().time_since_epoch().count(); };
    callbacks_.register_poll_fd = [](int, void*) {};
    callbacks_.unregister_poll_fd = [](int, void*) {};
    callbacks_.notify = [](void*) {};
    SlirpConfig config{};
    config.version = 4;
    config.in_enabled = true;
    config.vnetwork = to_in(kNetwork4);
    config.vnetmask.s_addr = htonl(0xffffff00U);
    config.vhost = to_in(kGateway4);
    config.vnameserver = to_in(kDns4);
    config.disable_dns = true;
    config.disable_dhcp = true;
    slirp_.reset(::slirp_new(&config, &callbacks_, this));
  }
  void input(const Bytes& frame) {
    ::slirp_input(slirp_.get(), frame.data(), static_cast<int>(frame.size()));
  }

 private:
  SlirpCb callbacks_{};
  std::unique_ptr<Slirp, decltype(&::slirp_cleanup)> slirp_{nullptr, &::slirp_cleanup};
};

// From the workload to the gateway.
Bytes datagram(uint16_t port, const uint8_t* to = kGateway4) {
  const Bytes mac(6);
  return build_datagram_reply(Address::from4(kGuest4), 4660, Address::from4(to), port, mac, Bytes{'h', 'i'});
}

Bytes syn(uint16_t port, const uint8_t* to = kGateway4) {
  const Bytes content{0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0};
  // 12 bytes of the TCP header are behind the ports; a datagram's header has 4 (length and checksum) in their
  // place.
  Bytes frame = datagram(port, to);
  frame.resize(14 + 20 + 4);
  frame.insert(frame.end(), content.begin(), content.end());
  frame[17] = 40;
  frame[23] = 6;
  const auto sum = [&](size_t first, size_t end, uint32_t start) {
    for (size_t i = first; i < end; i += 2) start += static_cast<uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (start > 0xffff) start = (start & 0xffff) + (start >> 16);
    return static_cast<uint16_t>(~start);
  };
  const auto put = [&](size_t at, uint16_t value) {
    frame[at] = static_cast<uint8_t>(value >> 8);
    frame[at + 1] = static_cast<uint8_t>(value);
  };
  put(24, 0);
  put(24, sum(14, 34, 0));
  put(50, sum(26, 54, 6 + 20));
  return frame;
}

struct Gated {
  explicit Gated(const std::vector<std::string>& rules) : policy(*Policy::parse(rules)) {
    open_gate(guard, [this](Fd connection) { dns.push_back(std::move(connection)); });
  }
  Policy policy;
  std::vector<std::string> denied;
  Denials denials{[this](const NetDenial& denial) { denied.push_back(denial.subject); }};
  Guard guard{policy, denials};
  std::vector<Fd> dns;
  BareStack stack;
};

std::string loopback(uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace

TEST(NetGate, IsInForce) {
  EXPECT_TRUE(check_gate());
}

TEST(NetGate, TheFramesAreGood) {
  for (const Bytes& bytes : {syn(80), datagram(80)}) {
    const auto parsed = parse_frame(bytes);
    ASSERT_TRUE(std::holds_alternative<Frame>(parsed));
    EXPECT_EQ(std::get<Frame>(parsed).destination_port, 80);
  }
}

TEST(NetGate, AllowedConnectionsAndDatagramsPass) {
  const Server tcp(SOCK_STREAM);
  const Server udp(SOCK_DGRAM);
  Gated gated({loopback(tcp.port), loopback(udp.port)});
  gated.stack.input(syn(tcp.port));
  gated.stack.input(datagram(udp.port));
  EXPECT_TRUE(tcp.reached());
  EXPECT_TRUE(udp.reached());
  EXPECT_TRUE(gated.denied.empty());
}

TEST(NetGate, OthersAreStoppedThoughTheStackBelievesInThem) {
  const Server tcp(SOCK_STREAM);
  const Server udp(SOCK_DGRAM);
  Gated gated({"8.8.8.8"});
  gated.stack.input(syn(tcp.port));
  gated.stack.input(datagram(udp.port));
  EXPECT_FALSE(tcp.reached());
  EXPECT_FALSE(udp.reached());
  EXPECT_EQ(gated.denied,
            (std::vector<std::string>{loopback(tcp.port) + "/tcp", loopback(udp.port) + "/udp"}));
}

TEST(NetGate, AConnectionToTheDnsAddressComesToOurServer) {
  Gated gated({"8.8.8.8"});
  gated.stack.input(syn(53, kDns4));
  EXPECT_EQ(gated.dns.size(), 1U);
  EXPECT_TRUE(gated.denied.empty());
}

TEST(NetGate, OtherFamiliesGoNowhere) {
  Gated gated({"0.0.0.0/0"});
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr address{AF_UNIX, "/run/x"};
  EXPECT_EQ(::connect(fd.get(), &address, sizeof address), -1);
  EXPECT_EQ(errno, EACCES);
}

}  // namespace sandstone::net
