// DnsServer: the only resolver that the workload can reach. Asks upstream for allowed names and for nothing
// else, so that no query can carry data out, and pins what it answers in the policy.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "net/denials.h"
#include "net/dns_message.h"
#include "net/policy.h"
#include "net/resolver.h"

namespace sandstone::net {

class DnsServer {
 public:
  using Respond = std::function<void(const std::vector<uint8_t>& reply)>;

  DnsServer(Policy& policy, Denials& denials, Resolver& resolver)
      : policy_(policy), denials_(denials), resolver_(resolver) {}

  // Calls `respond` at most once, at once or later. Over TCP a reply has no limit but kDnsMaxReply.
  void handle(std::span<const uint8_t> message, Transport transport, Clock::time_point now, Respond respond);

 private:
  DnsReply admit(const std::string& name, uint16_t type, DnsStatus status,
                 const std::vector<ResolvedAddress>& found);

  Policy& policy_;
  Denials& denials_;
  Resolver& resolver_;
};

}  // namespace sandstone::net
