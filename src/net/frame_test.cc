#include "net/frame.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "net/addresses.h"
#include "net/reply_frame.h"

namespace sandstone::net {
namespace {

using Bytes = std::vector<uint8_t>;

// 10.0.2.15:4660 -> 93.184.215.14:80, SYN.
const Bytes kTcp4{
    0x52, 0x55, 10, 0,  2, 2, 0x52, 0x54, 0,  10, 2, 15, 0x08, 0x00,                                //
    0x45, 0,    0,  40, 0, 1, 0x40, 0,    64, 6,  0, 0,  10,   0,    2,    15,   93, 184, 215, 14,  //
    0x12, 0x34, 0,  80, 0, 0, 0,    1,    0,  0,  0, 0,  0x50, 0x02, 0xff, 0xff, 0,  0,   0,   0};

// [fd00::15]:4660 -> [2606::1]:53, 4 bytes.
const Bytes kUdp6{0x52, 0x55, 10, 0,  2, 2,  0x52, 0x54, 0,   10,  2,   15, 0x86, 0xdd,           //
                  0x60, 0,    0,  0,  0, 12, 17,   64,                                            //
                  0xfd, 0,    0,  0,  0, 0,  0,    0,    0,   0,   0,   0,  0,    0,    0, 0x15,  //
                  0x26, 0x06, 0,  0,  0, 0,  0,    0,    0,   0,   0,   0,  0,    0,    0, 1,     //
                  0x12, 0x34, 0,  53, 0, 12, 0,    0,    'a', 'b', 'c', 'd'};

const Frame& good(const std::variant<Frame, FrameFault>& parsed) {
  const FrameFault* fault = std::get_if<FrameFault>(&parsed);
  EXPECT_EQ(fault, nullptr) << fault->reason;
  return std::get<Frame>(parsed);
}

std::string reason(Bytes frame, size_t at, uint8_t value) {
  frame[at] = value;
  const auto parsed = parse_frame(frame);
  const FrameFault* fault = std::get_if<FrameFault>(&parsed);
  return fault == nullptr ? "" : fault->reason;
}

}  // namespace

TEST(NetFrame, ReadsTcp) {
  const auto parsed = parse_frame(kTcp4);
  const Frame& frame = good(parsed);
  EXPECT_EQ(frame.kind, Frame::Kind::tcp);
  EXPECT_EQ(frame.source, Address::from4(kGuest4));
  EXPECT_EQ(frame.destination, *Address::parse("93.184.215.14"));
  EXPECT_EQ(frame.source_port, 4660);
  EXPECT_EQ(frame.destination_port, 80);
  EXPECT_TRUE(frame.opens_connection);
  EXPECT_EQ(frame.packet.size(), 40U);
  EXPECT_EQ(spoofed(frame), nullptr);
}

TEST(NetFrame, OnlySynWithoutAckOpensAConnection) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    Bytes frame = kTcp4;
    frame[47] = static_cast<uint8_t>(flags);
    const auto parsed = parse_frame(frame);
    EXPECT_EQ(good(parsed).opens_connection, (flags & 0x02) != 0 && (flags & 0x10) == 0) << flags;
  }
}

TEST(NetFrame, ReadsUdpOverIpv6) {
  const auto parsed = parse_frame(kUdp6);
  const Frame& frame = good(parsed);
  EXPECT_EQ(frame.kind, Frame::Kind::udp);
  EXPECT_EQ(frame.destination_port, 53);
  EXPECT_EQ(std::string(frame.payload.begin(), frame.payload.end()), "abcd");
  EXPECT_EQ(spoofed(frame), nullptr);
}

TEST(NetFrame, PaddingIsNoPartOfThePacket) {
  Bytes padded = kTcp4;
  padded.resize(200);
  const auto parsed = parse_frame(padded);
  EXPECT_EQ(good(parsed).packet.size(), 40U);
}

TEST(NetFrame, RefusesWhatCouldMeanTwoThings) {
  EXPECT_EQ(reason(kTcp4, 14, 0x46), "IPv4 options");
  EXPECT_EQ(reason(kTcp4, 14, 0x44), "IPv4 options");
  EXPECT_EQ(reason(kTcp4, 14, 0x65), "IPv4 with another version in it");
  EXPECT_EQ(reason(kTcp4, 17, 41), "impossible IPv4 length");
  EXPECT_EQ(reason(kTcp4, 17, 19), "impossible IPv4 length");
  EXPECT_EQ(reason(kTcp4, 17, 39), "cut-off TCP header");
  EXPECT_EQ(reason(kTcp4, 20, 0x20), "IPv4 fragment") << "more fragments";
  EXPECT_EQ(reason(kTcp4, 21, 0x01), "IPv4 fragment") << "an offset";
  EXPECT_EQ(reason(kTcp4, 20, 0x00), "") << "may be fragmented, and is not";
  EXPECT_EQ(reason(kTcp4, 46, 0x40), "impossible TCP header length");
  EXPECT_EQ(reason(kTcp4, 46, 0x60), "impossible TCP header length");
  EXPECT_EQ(reason(kTcp4, 23, 47), "IPv4 protocol that is not TCP, UDP or ICMP");
  EXPECT_EQ(reason(kTcp4, 12, 0x81), "EtherType that is not IP or ARP");
  EXPECT_EQ(reason(kUdp6, 14, 0x40), "IPv6 with another version in it");
  EXPECT_EQ(reason(kUdp6, 19, 13), "impossible IPv6 length");
  EXPECT_EQ(reason(kUdp6, 19, 11), "UDP length that differs from the packet's");
  EXPECT_EQ(reason(kUdp6, 59, 11), "UDP length that differs from the packet's");
  for (const int header : {43, 50, 51, 60, 135})
    EXPECT_EQ(reason(kUdp6, 20, static_cast<uint8_t>(header)), "IPv6 extension header") << header;
  EXPECT_EQ(reason(kUdp6, 20, 44), "IPv6 fragment");
  EXPECT_EQ(reason(kUdp6, 20, 0), "IPv6 hop-by-hop options");
  EXPECT_EQ(reason(kUdp6, 20, 4), "IPv6 protocol that is not TCP, UDP or ICMPv6") << "a tunnel";
}

TEST(NetFrame, KnowsASourceThatIsNotTheSandboxs) {
  Bytes frame = kTcp4;
  frame[29] = 16;
  EXPECT_STREQ(spoofed(good(parse_frame(frame))), "spoofed source address");
  Bytes frame6 = kUdp6;
  frame6[37] = 0x16;
  EXPECT_STREQ(spoofed(good(parse_frame(frame6))), "spoofed source address");
}

TEST(NetFrame, EveryCutIsRefused) {
  for (const Bytes& whole : {kTcp4, kUdp6})
    for (size_t length = 0; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
      EXPECT_TRUE(std::holds_alternative<FrameFault>(parse_frame(cut))) << length;
    }
  EXPECT_TRUE(std::holds_alternative<FrameFault>(parse_frame(Bytes(kMaxFrame + 1))));
}

TEST(NetFrame, SurvivesAnything) {
  std::mt19937 random(1);
  for (int i = 0; i < 300000; ++i) {
    Bytes frame = random() % 2 ? kTcp4 : kUdp6;
    for (auto change = random() % 6 + 1; change > 0; --change)
      frame[12 + random() % (frame.size() - 12)] = static_cast<uint8_t>(random());
    frame.resize(random() % (frame.size() + 20));
    const auto parsed = parse_frame(frame);
    if (const Frame* read = std::get_if<Frame>(&parsed); read != nullptr && !read->packet.empty()) {
      ASSERT_LE(read->packet.data() + read->packet.size(), frame.data() + frame.size());
      build_refusal(*read);
    }
  }
}

TEST(NetReplyFrame, AnswersADatagramWithTheRightChecksums) {
  const Bytes mac(6, 7);
  const Bytes payload{'a', 'b', 'c'};
  for (const bool v6 : {false, true}) {
    const Address from = v6 ? Address::from6(kDns6) : Address::from4(kDns4);
    const Address to = v6 ? Address::from6(kGuest6) : Address::from4(kGuest4);
    const Bytes out = build_datagram_reply(from, 53, to, 4660, mac, payload);
    const auto parsed = parse_frame(out);
    const Frame& frame = good(parsed);
    EXPECT_EQ(frame.kind, Frame::Kind::udp);
    EXPECT_EQ(frame.source, from);
    EXPECT_EQ(frame.destination, to);
    EXPECT_EQ(frame.source_port, 53);
    EXPECT_EQ(frame.destination_port, 4660);
    EXPECT_EQ(Bytes(frame.payload.begin(), frame.payload.end()), payload);
    // A sum over what includes its own checksum is all ones (RFC 1071).
    uint32_t sum = 17 + 8 + 3;
    const auto add = [&](const uint8_t* data, size_t size) {
      for (size_t i = 0; i < size; ++i) sum += i % 2 ? data[i] : static_cast<uint32_t>(data[i] << 8);
    };
    add(from.bytes.data(), from.bits() / 8);
    add(to.bytes.data(), to.bits() / 8);
    add(out.data() + out.size() - 11, 11);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    EXPECT_EQ(sum, 0xffffU);
  }
}

TEST(NetReplyFrame, AnnouncementsAreTheWorkloadsOwn) {
  for (const Bytes& bytes : {build_arp_announcement(), build_neighbour_announcement()}) {
    const auto parsed = parse_frame(bytes);
    const Frame& frame = good(parsed);
    EXPECT_EQ(frame.kind, frame.source.v6 ? Frame::Kind::neighbour : Frame::Kind::arp);
    EXPECT_EQ(spoofed(frame), nullptr);
    EXPECT_EQ(Bytes(frame.source_mac.begin(), frame.source_mac.end()), Bytes(kGuestMac, kGuestMac + 6));
  }
}

TEST(NetReplyFrame, ARefusalQuotesWhatWasRefused) {
  const Bytes out = build_refusal(good(parse_frame(kTcp4)));
  ASSERT_EQ(out.size(), 14U + 20 + 8 + 28);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 6), Bytes(kTcp4.begin() + 6, kTcp4.begin() + 12));
  EXPECT_EQ(out[34], 3) << "destination unreachable";
  EXPECT_EQ(out[35], 13) << "administratively prohibited";
  EXPECT_EQ(Bytes(out.begin() + 42, out.end()), Bytes(kTcp4.begin() + 14, kTcp4.begin() + 42));
  const Bytes out6 = build_refusal(good(parse_frame(kUdp6)));
  EXPECT_EQ(out6[54], 1);
  EXPECT_EQ(out6[55], 1);
}

}  // namespace sandstone::net
