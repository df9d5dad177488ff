#include "net/policy.h"

#include <gtest/gtest.h>

namespace sandstone::net {
namespace {

using std::chrono::seconds;

const Clock::time_point kNow{std::chrono::hours(1000)};

Policy policy(const std::vector<std::string>& rules) {
  auto parsed = Policy::parse(rules);
  EXPECT_TRUE(parsed);
  return *std::move(parsed);
}

Address at(const char* text) {
  return *Address::parse(text);
}

bool tcp(const Policy& policy, const char* address, uint16_t port, Clock::time_point now = kNow) {
  return policy.allowed(at(address), port, Transport::tcp, now);
}

}  // namespace

TEST(NetPolicy, WithoutRulesIsThePublicInternet) {
  const Policy open = policy({});
  EXPECT_TRUE(tcp(open, "8.8.8.8", 443));
  EXPECT_TRUE(tcp(open, "2606:4700::1111", 443));
  EXPECT_TRUE(open.name_allowed("anything.example"));
  for (const char* address : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:8.8.8.8", "fd00::1"})
    EXPECT_FALSE(tcp(open, address, 443)) << address;
}

TEST(NetPolicy, PublicDoesNotMeanOtherPeoplesResolvers) {
  for (const Policy& open : {policy({}), policy({"public"})})
    for (const uint16_t port : {uint16_t{53}, uint16_t{853}}) {
      EXPECT_FALSE(tcp(open, "8.8.8.8", port));
      EXPECT_FALSE(open.allowed(at("8.8.8.8"), port, Transport::udp, kNow));
    }
  EXPECT_TRUE(tcp(policy({"8.8.8.8"}), "8.8.8.8", 53));
  EXPECT_TRUE(tcp(policy({"8.8.8.8:53"}), "8.8.8.8", 53));
}

TEST(NetPolicy, WithRulesIsOnlyTheRules) {
  const Policy narrow = policy({"10.1.0.0/16:5432", "8.8.4.4"});
  EXPECT_TRUE(tcp(narrow, "10.1.2.3", 5432));
  EXPECT_FALSE(tcp(narrow, "10.1.2.3", 5433));
  EXPECT_FALSE(tcp(narrow, "10.2.2.3", 5432));
  EXPECT_TRUE(tcp(narrow, "8.8.4.4", 1));
  EXPECT_FALSE(tcp(narrow, "8.8.8.8", 443));
  EXPECT_FALSE(narrow.name_allowed("example.org"));
}

TEST(NetPolicy, EchoNeedsARuleForEveryPort) {
  EXPECT_TRUE(policy({"8.8.8.8"}).allowed(at("8.8.8.8"), 0, Transport::icmp, kNow));
  EXPECT_FALSE(policy({"8.8.8.8:443"}).allowed(at("8.8.8.8"), 0, Transport::icmp, kNow));
  EXPECT_TRUE(policy({}).allowed(at("8.8.8.8"), 0, Transport::icmp, kNow));
}

TEST(NetPolicy, TheHostsOwnAddressIsNotPublic) {
  for (const std::vector<std::string>& rules : {std::vector<std::string>{}, {"public"}}) {
    Policy open = policy(rules);
    open.set_own_address([](const Address& address) { return address == at("45.33.32.156"); });
    EXPECT_FALSE(tcp(open, "45.33.32.156", 22));
    EXPECT_TRUE(tcp(open, "45.33.32.157", 22));
    EXPECT_STREQ(open.kind(at("45.33.32.156")), "this machine's own");
  }
  Policy named = policy({"45.33.32.156:22"});
  named.set_own_address([](const Address&) { return true; });
  EXPECT_TRUE(tcp(named, "45.33.32.156", 22)) << "a rule that names it opens it";
}

TEST(NetPolicy, ANameOpensWhatWasAnsweredForIt) {
  Policy names = policy({"example.org:443", "*.example.net"});
  EXPECT_TRUE(names.name_allowed("example.org"));
  EXPECT_FALSE(names.name_allowed("example.net"));
  EXPECT_FALSE(tcp(names, "93.184.215.14", 443));
  EXPECT_TRUE(names.admit("example.org", at("93.184.215.14"), kNow + seconds(60), kNow));
  EXPECT_TRUE(tcp(names, "93.184.215.14", 443));
  EXPECT_FALSE(tcp(names, "93.184.215.14", 80)) << "the rule's port only";
  EXPECT_FALSE(names.allowed(at("93.184.215.14"), 0, Transport::icmp, kNow));
  EXPECT_TRUE(tcp(names, "93.184.215.14", 443, kNow + seconds(60)));
  EXPECT_FALSE(tcp(names, "93.184.215.14", 443, kNow + seconds(61))) << "for as long as the answer is valid";
  EXPECT_TRUE(names.admit("a.example.net", at("93.184.215.15"), kNow + seconds(60), kNow));
  EXPECT_TRUE(tcp(names, "93.184.215.15", 80));
}

TEST(NetPolicy, PinsOfTwoNamesForOneAddressEndEachInItsTime) {
  Policy names = policy({"a.example:443", "b.example:80"});
  names.admit("a.example", at("8.8.4.4"), kNow + seconds(10), kNow);
  names.admit("b.example", at("8.8.4.4"), kNow + seconds(100), kNow);
  EXPECT_FALSE(tcp(names, "8.8.4.4", 443, kNow + seconds(50)));
  EXPECT_TRUE(tcp(names, "8.8.4.4", 80, kNow + seconds(50)));
  names.admit("b.example", at("8.8.4.4"), kNow + seconds(20), kNow);
  EXPECT_TRUE(tcp(names, "8.8.4.4", 80, kNow + seconds(50))) << "a later answer shortens nothing";
}

TEST(NetPolicy, RebindingOpensNothing) {
  Policy names = policy({"evil.example"});
  names.set_own_address([](const Address& address) { return address == at("45.33.32.156"); });
  for (const char* address : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fd00:ec2::254",
                              "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "45.33.32.156"}) {
    EXPECT_FALSE(names.admit("evil.example", at(address), kNow + seconds(60), kNow)) << address;
    EXPECT_FALSE(tcp(names, address, 80)) << address;
  }
}

TEST(NetPolicy, APrivateAnswerPassesIfTheAddressIsAllowedItself) {
  Policy names = policy({"db.example", "10.1.0.0/16:5432"});
  EXPECT_TRUE(names.admit("db.example", at("10.1.2.3"), kNow + seconds(60), kNow));
  EXPECT_TRUE(tcp(names, "10.1.2.3", 5432));
  EXPECT_FALSE(tcp(names, "10.1.2.3", 80)) << "by the address's rule, not by the name's";
}

TEST(NetPolicy, RemembersABoundedNumberOfPins) {
  Policy names = policy({"*.example"});
  for (uint32_t i = 0; i < 10000; ++i) {
    const uint8_t bytes[4] = {93, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8),
                              static_cast<uint8_t>(i)};
    names.admit("x.example", Address::from4(bytes), kNow + seconds(60 + i), kNow);
  }
  EXPECT_FALSE(tcp(names, "93.0.0.1", 80)) << "the ones that would have ended first went";
  EXPECT_TRUE(tcp(names, "93.0.39.15", 80));
}

TEST(NetPolicy, KnowsTheLoopbackPortsForTheLink) {
  EXPECT_TRUE(policy({}).loopback_ports().empty());
  EXPECT_TRUE(policy({"127.0.0.1", "10.0.0.0/8:80"}).loopback_ports().empty());
  const auto ports = policy({"localhost:8000-8010", "[::1]:9000", "127.0.0.1:80"}).loopback_ports();
  ASSERT_EQ(ports.size(), 2U);
  EXPECT_EQ(ports[0].first, 8000);
  EXPECT_EQ(ports[0].last, 8010);
  EXPECT_EQ(ports[1].first, 80);
}

}  // namespace sandstone::net
