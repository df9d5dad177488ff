// HostRoutes: asks the kernel's routing table whether an address is the host's own, at the time of the
// question: an address that comes or goes with a network is seen, and so is one that is routed here without
// being on an interface.
#pragma once

#include <sandstone/result.h>

#include "base/fd.h"
#include "net/address.h"

namespace sandstone::net {

class HostRoutes {
 public:
  static Result<HostRoutes> open();
  // True also if the kernel cannot be asked: what is not known to be elsewhere is not reached.
  [[nodiscard]] bool own(const Address& address) const;

 private:
  explicit HostRoutes(Fd netlink) : netlink_(std::move(netlink)) {}
  Fd netlink_;
};

}  // namespace sandstone::net
