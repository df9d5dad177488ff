// Policy: what the workload may reach. Everything that leaves is asked about here, twice: as a frame, before
// the network stack sees it, and as a socket address, before the kernel does.
//
// Without rules, every public address. With rules, what they name and nothing else.
//
// A name opens the addresses that our own DNS server gave out for it (they are pinned, for as long as the
// answer is valid), so what a name means is decided once and not by whoever the workload asks. An address
// that is not public is never pinned: a name that answers with 127.0.0.1, 10.1.2.3 or 169.254.169.254 opens
// nothing (DNS rebinding).
#pragma once

#include <sandstone/result.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "net/rule.h"

namespace sandstone::net {

enum class Transport : uint8_t { tcp, udp, icmp };
const char* to_string(Transport transport);

using Clock = std::chrono::steady_clock;

class Policy {
 public:
  // Whether an address is one of the host's own: services that listen on it are behind the host's firewall
  // for everybody else, so it is not public from here.
  using OwnAddress = std::function<bool(const Address&)>;

  static Result<Policy> parse(const std::vector<std::string>& rules);
  void set_own_address(OwnAddress own) { own_address_ = std::move(own); }

  // `address` is real: the gateway has been translated to the loopback. `port` is the destination's (icmp:
  // none).
  [[nodiscard]] bool allowed(const Address& address, uint16_t port, Transport transport,
                             Clock::time_point now) const;

  // Whether our DNS server may ask for this name at all (normal_name()'s form).
  [[nodiscard]] bool name_allowed(std::string_view name) const;

  // An address that a DNS server gave for `name`: pins it if a name rule wants that, and says whether the
  // workload may be told of it.
  bool admit(std::string_view name, const Address& address, Clock::time_point until, Clock::time_point now);

  // "public", "private", "loopback", ... or "this machine's own": for the record of what was refused.
  [[nodiscard]] const char* kind(const Address& address) const;

  // The ports of 127.0.0.1 that are opened by number.
  [[nodiscard]] std::vector<PortRange> loopback_ports() const;

 private:
  struct PinnedPorts {
    PortRange ports;
    Clock::time_point until;
  };
  struct Pin {
    std::vector<PinnedPorts> ports;  // at most one for each rule
    Clock::time_point until;         // the latest of them
  };

  // Bounds what a workload that asks for a million subdomains can make us remember; the pin that ends first
  // makes room.
  static constexpr size_t kMaxPins = 4096;

  [[nodiscard]] bool is_public(const Address& address) const;
  void make_room(Clock::time_point now);

  std::vector<Rule> rules_;
  std::map<Address, Pin> pins_;
  OwnAddress own_address_;
};

// How long an answer may be used, both by the workload (as the answer's TTL) and, with some time on top to
// connect, by the policy.
inline constexpr std::chrono::seconds kMaxTtl{3600};
inline constexpr std::chrono::seconds kPinGrace{120};

}  // namespace sandstone::net
