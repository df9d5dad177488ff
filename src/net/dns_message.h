// DNS messages (RFC 1035, 6891, 8914), as far as a server needs them that answers A and AAAA: reads a query,
// which is hostile, and writes the reply to it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/address.h"

namespace sandstone::net {

inline constexpr uint16_t kDnsTypeA = 1;
inline constexpr uint16_t kDnsTypeAaaa = 28;
inline constexpr size_t kDnsMaxQuery = 1024;  // a question has at most 12 + 255 + 4 bytes; the rest is EDNS
inline constexpr size_t kDnsMaxReply = 4096;
inline constexpr size_t kDnsPlainReply = 512;  // over UDP to a client that did not say how much it takes

enum class DnsStatus : uint8_t {
  ok = 0,
  format_error = 1,
  server_failure = 2,
  no_such_name = 3,
  not_implemented = 4
};

struct DnsQuery {
  uint16_t id = 0;
  bool recursion_desired = false;
  DnsStatus status = DnsStatus::ok;  // otherwise the query cannot be answered but with this
  std::vector<uint8_t> question;     // as it came, to be repeated; empty unless it could be read
  std::string name;  // labels joined by dots, ASCII lowered; may hold any byte: see normal_name()
  uint16_t type = 0;
  uint16_t klass = 0;
  bool edns = false;
  size_t reply_limit = kDnsPlainReply;  // what the client takes over UDP
};

// Nothing: not a query (too short, or a reply), which is dropped without an answer, so that two servers
// cannot be made to answer each other.
std::optional<DnsQuery> parse_dns_query(std::span<const uint8_t> message);

struct DnsReply {
  DnsStatus status = DnsStatus::ok;
  bool refused_by_policy = false;  // told to clients that speak EDNS as the extended error "Prohibited"
  std::vector<Address> addresses;  // of the question's type
  uint32_t ttl = 0;
};

// At most `limit` bytes; marked as truncated if not all addresses fit.
std::vector<uint8_t> build_dns_reply(const DnsQuery& query, const DnsReply& reply, size_t limit);

}  // namespace sandstone::net
