#include "net/dns_server.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/addresses.h"

namespace sandstone::net {
namespace {

constexpr uint16_t kClassInternet = 1;

// Names that mean something in every sandbox, whatever /etc/hosts says in it.
std::optional<std::vector<Address>> builtin(std::string_view name, uint16_t type) {
  const bool v4 = type == kDnsTypeA;
  const bool v6 = type == kDnsTypeAaaa;
  std::vector<Address> addresses;
  if (name == "localhost" || name.ends_with(".localhost")) {  // RFC 6761: never asked of anybody
    if (v4) addresses.push_back(*Address::parse("127.0.0.1"));
    if (v6) addresses.push_back(*Address::parse("::1"));
    return addresses;
  }
  if (name == kHostName || name == kHostAlias) {
    if (v4) addresses.push_back(Address::from4(kGateway4));
    return addresses;
  }
  return std::nullopt;
}

}  // namespace

void DnsServer::handle(std::span<const uint8_t> message, Transport transport, Clock::time_point now,
                       Respond respond) {
  auto query = parse_dns_query(message);
  if (!query) return;
  const size_t limit = transport == Transport::tcp ? kDnsMaxReply : query->reply_limit;
  const auto reply = [query = *query, limit, respond = std::move(respond)](const DnsReply& answer) {
    respond(build_dns_reply(query, answer, limit));
  };
  if (query->status != DnsStatus::ok) return reply({.status = query->status});
  if (query->klass != kClassInternet) return reply({.status = DnsStatus::not_implemented});

  const auto name = normal_name(query->name);
  if (name) {
    if (auto addresses = builtin(*name, query->type))
      return reply({.addresses = *std::move(addresses), .ttl = 60});
  }
  if (!name || !policy_.name_allowed(*name)) {
    denials_.add("dns", query->name, now);
    return reply({.status = DnsStatus::no_such_name, .refused_by_policy = true});
  }
  // Other types would be ways to carry data (TXT) or to name addresses that are not pinned (SVCB, MX).
  // Nothing leaves.
  if (query->type != kDnsTypeA && query->type != kDnsTypeAaaa) return reply({});
  resolver_.lookup(*name, query->type,
                   [this, name = *name, type = query->type, reply](DnsStatus status, const auto& found) {
                     reply(admit(name, type, status, found));
                   });
}

DnsReply DnsServer::admit(const std::string& name, uint16_t type, DnsStatus status,
                          const std::vector<ResolvedAddress>& found) {
  const Clock::time_point now = Clock::now();
  DnsReply reply;
  reply.status = status;
  reply.ttl = static_cast<uint32_t>(kMaxTtl.count());
  for (const ResolvedAddress& resolved : found) {
    if (resolved.address.v6 != (type == kDnsTypeAaaa)) continue;
    const auto ttl = std::clamp(resolved.ttl, std::chrono::seconds(0), kMaxTtl);
    if (!policy_.admit(name, resolved.address, now + ttl + kPinGrace, now)) {
      denials_.add(
          "dns", fmt::format("{} -> {} ({})", name, resolved.address.text(), policy_.kind(resolved.address)),
          now);
      reply.refused_by_policy = true;
      continue;
    }
    reply.addresses.push_back(resolved.address);
    reply.ttl = std::min(reply.ttl, static_cast<uint32_t>(ttl.count()));
  }
  if (!reply.addresses.empty()) reply.refused_by_policy = false;
  return reply;
}

}  // namespace sandstone::net
