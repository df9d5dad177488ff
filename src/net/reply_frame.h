// Frames that we put on the link ourselves: answers of the DNS server, and the refusals that make a program
// fail at once and not after minutes of retries.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "net/frame.h"

namespace sandstone::net {

// "Communication administratively prohibited", as the gateway would send it: connect(2) fails with
// EHOSTUNREACH on IPv4 and EACCES on IPv6. Works for TCP, UDP and echo alike.
std::vector<uint8_t> build_refusal(const Frame& refused);

// The answer to a datagram: addresses and ports turned around.
std::vector<uint8_t> build_datagram_reply(const Address& from, uint16_t from_port, const Address& to,
                                          uint16_t to_port, std::span<const uint8_t> to_mac,
                                          std::span<const uint8_t> payload);

// What the workload's end would say of itself: its addresses are at its MAC address. The stack learns this
// way where to send, without asking, which it gives up after a second and then drops what was to be sent.
std::vector<uint8_t> build_arp_announcement();
std::vector<uint8_t> build_neighbour_announcement();

}  // namespace sandstone::net
