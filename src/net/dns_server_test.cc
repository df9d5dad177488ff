#include "net/dns_server.h"

#include <gtest/gtest.h>

#include <map>

namespace sandstone::net {
namespace {

using std::chrono::seconds;

struct Zone : Resolver {
  void lookup(const std::string& name, uint16_t type, Answer answer) override {
    asked.push_back(name);
    std::vector<ResolvedAddress> found;
    for (const ResolvedAddress& entry : names[name])
      if (entry.address.v6 == (type == kDnsTypeAaaa)) found.push_back(entry);
    answer(names[name].empty() ? DnsStatus::no_such_name : DnsStatus::ok, found);
  }
  std::map<std::string, std::vector<ResolvedAddress>> names;
  std::vector<std::string> asked;
};

struct Served {
  explicit Served(const std::vector<std::string>& rules) : policy(*Policy::parse(rules)) {}

  std::vector<uint8_t> ask(const std::vector<std::string>& labels, uint8_t type = kDnsTypeA,
                           uint8_t klass = 1) {
    std::vector<uint8_t> message{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    for (const std::string& label : labels) {
      message.push_back(static_cast<uint8_t>(label.size()));
      message.insert(message.end(), label.begin(), label.end());
    }
    message.insert(message.end(), {0, 0, type, 0, klass});
    std::vector<uint8_t> out;
    server.handle(message, Transport::udp, Clock::now(), [&](const auto& reply) { out = reply; });
    return out;
  }
  void name(const std::string& name, const char* address, int ttl = 300) {
    zone.names[name].push_back({*Address::parse(address), seconds(ttl)});
  }
  bool reaches(const char* address) {
    return policy.allowed(*Address::parse(address), 80, Transport::tcp, Clock::now());
  }

  std::vector<std::string> denied;
  Policy policy;
  Denials denials{[this](const NetDenial& denial) { denied.push_back(denial.subject); }};
  Zone zone;
  DnsServer server{policy, denials, zone};
};

int status(const std::vector<uint8_t>& reply) {
  return reply.at(3) & 15;
}
int answers(const std::vector<uint8_t>& reply) {
  return reply.at(7);
}

}  // namespace

TEST(DnsServer, AnswersAllowedNamesAndPinsThem) {
  Served served({"example.org:80"});
  served.name("example.org", "93.184.215.14");
  EXPECT_FALSE(served.reaches("93.184.215.14"));
  const auto reply = served.ask({"eXample", "org"});
  EXPECT_EQ(status(reply), 0);
  EXPECT_EQ(answers(reply), 1);
  EXPECT_TRUE(served.reaches("93.184.215.14"));
}

TEST(DnsServer, AsksNobodyForOtherNames) {
  Served served({"example.org"});
  for (const std::vector<std::string>& labels : {std::vector<std::string>{"secret", "evil", "example"},
                                                 {"www", "example", "org"},
                                                 {"org"},
                                                 {},
                                                 {"a b", "org"},
                                                 {std::string("example\0org", 11)},
                                                 {"127", "1"},
                                                 {"1", "2", "3", "4"}})
    EXPECT_EQ(status(served.ask(labels)), 3);
  EXPECT_TRUE(served.zone.asked.empty());
  EXPECT_EQ(served.denied.size(), 8U);
  EXPECT_EQ(served.denied[0], "secret.evil.example");
}

TEST(DnsServer, OtherTypesAreEmptyAndAskNobody) {
  Served served({"example.org"});
  served.name("example.org", "93.184.215.14");
  for (const uint8_t type :
       {uint8_t{2}, uint8_t{5}, uint8_t{15}, uint8_t{16}, uint8_t{33}, uint8_t{65}, uint8_t{255}}) {
    const auto reply = served.ask({"example", "org"}, type);
    EXPECT_EQ(status(reply), 0);
    EXPECT_EQ(answers(reply), 0);
  }
  EXPECT_EQ(status(served.ask({"version", "bind"}, 16, 3)), 4) << "another class";
  EXPECT_TRUE(served.zone.asked.empty());
}

TEST(DnsServer, FiltersAnswersThatAreNotPublic) {
  Served served({});
  served.name("mixed.example", "10.1.2.3");
  served.name("mixed.example", "93.184.215.14");
  served.name("evil.example", "127.0.0.1");
  served.name("evil.example", "::ffff:127.0.0.1");
  EXPECT_EQ(answers(served.ask({"mixed", "example"})), 1);
  EXPECT_EQ(answers(served.ask({"evil", "example"})), 0);
  EXPECT_EQ(answers(served.ask({"evil", "example"}, kDnsTypeAaaa)), 0);
  EXPECT_EQ(served.denied, (std::vector<std::string>{"mixed.example -> 10.1.2.3 (private)",
                                                     "evil.example -> 127.0.0.1 (loopback)",
                                                     "evil.example -> ::ffff:127.0.0.1 (IPv4-mapped)"}));
}

TEST(DnsServer, KnowsTheHostByName) {
  Served served({"example.org"});
  for (const char* name : {"host.sandstone.internal", "host.docker.internal", "localhost"}) {
    std::vector<std::string> labels;
    for (std::string rest = name; !rest.empty();) {
      labels.push_back(rest.substr(0, rest.find('.')));
      rest = rest.find('.') == std::string::npos ? "" : rest.substr(rest.find('.') + 1);
    }
    EXPECT_EQ(answers(served.ask(labels)), 1) << name;
  }
  EXPECT_TRUE(served.zone.asked.empty());
  EXPECT_FALSE(served.reaches("127.0.0.1"));
}

TEST(DnsServer, BoundsTheTimeThatAnAnswerMayBeUsed) {
  Served served({"example.org"});
  served.name("example.org", "93.184.215.14", 1'000'000'000);
  const auto reply = served.ask({"example", "org"});
  const size_t ttl = reply.size() - 10;
  EXPECT_EQ(reply[ttl] << 24 | reply[ttl + 1] << 16 | reply[ttl + 2] << 8 | reply[ttl + 3], kMaxTtl.count());
  EXPECT_FALSE(served.policy.allowed(*Address::parse("93.184.215.14"), 80, Transport::tcp,
                                     Clock::now() + kMaxTtl + kPinGrace + seconds(10)));
}

}  // namespace sandstone::net
