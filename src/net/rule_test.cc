#include "net/rule.h"

#include <gtest/gtest.h>

namespace sandstone::net {
namespace {

Rule rule(const char* text) {
  auto rules = parse_rule(text);
  EXPECT_TRUE(rules) << text << ": " << (rules ? "" : rules.error().line());
  return rules ? rules->front() : Rule{};
}

Address at(const char* text) {
  return *Address::parse(text);
}

}  // namespace

TEST(NetRule, ReadsNames) {
  EXPECT_EQ(rule("example.org").name, "example.org");
  EXPECT_EQ(rule("Example.ORG.").name, "example.org");
  EXPECT_EQ(rule("example.org:443").ports.first, 443);
  EXPECT_EQ(rule("example.org:443").ports.last, 443);
  EXPECT_EQ(rule("example.org:80-90").ports.last, 90);
  EXPECT_TRUE(rule("example.org").any_port());
  EXPECT_EQ(rule("*.example.org").kind, Rule::Kind::subdomains);
  EXPECT_EQ(rule("public:443").kind, Rule::Kind::public_addresses);
}

TEST(NetRule, ReadsAddresses) {
  EXPECT_EQ(rule("10.0.0.0/8").prefix.length, 8U);
  EXPECT_EQ(rule("10.1.2.3").prefix.length, 32U);
  EXPECT_EQ(rule("10.1.2.3:80").ports.first, 80);
  EXPECT_EQ(rule("10.0.0.0/8:80").ports.first, 80);
  EXPECT_EQ(rule("2001:4860::8888").prefix.length, 128U);
  EXPECT_EQ(rule("2001:4860::/32").prefix.length, 32U);
  EXPECT_EQ(rule("[2001:4860::8888]:53").ports.first, 53);
  EXPECT_EQ(rule("[2001:4860::/32]:53").prefix.length, 32U);
  EXPECT_EQ(rule("[2001:4860::]/32:53").ports.first, 53);
  EXPECT_TRUE(rule("2001:4860::443").any_port()) << "without brackets the last group is no port";
}

TEST(NetRule, LocalhostIsBothLoopbacks) {
  const auto rules = parse_rule("localhost:8000");
  ASSERT_TRUE(rules);
  ASSERT_EQ(std::as_const(rules).value().size(), 2U);
  EXPECT_EQ(rules.value()[0].prefix.address, at("127.0.0.1"));
  EXPECT_EQ(rules.value()[1].prefix.address, at("::1"));
  EXPECT_EQ(rules.value()[1].ports.first, 8000);
}

TEST(NetRule, RefusesWithThePlaceAndARemedy) {
  for (const char* text : {"",
                           ":80",
                           "*",
                           "*.",
                           "*example.org",
                           "a.*.org",
                           "example.org:",
                           "example.org:0",
                           "example.org:65536",
                           "example.org:90-80",
                           "example.org:http",
                           "example.org:080",
                           "example.org:80:90",
                           "exa mple.org",
                           "example..org",
                           "-a.org",
                           "a-.org",
                           "b\u00fccher.example",
                           "http://example.org",
                           "127.1",
                           "2130706433",
                           "0x7f.1",
                           "1.2.3.4.5",
                           "1.2.3.4/33",
                           "1.2.3.4/",
                           "1.2.3.4/8",
                           "example.org/24",
                           "[example.org]:80",
                           "[::1",
                           "[::1]80",
                           "::1/129",
                           "2001:db8::1/32",
                           "::ffff:1.2.3.4",
                           "127.0.0.2",
                           "127.0.0.0/8",
                           "0.0.0.0",
                           "224.0.0.1",
                           "255.255.255.255",
                           "ff02::1",
                           "fe80::1",
                           "10.0.2.0/24",
                           "10.0.2.7",
                           "fd00::5"}) {
    const auto rules = parse_rule(text);
    ASSERT_FALSE(rules) << text;
    EXPECT_EQ(rules.error().where, "--allow") << text;
  }
  EXPECT_EQ(parse_rule("10.0.0.5/8").error().remedy, "write 10.0.0.0/8");
  EXPECT_EQ(parse_rule("::ffff:1.2.3.4").error().remedy, "write 1.2.3.4");
  EXPECT_EQ(parse_rule("127.0.0.53").error().remedy, "allow 127.0.0.1:PORT");
}

TEST(NetRule, NamesMatchExactlyOrBelow) {
  EXPECT_TRUE(rule("example.org").matches_name("example.org"));
  EXPECT_FALSE(rule("example.org").matches_name("www.example.org"));
  const Rule below = rule("*.example.org");
  EXPECT_TRUE(below.matches_name("www.example.org"));
  EXPECT_TRUE(below.matches_name("a.b.example.org"));
  EXPECT_FALSE(below.matches_name("example.org"));
  EXPECT_FALSE(below.matches_name("notexample.org"));
  EXPECT_FALSE(below.matches_name(".example.org"));
  EXPECT_FALSE(below.matches_name("example.org.evil.net"));
  EXPECT_FALSE(rule("10.0.0.0/8").matches_name("10.0.0.0"));
}

TEST(NetRule, OpensASpecialRangeOnlyFromWithin) {
  EXPECT_TRUE(rule("10.0.0.0/8").opens(at("10.1.2.3")));
  EXPECT_FALSE(rule("0.0.0.0/0").opens(at("10.1.2.3")));
  EXPECT_FALSE(rule("8.0.0.0/6").opens(at("10.1.2.3")));
  EXPECT_TRUE(rule("8.0.0.0/6").opens(at("8.8.8.8")));
  EXPECT_FALSE(rule("169.254.0.0/16").opens(at("169.254.169.254")));
  EXPECT_TRUE(rule("169.254.169.254").opens(at("169.254.169.254")));
  EXPECT_FALSE(rule("fc00::/7").opens(at("fd00:ec2::254")));
  EXPECT_TRUE(rule("fc00::/7").opens(at("fd12::1")));
  EXPECT_FALSE(rule("::/0").opens(at("::1")));
  EXPECT_FALSE(rule("::/0").opens(at("4000::1")));
  EXPECT_FALSE(rule("::/0").opens(at("::ffff:127.0.0.1")));
  EXPECT_TRUE(rule("::/0").opens(at("2606:4700::1111")));
  EXPECT_FALSE(rule("public").opens(at("127.0.0.1")));
  EXPECT_FALSE(rule("0.0.0.0/0").opens(at("127.0.0.1")));
  EXPECT_TRUE(rule("127.0.0.1").opens(at("127.0.0.1")));
  EXPECT_TRUE(rule("64:ff9b::808:808").opens(at("64:ff9b::808:808")));
  EXPECT_FALSE(parse_rule("64:ff9b::7f00:1")) << "the loopback behind a translator";
  EXPECT_FALSE(rule("example.org").opens(at("8.8.8.8"))) << "names open nothing by themselves";
}

}  // namespace sandstone::net
