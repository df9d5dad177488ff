// IP addresses and what they are for: which are public, and which lead somewhere that nobody means by "the
// internet".
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;

namespace sandstone::net {

struct Address {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // IPv4: the first four

  static Address from4(const uint8_t* bytes);
  static Address from6(const uint8_t* bytes);  // as it is: a mapped address stays an IPv6 address
  static std::optional<Address> parse(std::string_view text);  // strict: no 127.1, no 0x7f.1, no zone
  // The address and port of an AF_INET or AF_INET6 socket address of `size` bytes.
  static std::optional<Address> from_socket(const sockaddr* address, size_t size, uint16_t* port);

  [[nodiscard]] unsigned bits() const { return v6 ? 128 : 32; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string with_port(uint16_t port) const;  // "1.2.3.4:80", "[::1]:80"
  bool operator==(const Address& other) const { return v6 == other.v6 && bytes == other.bytes; }
  bool operator<(const Address& other) const { return v6 != other.v6 ? v6 < other.v6 : bytes < other.bytes; }
};

struct Prefix {
  Address address;
  unsigned length = 0;

  [[nodiscard]] bool contains(const Address& other) const;
  [[nodiscard]] bool inside(const Prefix& other) const;
};

// A range that is not public.
struct SpecialRange {
  Prefix prefix;
  const char* kind;  // "private", "loopback", ...
  bool may_open;     // false: no rule opens it, since it is no destination (0.0.0.0/8) or another address in
                     // disguise
};

// The smallest special range that holds `address`; null if it is public.
const SpecialRange* special_range(const Address& address);

// "private", "loopback", "metadata", ... or "public".
const char* kind_of(const Address& address);

}  // namespace sandstone::net
