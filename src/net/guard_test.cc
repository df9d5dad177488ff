#include "net/guard.h"

#include <gtest/gtest.h>

#include "net/addresses.h"
#include "net/reply_frame.h"

namespace sandstone::net {
namespace {

using Verdict = Guard::Verdict;
using std::chrono::seconds;

const Clock::time_point kNow{std::chrono::hours(1000)};

Address at(const char* text) {
  return *Address::parse(text);
}

Frame frame(Frame::Kind kind, const char* destination, uint16_t port) {
  Frame out;
  out.kind = kind;
  out.destination = at(destination);
  out.source = out.destination.v6 ? Address::from6(kGuest6) : Address::from4(kGuest4);
  out.source_port = 4660;
  out.destination_port = port;
  out.opens_connection = kind == Frame::Kind::tcp;
  return out;
}

struct Guarded {
  explicit Guarded(const std::vector<std::string>& rules) : policy(*Policy::parse(rules)) {}
  Verdict tcp(const char* to, uint16_t port) {
    return guard.outgoing(frame(Frame::Kind::tcp, to, port), kNow);
  }
  Verdict udp(const char* to, uint16_t port, Clock::time_point now = kNow) {
    return guard.outgoing(frame(Frame::Kind::udp, to, port), now);
  }
  Verdict echo(const char* to) { return guard.outgoing(frame(Frame::Kind::echo, to, 0), kNow); }
  bool in(const char* from, uint16_t port, uint16_t to_port) {
    const Address source = at(from);
    const std::vector<uint8_t> mac(6);
    return guard.incoming(
        build_datagram_reply(source, port, source.v6 ? Address::from6(kGuest6) : Address::from4(kGuest4),
                             to_port, mac, {}),
        kNow);
  }

  std::vector<std::string> denied;
  Policy policy;
  Denials denials{
      [this](const NetDenial& denial) { denied.push_back(denial.operation + " " + denial.subject); }};
  Guard guard{policy, denials};
};

}  // namespace

TEST(NetGuard, TheGatewayIsTheHostsLoopback) {
  Guarded open({"127.0.0.1:8000", "[::1]:8000"});
  EXPECT_EQ(open.tcp("10.0.2.2", 8000), Verdict::pass);
  EXPECT_EQ(open.tcp("127.0.0.1", 8000), Verdict::pass);
  EXPECT_EQ(open.tcp("fd00::2", 8000), Verdict::pass);
  EXPECT_EQ(open.tcp("10.0.2.2", 8001), Verdict::refuse);
  Guarded closed({});
  EXPECT_EQ(closed.tcp("10.0.2.2", 8000), Verdict::refuse);
  EXPECT_EQ(closed.tcp("fd00::2", 8000), Verdict::refuse);
  EXPECT_EQ(closed.denied,
            (std::vector<std::string>{"connect 127.0.0.1:8000/tcp", "connect [::1]:8000/tcp"}));
  EXPECT_EQ(closed.echo("10.0.2.2"), Verdict::pass) << "the virtual gateway itself answers";
}

TEST(NetGuard, TheRestOfTheVirtualNetworkIsNothing) {
  // libslirp would take an address of it for the host's loopback, as it does with the broadcast address.
  Guarded open({"10.0.0.0/8", "fc00::/7", "127.0.0.1", "::1"});
  for (const char* address : {"10.0.2.1", "10.0.2.3", "10.0.2.15", "10.0.2.255", "255.255.255.255", "fd00::1",
                              "fd00::3", "fd00::4", "fd00::dead", "0.0.0.0", "ff02::1", "224.0.0.1"}) {
    EXPECT_EQ(open.tcp(address, 80), Verdict::refuse) << address;
    EXPECT_EQ(open.udp(address, 80), Verdict::refuse) << address;
  }
  EXPECT_EQ(open.tcp("10.0.3.1", 80), Verdict::pass);
}

TEST(NetGuard, DnsGoesToOurServerAndNowhereElse) {
  Guarded open({"8.8.8.8:443", "127.0.0.1"});
  EXPECT_EQ(open.udp("10.0.2.3", 53), Verdict::dns);
  EXPECT_EQ(open.udp("fd00::3", 53), Verdict::dns);
  EXPECT_EQ(open.tcp("10.0.2.3", 53), Verdict::pass) << "the gate turns the connection to our server";
  EXPECT_EQ(open.udp("10.0.2.3", 54), Verdict::refuse);
  EXPECT_EQ(open.udp("8.8.8.8", 53), Verdict::refuse);
}

TEST(NetGuard, TheStacksOwnServersAreOutOfReach) {
  Guarded open({"127.0.0.1", "::1"});
  for (const uint16_t port : {uint16_t{67}, uint16_t{69}, uint16_t{547}}) {
    EXPECT_EQ(open.udp("10.0.2.2", port), Verdict::refuse) << port;
    EXPECT_EQ(open.udp("fd00::2", port), Verdict::refuse) << port;
  }
  EXPECT_EQ(open.udp("10.0.2.2", 68), Verdict::pass);
}

TEST(NetGuard, OnlyTheFirstSegmentIsAskedAbout) {
  Guarded closed({});
  Frame later = frame(Frame::Kind::tcp, "10.1.2.3", 80);
  later.opens_connection = false;
  EXPECT_EQ(closed.guard.outgoing(later, kNow), Verdict::pass) << "the stack resets what it does not know";
}

TEST(NetGuard, SpoofedFramesGoNowhere) {
  Guarded open({});
  Frame spoof = frame(Frame::Kind::tcp, "8.8.4.4", 80);
  spoof.source = at("10.0.2.16");
  EXPECT_EQ(open.guard.outgoing(spoof, kNow), Verdict::drop);
  spoof.kind = Frame::Kind::arp;
  EXPECT_EQ(open.guard.outgoing(spoof, kNow), Verdict::drop);
}

TEST(NetGuard, DatagramsComeInOnlyAsAnswers) {
  Guarded open({});
  EXPECT_FALSE(open.in("93.184.215.14", 443, 4660));
  EXPECT_EQ(open.udp("93.184.215.14", 443), Verdict::pass);
  EXPECT_TRUE(open.in("93.184.215.14", 443, 4660));
  EXPECT_FALSE(open.in("93.184.215.14", 444, 4660));
  EXPECT_FALSE(open.in("93.184.215.15", 443, 4660));
}

TEST(NetGuard, AForwardedPortMayBeAnsweredFrom) {
  Guarded open({});
  EXPECT_EQ(open.udp("10.0.2.2", 40000), Verdict::refuse);
  open.guard.forward_udp(5353);
  EXPECT_FALSE(open.in("10.0.2.2", 40000, 5354));
  EXPECT_TRUE(open.in("10.0.2.2", 40000, 5353));
  EXPECT_EQ(open.udp("10.0.2.2", 40000), Verdict::pass);
  EXPECT_TRUE(open.guard.socket_may_reach(at("127.0.0.1"), 40000, Transport::udp, kNow));
  EXPECT_FALSE(open.guard.socket_may_reach(at("127.0.0.1"), 40001, Transport::udp, kNow));
  EXPECT_FALSE(open.guard.socket_may_reach(at("127.0.0.1"), 40000, Transport::tcp, kNow));
}

TEST(NetGuard, AFlowOutlivesItsPinButNotItsUse) {
  Guarded names({"example.org"});
  names.policy.admit("example.org", at("93.184.215.14"), kNow + seconds(30), kNow);
  EXPECT_EQ(names.udp("93.184.215.14", 443), Verdict::pass);
  EXPECT_EQ(names.udp("93.184.215.14", 443, kNow + seconds(100)), Verdict::pass);
  EXPECT_EQ(names.udp("93.184.215.14", 444, kNow + seconds(100)), Verdict::refuse);
  EXPECT_EQ(names.udp("93.184.215.14", 443, kNow + seconds(300)), Verdict::refuse);
}

TEST(NetGuard, TheGateAsksTheSameQuestion) {
  Guarded open({"127.0.0.1:8000"});
  EXPECT_TRUE(open.guard.socket_may_reach(at("127.0.0.1"), 8000, Transport::tcp, kNow));
  EXPECT_FALSE(open.guard.socket_may_reach(at("127.0.0.1"), 22, Transport::tcp, kNow));
  EXPECT_FALSE(open.guard.socket_may_reach(at("::ffff:127.0.0.1"), 8000, Transport::tcp, kNow));
  EXPECT_FALSE(open.guard.socket_may_reach(at("8.8.8.8"), 0, Transport::icmp, kNow));
}

}  // namespace sandstone::net
