#include "net/address.h"

#include <gtest/gtest.h>

namespace sandstone::net {
namespace {

Address at(const char* text) {
  return *Address::parse(text);
}

}  // namespace

TEST(NetAddress, ReadsOnlyTheStrictForms) {
  for (const char* text : {"127.0.0.1", "0.0.0.0", "::", "::1", "2001:db8::1", "::ffff:1.2.3.4"})
    EXPECT_TRUE(Address::parse(text)) << text;
  for (const char* text : {"", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "1.2.3.4.5", "1.2.3",
                           "256.1.1.1", "::1%lo", "[::1]", "1.2.3.4 ", " 1.2.3.4", "fe80::1%eth0", ":::"})
    EXPECT_FALSE(Address::parse(text)) << text;
  EXPECT_FALSE(Address::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(NetAddress, PrefixesContainWhatTheyShould) {
  const Prefix prefix{at("10.1.16.0"), 20};
  EXPECT_TRUE(prefix.contains(at("10.1.16.0")));
  EXPECT_TRUE(prefix.contains(at("10.1.31.255")));
  EXPECT_FALSE(prefix.contains(at("10.1.32.0")));
  EXPECT_FALSE(prefix.contains(at("10.1.15.255")));
  EXPECT_FALSE(prefix.contains(at("::10.1.16.0"))) << "another family";
  const Prefix everything{at("0.0.0.0"), 0};
  EXPECT_TRUE(everything.contains(at("255.255.255.255")));
  const Prefix one{at("::1"), 128};
  EXPECT_TRUE(one.contains(at("::1")));
  EXPECT_FALSE(one.contains(at("::2")));
  EXPECT_TRUE(prefix.inside({at("10.0.0.0"), 8}));
  EXPECT_FALSE((Prefix{at("10.0.0.0"), 8}).inside(prefix));
}

TEST(NetAddress, KnowsWhatIsNotPublic) {
  const std::pair<const char*, const char*> kKinds[] = {
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"10.0.0.1", "private"},
      {"100.64.0.1", "private"},
      {"100.127.255.255", "private"},
      {"127.0.0.1", "loopback"},
      {"127.255.0.1", "loopback"},
      {"168.63.129.16", "metadata"},
      {"169.254.1.1", "link-local"},
      {"169.254.169.254", "metadata"},
      {"172.16.0.1", "private"},
      {"172.31.255.255", "private"},
      {"192.168.0.1", "private"},
      {"198.18.0.1", "benchmarking"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.255", "multicast"},
      {"240.0.0.1", "reserved"},
      {"255.255.255.255", "broadcast"},
      {"::", "unspecified"},
      {"::1", "loopback"},
      {"::7f00:1", "unspecified"},
      {"::ffff:8.8.8.8", "IPv4-mapped"},
      {"::ffff:0:8.8.8.8", "IPv4-translated"},
      {"64:ff9b::7f00:1", "NAT64"},
      {"64:ff9b::a9fe:a9fe", "NAT64"},
      {"64:ff9b:1::8.8.8.8", "private"},
      {"2001:0:808:808::1", "reserved"},
      {"2002:7f00:1::1", "6to4"},
      {"2002:808:808::1", "6to4"},
      {"2001:db8::1", "documentation"},
      {"3fff::1", "documentation"},
      {"fc00::1", "private"},
      {"fd00:ec2::254", "metadata"},
      {"fe80::1", "link-local"},
      {"fec0::1", "private"},
      {"ff02::1", "multicast"},
      {"4000::1", "reserved"},
      {"100::1", "reserved"},
  };
  for (const auto& [address, kind] : kKinds) {
    EXPECT_STREQ(kind_of(at(address)), kind) << address;
    EXPECT_NE(special_range(at(address)), nullptr) << address;
  }
}

TEST(NetAddress, KnowsWhatIsPublic) {
  for (const char* address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "128.0.0.1",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "223.255.255.255", "2606:4700::1111", "2a00::1", "64:ff9b::808:808"}) {
    EXPECT_EQ(special_range(at(address)), nullptr) << address;
    EXPECT_STREQ(kind_of(at(address)), "public") << address;
  }
}

}  // namespace sandstone::net
