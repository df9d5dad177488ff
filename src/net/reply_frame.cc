#include "net/reply_frame.h"

#include <algorithm>
#include <cstring>

#include "net/addresses.h"

namespace sandstone::net {
namespace {

using Buffer = std::vector<uint8_t>;
using Bytes = std::span<const uint8_t>;

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp6 = 58;
// The MAC address that libslirp gives the gateway.
constexpr uint8_t kGatewayMac[6] = {0x52, 0x55, 10, 0, 2, 2};

void put16(Buffer& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

void put(Buffer& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put(Buffer& out, const Address& address) {
  out.insert(out.end(), address.bytes.begin(), address.bytes.begin() + address.bits() / 8);
}

// RFC 1071, over `bytes` on top of `sum`.
uint32_t add_up(Bytes bytes, uint32_t sum) {
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

uint16_t folded(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void set16(Buffer& out, size_t at, uint16_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}

Buffer start(const Address& from, const Address& to, Bytes to_mac, uint8_t protocol, size_t content) {
  Buffer out;
  out.reserve(14 + 40 + content);
  put(out, to_mac);
  put(out, Bytes(kGatewayMac));
  if (from.v6) {
    put16(out, 0x86dd);
    put16(out, 0x6000);
    put16(out, 0);
    put16(out, content);
    out.push_back(protocol);
    out.push_back(64);
    put(out, from);
    put(out, to);
  } else {
    put16(out, 0x0800);
    const size_t header = out.size();
    put16(out, 0x4500);
    put16(out, 20 + content);
    put16(out, 0);
    put16(out, 0x4000);
    out.push_back(64);
    out.push_back(protocol);
    put16(out, 0);
    put(out, from);
    put(out, to);
    set16(out, header + 10, folded(add_up(Bytes(out).subspan(header), 0)));
  }
  return out;
}

// Sums the content from `at` to the end with the pseudo-header of RFC 768 and RFC 8200, into the field at
// `field`.
void finish(Buffer& out, size_t at, size_t field, const Address& from, const Address& to, uint8_t protocol) {
  const Bytes content = Bytes(out).subspan(at);
  uint32_t sum = 0;
  if (protocol != kIcmp) {  // ICMP for IPv4 has none
    sum = add_up(Bytes(from.bytes).first(from.bits() / 8), sum);
    sum = add_up(Bytes(to.bytes).first(to.bits() / 8), sum);
    sum += protocol + static_cast<uint32_t>(content.size());
  }
  uint16_t value = folded(add_up(content, sum));
  if (protocol == kUdp && value == 0) value = 0xffff;  // 0 means "no checksum"
  set16(out, field, value);
}

}  // namespace

Buffer build_refusal(const Frame& refused) {
  const bool v6 = refused.source.v6;
  const Address gateway = v6 ? Address::from6(kGateway6) : Address::from4(kGateway4);
  const uint8_t protocol = v6 ? kIcmp6 : kIcmp;
  // The packet's start goes back, so that the kernel finds the socket: headers and 8 bytes are enough.
  const Bytes quoted = refused.packet.first(std::min<size_t>(refused.packet.size(), v6 ? 48 : 28));
  Buffer out = start(gateway, refused.source, refused.source_mac, protocol, 8 + quoted.size());
  const size_t at = out.size();
  put16(out, v6 ? 0x0101 : 0x030d);
  put16(out, 0);
  put16(out, 0);
  put16(out, 0);
  put(out, quoted);
  finish(out, at, at + 2, gateway, refused.source, protocol);
  return out;
}

Buffer build_datagram_reply(const Address& from, uint16_t from_port, const Address& to, uint16_t to_port,
                            Bytes to_mac, Bytes payload) {
  const size_t length = 8 + payload.size();
  Buffer out = start(from, to, to_mac, kUdp, length);
  const size_t at = out.size();
  put16(out, from_port);
  put16(out, to_port);
  put16(out, length);
  put16(out, 0);
  put(out, payload);
  finish(out, at, at + 6, from, to, kUdp);
  return out;
}

Buffer build_arp_announcement() {
  Buffer out(6, 0xff);
  put(out, Bytes(kGuestMac));
  put16(out, 0x0806);
  for (const size_t word : {size_t{1}, size_t{0x0800}, size_t{0x0604}, size_t{1}}) put16(out, word);
  put(out, Bytes(kGuestMac));
  put(out, Bytes(kGuest4));
  out.insert(out.end(), 6, 0);
  put(out, Bytes(kGuest4));  // asks for itself: a gratuitous ARP
  return out;
}

Buffer build_neighbour_announcement() {
  const Address guest = Address::from6(kGuest6);
  const Address gateway = Address::from6(kGateway6);
  Buffer out = start(guest, gateway, Bytes(kGatewayMac), kIcmp6, 32);
  std::copy(std::begin(kGuestMac), std::end(kGuestMac), out.begin() + 6);
  out[21] = 255;  // the hop limit: neighbours are no hop away
  const size_t at = out.size();
  put16(out, 136 << 8);  // an advertisement
  put16(out, 0);
  put16(out, 0x2000);  // that overrides what is known
  put16(out, 0);
  put(out, guest);
  put16(out, 0x0201);  // the target's link-layer address
  put(out, Bytes(kGuestMac));
  finish(out, at, at + 2, guest, gateway, kIcmp6);
  return out;
}

}  // namespace sandstone::net
