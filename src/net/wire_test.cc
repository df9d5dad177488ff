#include "net/wire.h"

#include <gtest/gtest.h>

namespace sandstone::net {

TEST(NetWire, CarriesThePolicy) {
  PortForward forward;
  forward.host_port = 8080;
  forward.sandbox_port = 80;
  forward.udp = true;
  auto read = decode_policy(encode(PolicyMessage{{"example.org:443", "10.0.0.0/8"}, {forward}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->allow, (std::vector<std::string>{"example.org:443", "10.0.0.0/8"}));
  ASSERT_EQ(read->forwards.size(), 1U);
  EXPECT_EQ(read->forwards[0].host_address, "127.0.0.1");
  EXPECT_EQ(read->forwards[0].host_port, 8080);
  EXPECT_EQ(read->forwards[0].sandbox_port, 80);
  EXPECT_TRUE(read->forwards[0].udp);
}

TEST(NetWire, CarriesEventsWithAnyBytes) {
  const std::string hostile = std::string("a\0\x1b[2J\xff\"}", 9);
  auto read = decode_event(encode(NetDenial{"dns", hostile, 7}));
  ASSERT_TRUE(read);
  const NetDenial& denial = std::get<NetDenial>(*read);
  EXPECT_EQ(denial.operation, "dns");
  EXPECT_EQ(denial.count, 7U);
  EXPECT_EQ(denial.subject, std::string("a\0\x1b[2J\xef\xbf\xbd\"}", 11)) << "what is not UTF-8 is replaced";
  auto error = decode_event(encode(Error{"-p", "taken", "another"}));
  EXPECT_EQ(std::get<Error>(*error).where, "-p");
  EXPECT_TRUE(std::holds_alternative<Ready>(*decode_event(encode(Ready{}))));
}

TEST(NetWire, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "{}", "[]", "null", "{\"denial\":1}", "{\"ready\":true,\"denial\":{}}",
                           "{\"what\":{}}", "{", "\xff\xfe"})
    EXPECT_FALSE(decode_event(text)) << text;
  for (const char* text :
       {"", "{}", "{\"allow\":[]}", "{\"allow\":[1],\"forwards\":[]}", "{\"allow\":[],\"forwards\":[1]}",
        "{\"allow\":[],\"forwards\":[{\"port\":0,\"to\":1}]}",
        "{\"allow\":[],\"forwards\":[{\"port\":65536,\"to\":1}]}",
        "{\"allow\":[],\"forwards\":[{\"port\":\"80\",\"to\":1}]}"})
    EXPECT_FALSE(decode_policy(text)) << text;
}

}  // namespace sandstone::net
