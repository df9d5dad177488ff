#include "net/dns_message.h"

#include <gtest/gtest.h>

#include <random>

namespace sandstone::net {
namespace {

using Bytes = std::vector<uint8_t>;

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

Bytes query(const std::vector<std::string>& labels, unsigned type = kDnsTypeA, bool edns = false,
            unsigned udp_size = 1232) {
  Bytes out;
  for (const unsigned word : {0x1234U, 0x0100U, 1U, 0U, 0U, edns ? 1U : 0U}) put16(out, word);
  for (const std::string& label : labels) {
    out.push_back(static_cast<uint8_t>(label.size()));
    out.insert(out.end(), label.begin(), label.end());
  }
  out.push_back(0);
  put16(out, type);
  put16(out, 1);
  if (edns) {
    out.push_back(0);
    for (const unsigned word : {41U, udp_size, 0U, 0U, 0U}) put16(out, word);
  }
  return out;
}

}  // namespace

TEST(DnsMessage, ReadsAQuery) {
  const auto read = parse_dns_query(query({"WWW", "example", "org"}, kDnsTypeAaaa, true));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, DnsStatus::ok);
  EXPECT_EQ(read->id, 0x1234);
  EXPECT_EQ(read->name, "www.example.org");
  EXPECT_EQ(read->type, kDnsTypeAaaa);
  EXPECT_TRUE(read->recursion_desired);
  EXPECT_TRUE(read->edns);
  EXPECT_EQ(read->reply_limit, 1232U);
  EXPECT_EQ(read->question.size(), 17U + 4U);
  EXPECT_EQ(parse_dns_query(query({"a"}, 1, true, 65535))->reply_limit, kDnsMaxReply);
  EXPECT_EQ(parse_dns_query(query({"a"}, 1, true, 1))->reply_limit, kDnsPlainReply);
}

TEST(DnsMessage, DoesNotAnswerReplies) {
  Bytes reply = query({"a"});
  reply[2] |= 0x80;
  EXPECT_FALSE(parse_dns_query(reply)) << "or two servers could be made to talk to each other for ever";
  EXPECT_FALSE(parse_dns_query(Bytes(11)));
  EXPECT_FALSE(parse_dns_query({}));
}

TEST(DnsMessage, RefusesWhatIsMalformed) {
  const auto status = [](const Bytes& message) { return parse_dns_query(message)->status; };
  const Bytes good = query({"example", "org"}, 1, true);
  for (size_t length = 12; length < good.size(); ++length)
    EXPECT_EQ(status(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(length))),
              DnsStatus::format_error)
        << length;
  Bytes pointer = query({"a"});
  pointer[12] = 0xc0;
  EXPECT_EQ(status(pointer), DnsStatus::format_error) << "compression in a question";
  Bytes many = query({"a"});
  many[5] = 2;
  EXPECT_EQ(status(many), DnsStatus::format_error);
  Bytes answers = query({"a"});
  answers[7] = 1;
  EXPECT_EQ(status(answers), DnsStatus::format_error);
  Bytes opcode = query({"a"});
  opcode[2] |= 0x28;
  EXPECT_EQ(status(opcode), DnsStatus::not_implemented);
  EXPECT_EQ(
      status(query({std::string(63, 'a'), std::string(63, 'b'), std::string(63, 'c'), std::string(61, 'd')})),
      DnsStatus::ok)
      << "255 bytes, the longest name";
  EXPECT_EQ(
      status(query({std::string(63, 'a'), std::string(63, 'b'), std::string(63, 'c'), std::string(62, 'd')})),
      DnsStatus::format_error);
  EXPECT_EQ(status(query({"www.example", "org"})), DnsStatus::format_error) << "a dot inside a label";
  Bytes twice = query({"a"}, 1, true);
  twice[11] = 2;
  twice.insert(twice.end(), twice.end() - 11, twice.end());
  EXPECT_EQ(status(twice), DnsStatus::format_error) << "two EDNS records";
  Bytes large = query({"a"});
  large.resize(kDnsMaxQuery + 1);
  EXPECT_EQ(status(large), DnsStatus::format_error);
}

TEST(DnsMessage, SurvivesAnything) {
  std::mt19937 random(1);
  const Bytes good = query({"example", "org"}, 1, true);
  for (int i = 0; i < 200000; ++i) {
    Bytes message = good;
    for (auto change = random() % 4 + 1; change > 0; --change)
      message[random() % message.size()] = static_cast<uint8_t>(random());
    message.resize(random() % (message.size() + 1));
    const auto read = parse_dns_query(message);
    if (!read) continue;
    const DnsReply reply{.addresses = std::vector<Address>(random() % 40)};
    EXPECT_LE(build_dns_reply(*read, reply, read->reply_limit).size(), read->reply_limit);
  }
}

TEST(DnsMessage, WritesAReply) {
  const auto read = parse_dns_query(query({"example", "org"}));
  const Bytes reply =
      build_dns_reply(*read, {.addresses = {*Address::parse("93.184.215.14")}, .ttl = 300}, 512);
  const Bytes expected_head{0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0};
  EXPECT_EQ(Bytes(reply.begin(), reply.begin() + 12), expected_head);
  const Bytes expected_tail{0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 93, 184, 215, 14};
  EXPECT_EQ(Bytes(reply.end() - 16, reply.end()), expected_tail);
}

TEST(DnsMessage, SaysWhenNotEverythingFits) {
  const auto read = parse_dns_query(query({"example", "org"}));
  const DnsReply all{.addresses = std::vector<Address>(64)};
  const Bytes cut = build_dns_reply(*read, all, kDnsPlainReply);
  EXPECT_LE(cut.size(), kDnsPlainReply);
  EXPECT_EQ(cut[2] & 2, 2) << "truncated";
  EXPECT_EQ(cut[7], (kDnsPlainReply - 12 - 17) / 16);
  const Bytes whole = build_dns_reply(*read, all, kDnsMaxReply);
  EXPECT_EQ(whole[2] & 2, 0);
  EXPECT_EQ(whole[7], 64);
}

TEST(DnsMessage, TellsClientsThatSpeakEdnsThatItWasPolicy) {
  const auto read = parse_dns_query(query({"evil"}, 1, true));
  const Bytes reply =
      build_dns_reply(*read, {.status = DnsStatus::no_such_name, .refused_by_policy = true}, 512);
  EXPECT_EQ(reply[3] & 15, 3);
  const Bytes expected{0, 15, 0, 2, 0, 18};
  EXPECT_EQ(Bytes(reply.end() - 6, reply.end()), expected);
}

}  // namespace sandstone::net
