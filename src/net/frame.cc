#include "net/frame.h"

#include "net/addresses.h"

namespace sandstone::net {
namespace {

using Bytes = std::span<const uint8_t>;
using Parsed = std::variant<Frame, FrameFault>;

constexpr size_t kArp = 28;
constexpr size_t kIpv4 = 20;
constexpr size_t kIpv6 = 40;
constexpr size_t kTcp = 20;
constexpr size_t kUdp = 8;
constexpr size_t kIcmp = 8;

uint16_t u16(Bytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

FrameFault quiet(const char* reason) {
  return {reason, false};
}
FrameFault loud(const char* reason) {
  return {reason, true};
}

Parsed parse_arp(Bytes arp, Frame frame) {
  if (arp.size() < kArp) return quiet("cut-off ARP");
  // Ethernet and IPv4, a request or a reply.
  if (u16(arp, 0) != 1 || u16(arp, 2) != 0x0800 || arp[4] != 6 || arp[5] != 4)
    return quiet("ARP of another kind");
  if (u16(arp, 6) != 1 && u16(arp, 6) != 2) return quiet("ARP of another kind");
  frame.kind = Frame::Kind::arp;
  frame.source = Address::from4(arp.data() + 14);
  frame.destination = Address::from4(arp.data() + 24);
  return frame;
}

Parsed parse_tcp(Bytes segment, Frame frame) {
  if (segment.size() < kTcp) return loud("cut-off TCP header");
  const size_t header = size_t{4} * (segment[12] >> 4);
  if (header < kTcp || header > segment.size()) return loud("impossible TCP header length");
  constexpr uint8_t kSyn = 0x02;
  constexpr uint8_t kAck = 0x10;
  frame.kind = Frame::Kind::tcp;
  frame.source_port = u16(segment, 0);
  frame.destination_port = u16(segment, 2);
  frame.opens_connection = (segment[13] & (kSyn | kAck)) == kSyn;
  return frame;
}

Parsed parse_udp(Bytes datagram, Frame frame) {
  if (datagram.size() < kUdp) return loud("cut-off UDP header");
  // Shorter than the packet is legal to IP and used by nobody but to make two readers see two lengths.
  if (u16(datagram, 4) != datagram.size()) return loud("UDP length that differs from the packet's");
  frame.kind = Frame::Kind::udp;
  frame.source_port = u16(datagram, 0);
  frame.destination_port = u16(datagram, 2);
  frame.payload = datagram.subspan(kUdp);
  return frame;
}

Parsed parse_ipv4(Bytes packet, Frame frame) {
  if (packet.size() < kIpv4) return loud("cut-off IPv4 header");
  if (packet[0] >> 4 != 4) return loud("IPv4 with another version in it");
  if ((packet[0] & 0xf) != 5) return loud("IPv4 options");
  const size_t length = u16(packet, 2);
  if (length < kIpv4 || length > packet.size()) return loud("impossible IPv4 length");
  packet = packet.first(length);  // the rest is Ethernet's padding
  frame.packet = packet;
  frame.source = Address::from4(packet.data() + 12);
  frame.destination = Address::from4(packet.data() + 16);
  // A fragment but the first has no ports, so nothing can be decided about it; and a first one can be
  // overwritten by the next (RFC 1858). The link's MTU leaves programs nothing to fragment.
  if ((u16(packet, 6) & 0x3fff) != 0) return loud("IPv4 fragment");
  const Bytes content = packet.subspan(kIpv4);
  switch (packet[9]) {
    case 6:
      return parse_tcp(content, frame);
    case 17:
      return parse_udp(content, frame);
    case 1:
      if (content.size() < kIcmp) return loud("cut-off ICMP header");
      if (content[0] != 8 || content[1] != 0) return quiet("ICMP that is not an echo request");
      frame.kind = Frame::Kind::echo;
      return frame;
    case 2:
      return quiet("IGMP");
    default:
      return loud("IPv4 protocol that is not TCP, UDP or ICMP");
  }
}

Parsed parse_icmp6(Bytes message, Frame frame, uint8_t hop_limit) {
  if (message.size() < kIcmp) return loud("cut-off ICMPv6 header");
  constexpr uint8_t kEchoRequest = 128;
  constexpr uint8_t kSolicitation = 135;
  constexpr uint8_t kAdvertisement = 136;
  if (message[0] == kEchoRequest && message[1] == 0) {
    frame.kind = Frame::Kind::echo;
    return frame;
  }
  if (message[0] != kSolicitation && message[0] != kAdvertisement)
    return quiet("ICMPv6 that is no echo or neighbour");
  if (message[1] != 0 || hop_limit != 255 || message.size() < 24)
    return loud("malformed neighbour discovery");
  frame.kind = Frame::Kind::neighbour;
  return frame;
}

Parsed parse_ipv6(Bytes packet, Frame frame) {
  if (packet.size() < kIpv6) return loud("cut-off IPv6 header");
  if (packet[0] >> 4 != 6) return loud("IPv6 with another version in it");
  const size_t length = kIpv6 + u16(packet, 4);
  if (length > packet.size()) return loud("impossible IPv6 length");
  packet = packet.first(length);
  frame.packet = packet;
  frame.source = Address::from6(packet.data() + 8);
  frame.destination = Address::from6(packet.data() + 24);
  const Bytes content = packet.subspan(kIpv6);
  switch (packet[6]) {
    case 6:
      return parse_tcp(content, frame);
    case 17:
      return parse_udp(content, frame);
    case 58:
      return parse_icmp6(content, frame, packet[7]);
    case 0:
      return quiet("IPv6 hop-by-hop options");  // multicast listener reports have them
    case 44:
      return loud("IPv6 fragment");
    // Routing headers name a second destination; the others only hide what follows.
    case 43:
    case 60:
    case 51:
    case 50:
    case 135:
      return loud("IPv6 extension header");
    default:
      return loud("IPv6 protocol that is not TCP, UDP or ICMPv6");
  }
}

}  // namespace

Parsed parse_frame(Bytes bytes) {
  if (bytes.size() < kEthernetHeader || bytes.size() > kMaxFrame)
    return loud("frame of an impossible length");
  Frame frame;
  frame.source_mac = bytes.subspan(6, 6);
  const Bytes content = bytes.subspan(kEthernetHeader);
  switch (u16(bytes, 12)) {
    case 0x0806:
      return parse_arp(content, frame);
    case 0x0800:
      return parse_ipv4(content, frame);
    case 0x86dd:
      return parse_ipv6(content, frame);
    default:
      return quiet("EtherType that is not IP or ARP");
  }
}

const char* spoofed(const Frame& frame) {
  static const Address kGuests[] = {Address::from4(kGuest4), Address::from6(kGuest6)};
  return frame.source == kGuests[frame.source.v6] ? nullptr : "spoofed source address";
}

}  // namespace sandstone::net
