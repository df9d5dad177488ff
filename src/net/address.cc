#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <vector>

namespace sandstone::net {

Address Address::from4(const uint8_t* bytes) {
  Address out;
  std::memcpy(out.bytes.data(), bytes, 4);
  return out;
}

Address Address::from6(const uint8_t* bytes) {
  Address out;
  out.v6 = true;
  std::memcpy(out.bytes.data(), bytes, 16);
  return out;
}

std::optional<Address> Address::parse(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  uint8_t bytes[16];
  if (::inet_pton(AF_INET, copy.c_str(), bytes) == 1) return from4(bytes);
  if (::inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return from6(bytes);
  return std::nullopt;
}

std::optional<Address> Address::from_socket(const sockaddr* address, size_t size, uint16_t* port) {
  sa_family_t family;
  if (address == nullptr || size < sizeof family) return std::nullopt;
  std::memcpy(&family, address, sizeof family);
  if (family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    *port = ntohs(in.sin_port);
    return from4(reinterpret_cast<const uint8_t*>(&in.sin_addr));
  }
  if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof in);
    *port = ntohs(in.sin6_port);
    return from6(in.sin6_addr.s6_addr);
  }
  return std::nullopt;
}

std::string Address::text() const {
  char buffer[INET6_ADDRSTRLEN];
  return ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
}

std::string Address::with_port(uint16_t port) const {
  return v6 ? fmt::format("[{}]:{}", text(), port) : fmt::format("{}:{}", text(), port);
}

bool Prefix::contains(const Address& other) const {
  if (other.v6 != address.v6) return false;
  const size_t whole = length / 8;
  if (std::memcmp(address.bytes.data(), other.bytes.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xff00U >> rest & 0xff;
  return ((address.bytes[whole] ^ other.bytes[whole]) & mask) == 0;
}

bool Prefix::inside(const Prefix& other) const {
  return length >= other.length && other.contains(address);
}

namespace {

struct Row {
  const char* address;
  unsigned length;
  const char* kind;
  bool may_open;
};

// IANA's special-purpose registries (RFC 6890 and its updates), the addresses at which clouds give out a
// machine's credentials, and the IPv6 forms that carry an IPv4 address, which would otherwise be a second
// name for every entry above.
constexpr Row kRows[] = {
    {"0.0.0.0", 8, "unspecified", false},  // Linux connects 0.0.0.0 to its own loopback
    {"10.0.0.0", 8, "private", true},
    {"100.64.0.0", 10, "private", true},  // shared by carriers; overlay networks; Alibaba's metadata
    {"127.0.0.0", 8, "loopback", false},
    {"127.0.0.1", 32, "loopback", true},      // the one that the gateway leads to
    {"168.63.129.16", 32, "metadata", true},  // Azure
    {"169.254.0.0", 16, "link-local", true},
    {"169.254.169.254", 32, "metadata", true},
    {"169.254.170.2", 32, "metadata", true},   // ECS task credentials
    {"169.254.170.23", 32, "metadata", true},  // EKS pod identity
    {"172.16.0.0", 12, "private", true},
    {"192.0.0.0", 24, "reserved", true},  // Oracle's metadata among others
    {"192.0.2.0", 24, "documentation", true},
    {"192.88.99.0", 24, "reserved", true},
    {"192.168.0.0", 16, "private", true},
    {"198.18.0.0", 15, "benchmarking", true},
    {"198.51.100.0", 24, "documentation", true},
    {"203.0.113.0", 24, "documentation", true},
    {"224.0.0.0", 4, "multicast", false},
    {"240.0.0.0", 4, "reserved", true},
    {"255.255.255.255", 32, "broadcast", false},

    {"::", 0, "reserved", false},      // public is 2000::/3 and what special_range() says
    {"::", 96, "unspecified", false},  // and the IPv4-compatible form
    {"::1", 128, "loopback", true},
    {"::ffff:0:0", 96, "IPv4-mapped", false},  // connects to the IPv4 address inside
    {"::ffff:0:0:0", 96, "IPv4-translated", false},
    {"64:ff9b:1::", 48, "private", true},  // NAT64 of the local network
    {"100::", 64, "reserved", true},
    {"2001::", 23, "reserved", true},  // Teredo, ORCHID, benchmarking
    {"2001:db8::", 32, "documentation", true},
    {"2002::", 16, "6to4", true},
    {"3fff::", 20, "documentation", true},
    {"fc00::", 7, "private", true},
    {"fd00:ec2::254", 128, "metadata", true},
    {"fd00:ec2::23", 128, "metadata", true},
    {"fd20:ce::254", 128, "metadata", true},
    {"fe80::", 10, "link-local",
     false},  // means nothing without a link, and the sandbox has none of the host's
    {"fec0::", 10, "private", true},
    {"ff00::", 8, "multicast", false},
};

const std::vector<SpecialRange>& ranges() {
  static const std::vector<SpecialRange> kRanges = [] {
    std::vector<SpecialRange> out;
    for (const Row& row : kRows)
      out.push_back({{*Address::parse(row.address), row.length}, row.kind, row.may_open});
    return out;
  }();
  return kRanges;
}

const SpecialRange* smallest_range(const Address& address) {
  const SpecialRange* best = nullptr;
  for (const SpecialRange& range : ranges())
    if (range.prefix.contains(address) && (best == nullptr || range.prefix.length > best->prefix.length))
      best = &range;
  return best;
}

}  // namespace

const SpecialRange* special_range(const Address& address) {
  const SpecialRange* range = smallest_range(address);
  if (!address.v6 || range == nullptr || range->prefix.length != 0) return range;
  // Nothing but ::/0 matched.
  static const Prefix kGlobalUnicast{*Address::parse("2000::"), 3};
  static const Prefix kNat64{*Address::parse("64:ff9b::"), 96};
  if (kGlobalUnicast.contains(address)) return nullptr;
  // NAT64's well-known prefix is how a host without IPv4 reaches the public IPv4 network: as public as what
  // it carries.
  if (kNat64.contains(address)) {
    const SpecialRange* carried = smallest_range(Address::from4(address.bytes.data() + 12));
    if (carried == nullptr) return nullptr;
    static const SpecialRange kTranslated{kNat64, "NAT64", false};
    return &kTranslated;
  }
  return range;
}

const char* kind_of(const Address& address) {
  const SpecialRange* range = special_range(address);
  return range == nullptr ? "public" : range->kind;
}

}  // namespace sandstone::net
