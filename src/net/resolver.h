// Resolver: who is asked when the workload asks for an allowed name.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/dns_message.h"

namespace sandstone::net {

struct ResolvedAddress {
  Address address;
  std::chrono::seconds ttl{};
};

class Resolver {
 public:
  using Answer = std::function<void(DnsStatus status, const std::vector<ResolvedAddress>& addresses)>;

  virtual ~Resolver() = default;
  // `name` in normal_name()'s form, `type` A or AAAA. Calls `answer` once, at once or later.
  virtual void lookup(const std::string& name, uint16_t type, Answer answer) = 0;
};

}  // namespace sandstone::net
