#include "net/policy.h"

#include <algorithm>

namespace sandstone::net {

const char* to_string(Transport transport) {
  constexpr const char* kNames[] = {"tcp", "udp", "icmp"};
  return kNames[static_cast<size_t>(transport)];
}

namespace {

// DNS and DNS over TLS. Public addresses as a whole do not include other people's resolvers: they would
// answer with private addresses, and queries to them are not in the record of what was asked. A rule that
// names one opens it.
bool is_resolver_port(uint16_t port, Transport transport) {
  return transport != Transport::icmp && (port == 53 || port == 853);
}

}  // namespace

Result<Policy> Policy::parse(const std::vector<std::string>& texts) {
  Policy policy;
  for (const std::string& text : texts) {
    auto rules = parse_rule(text);
    if (!rules) return rules.error();
    policy.rules_.insert(policy.rules_.end(), rules->begin(), rules->end());
  }
  if (texts.empty()) {
    Rule rule;
    rule.kind = Rule::Kind::public_addresses;
    policy.rules_.push_back(rule);
  }
  return policy;
}

bool Policy::is_public(const Address& address) const {
  return special_range(address) == nullptr && !(own_address_ && own_address_(address));
}

const char* Policy::kind(const Address& address) const {
  return special_range(address) == nullptr && !is_public(address) ? "this machine's own" : kind_of(address);
}

bool Policy::allowed(const Address& address, uint16_t port, Transport transport,
                     Clock::time_point now) const {
  for (const Rule& rule : rules_) {
    if (!rule.opens(address)) continue;
    if (transport == Transport::icmp ? !rule.any_port() : !rule.has_port(port)) continue;
    if (rule.kind == Rule::Kind::public_addresses &&
        (is_resolver_port(port, transport) || !is_public(address)))
      continue;
    return true;
  }
  const auto pin = pins_.find(address);
  if (pin == pins_.end()) return false;
  return std::any_of(pin->second.ports.begin(), pin->second.ports.end(), [&](const PinnedPorts& pinned) {
    if (pinned.until < now) return false;
    return transport == Transport::icmp ? pinned.ports.first == 0
                                        : port >= pinned.ports.first && port <= pinned.ports.last;
  });
}

bool Policy::name_allowed(std::string_view name) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.matches_name(name); });
}

bool Policy::admit(std::string_view name, const Address& address, Clock::time_point until,
                   Clock::time_point now) {
  bool reachable = std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.kind == Rule::Kind::prefix && rule.opens(address);
  });
  if (!is_public(address)) return reachable;
  for (const Rule& rule : rules_) {
    if (!rule.matches_name(name)) continue;
    reachable = true;
    if (rule.kind == Rule::Kind::public_addresses) continue;
    make_room(now);
    Pin& pin = pins_[address];
    pin.until = std::max(pin.until, until);
    const auto same = std::find_if(pin.ports.begin(), pin.ports.end(), [&](const PinnedPorts& pinned) {
      return pinned.ports.first == rule.ports.first && pinned.ports.last == rule.ports.last;
    });
    if (same == pin.ports.end()) {
      pin.ports.push_back({rule.ports, until});
    } else {
      same->until = std::max(same->until, until);
    }
  }
  return reachable;
}

void Policy::make_room(Clock::time_point now) {
  if (pins_.size() < kMaxPins) return;
  std::erase_if(pins_, [&](const auto& entry) { return entry.second.until < now; });
  if (pins_.size() < kMaxPins) return;
  pins_.erase(std::min_element(pins_.begin(), pins_.end(),
                               [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
}

std::vector<PortRange> Policy::loopback_ports() const {
  static const Address kLoopback = *Address::parse("127.0.0.1");
  std::vector<PortRange> out;
  for (const Rule& rule : rules_)
    if (rule.opens(kLoopback) && !rule.any_port()) out.push_back(rule.ports);
  return out;
}

}  // namespace sandstone::net
