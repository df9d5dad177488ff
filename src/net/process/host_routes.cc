#include "net/process/host_routes.h"

#include <sys/socket.h>

#include <cerrno>

#include "net/netlink.h"

namespace sandstone::net {

Result<HostRoutes> HostRoutes::open() {
  Fd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink.valid()) return system_error("network", "cannot open a route netlink socket", errno);
  return HostRoutes(std::move(netlink));
}

bool HostRoutes::own(const Address& address) const {
  rtmsg body{};
  body.rtm_family = address.v6 ? AF_INET6 : AF_INET;
  body.rtm_dst_len = static_cast<uint8_t>(address.bits());
  NetlinkMessage message(RTM_GETROUTE, 0, &body, sizeof body);
  message.attribute(RTA_DST, address.bytes.data(), address.bits() / 8);
  rtmsg route{};
  HostNetlink netlink(netlink_.get());
  const int status = message.exchange(netlink, &route);
  if (status == -ENETUNREACH || status == -EHOSTUNREACH)
    return false;  // not the host's, and not to be reached either
  return status != 0 || route.rtm_type != RTN_UNICAST;
}

}  // namespace sandstone::net
