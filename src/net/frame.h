// Frame: an Ethernet frame from the workload, read without trusting a byte of it.
//
// Only what the network stack behind it needs is let through, in its plainest form: ARP and neighbour
// discovery for the two virtual servers, TCP, UDP and echo requests, unfragmented, without IP options or
// extension headers. What a frame says is read here once, and the same bytes go on: nobody can change them in
// between.
#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include "net/address.h"

namespace sandstone::net {

struct Frame {
  enum class Kind : uint8_t { arp, neighbour, tcp, udp, echo };
  Kind kind = Kind::arp;
  Address source;  // not of arp
  Address destination;
  uint16_t source_port = 0;  // tcp and udp
  uint16_t destination_port = 0;
  bool opens_connection = false;        // tcp: SYN without ACK, the one segment that makes the stack connect
  std::span<const uint8_t> source_mac;  // 6 bytes
  std::span<const uint8_t> packet;      // the IP packet, as long as its header says
  std::span<const uint8_t> payload;     // udp: what the datagram carries
};

struct FrameFault {
  const char* reason;  // a static text
  bool worth_telling;  // false: what every kernel sends unasked (multicast listener reports, unknown
                       // EtherTypes)
};

std::variant<Frame, FrameFault> parse_frame(std::span<const uint8_t> bytes);

// Why a frame cannot be the workload's own: its source is not the address that the sandbox was given. Null if
// it is.
const char* spoofed(const Frame& frame);

}  // namespace sandstone::net
