#include "net/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "net/addresses.h"
#include "net/netlink.h"

namespace sandstone::net {
namespace {

constexpr int kLoopbackIndex = 1;  // `lo` is the first interface of every namespace
constexpr int kLinkIndex = 2;
constexpr int kPeerIndex = 3;
constexpr char kPeerName[] = "eth0-net";

int open_netlink() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  return fd < 0 ? -errno : fd;
}

ifinfomsg link_message(int index, unsigned flags) {
  ifinfomsg message{};
  message.ifi_index = index;
  message.ifi_flags = flags;
  message.ifi_change = flags;
  return message;
}

int set_up(Netlink& netlink, int index) {
  const ifinfomsg body = link_message(index, IFF_UP);
  return NetlinkMessage(RTM_NEWLINK, 0, &body, sizeof body).exchange(netlink);
}

int create_veth(Netlink& netlink) {
  const ifinfomsg body = link_message(kLinkIndex, 0);
  NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  message.text(IFLA_IFNAME, kInterface);
  message.u32(IFLA_MTU, kMtu);
  message.attribute(IFLA_ADDRESS, kGuestMac, sizeof kGuestMac);
  message.u32(IFLA_NUM_TX_QUEUES,
              1);  // otherwise one for each CPU that the host could have: slower to make and to end
  message.u32(IFLA_NUM_RX_QUEUES, 1);
  const size_t info = message.begin(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "veth");
  const size_t data = message.begin(IFLA_INFO_DATA);
  const size_t peer = message.begin(VETH_INFO_PEER);
  const ifinfomsg peer_body = link_message(kPeerIndex, 0);
  message.raw(&peer_body, sizeof peer_body);
  message.text(IFLA_IFNAME, kPeerName);
  message.u32(IFLA_MTU, kMtu);
  message.attribute(IFLA_ADDRESS, kPeerMac, sizeof kPeerMac);
  message.u32(IFLA_NUM_TX_QUEUES, 1);
  message.u32(IFLA_NUM_RX_QUEUES, 1);
  message.end(peer);
  message.end(data);
  message.end(info);
  return message.exchange(netlink);
}

// No link-local address by itself and no router solicitation: nothing speaks IPv6 on the link but fd00::/64.
int set_no_autoconfiguration(Netlink& netlink, int index) {
  const ifinfomsg body = link_message(index, 0);
  NetlinkMessage message(RTM_SETLINK, 0, &body, sizeof body);
  const size_t families = message.begin(IFLA_AF_SPEC);
  const size_t family = message.begin(AF_INET6);
  const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
  message.attribute(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
  message.end(family);
  message.end(families);
  const int status = message.exchange(netlink);
  return status == -EAFNOSUPPORT ? 0 : status;  // a kernel without IPv6
}

// Otherwise frames carry half a checksum for hardware that is not there, and come as bundles larger than the
// MTU.
int turn_off_offloads() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  ethtool_value value{ETHTOOL_STXCSUM, 0};  // segmentation offload depends on it and goes with it
  ifreq request{};
  std::memcpy(request.ifr_name, kInterface, sizeof kInterface);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const int status = ::ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
  ::close(fd);
  return status;
}

// The end that the network process reads and writes. It stays in this namespace with no address: a workload
// that has CAP_NET_ADMIN here can put frames on it, and they meet the same policy as frames from eth0.
int open_peer(int* frames) {
  const int fd =
      ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);  // protocol 0: nothing before bind
  if (fd < 0) return -errno;
  const int on = 1;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = kPeerIndex;
  if (::setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    const int status = -errno;
    ::close(fd);
    return status;
  }
  const int buffer = 4 << 20;  // the kernel takes as much of it as net.core.rmem_max says
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  *frames = fd;
  return 0;
}

int add_address(Netlink& netlink, int index, int family, const uint8_t* address, size_t size,
                unsigned prefix) {
  ifaddrmsg body{};
  body.ifa_family = static_cast<uint8_t>(family);
  body.ifa_prefixlen = static_cast<uint8_t>(prefix);
  body.ifa_flags = IFA_F_NODAD;  // duplicate address detection would leave the address unusable for a second
  body.ifa_index = static_cast<uint32_t>(index);
  NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  message.attribute(IFA_LOCAL, address, size);
  message.attribute(IFA_ADDRESS, address, size);
  if (family == AF_INET) message.attribute(IFA_BROADCAST, kBroadcast4, sizeof kBroadcast4);
  return message.exchange(netlink);
}

int add_route(Netlink& netlink, int index, int family, const uint8_t* destination, unsigned prefix,
              const uint8_t* gateway, size_t size, uint32_t table, const uint8_t* source) {
  rtmsg body{};
  body.rtm_family = static_cast<uint8_t>(family);
  body.rtm_dst_len = static_cast<uint8_t>(prefix);
  body.rtm_table = static_cast<uint8_t>(table);
  body.rtm_protocol = RTPROT_BOOT;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  if (destination != nullptr) message.attribute(RTA_DST, destination, size);
  if (source != nullptr) message.attribute(RTA_PREFSRC, source, size);
  message.attribute(RTA_GATEWAY, gateway, size);
  message.u32(RTA_OIF, static_cast<uint32_t>(index));
  return message.exchange(netlink);
}

// --- 127.0.0.1:PORT inside leads to the host's 127.0.0.1:PORT, for the ports that the policy opens
// ------------------- A routing rule sends those ports to eth0 before the local table sees them. Rules are
// read in order of priority and the local table's has 0, the first, so it is moved behind ours. The rule must
// not be narrowed to what is sent from here (iif lo): the kernel checks a reply's source by looking up the
// way back, with the ports swapped, and reads ports only if there is a rule for any interface that has some.

constexpr uint32_t kLoopbackTable = 100;
constexpr uint32_t kLoopbackPriority = 10;
constexpr uint32_t kLocalPriority = 20;
constexpr uint8_t kLoopback4[4] = {127, 0, 0, 1};

int add_loopback_rule(Netlink& netlink, const PortRange& range) {
  fib_rule_hdr body{};
  body.family = AF_INET;
  body.dst_len = 32;
  body.table = kLoopbackTable;
  body.action = FR_ACT_TO_TBL;
  NetlinkMessage message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  message.attribute(FRA_DST, kLoopback4, sizeof kLoopback4);
  message.u32(FRA_PRIORITY, kLoopbackPriority);
  const fib_rule_port_range ports{range.first, range.last};
  message.attribute(FRA_DPORT_RANGE, &ports, sizeof ports);
  return message.exchange(netlink);
}

int change_local_rule(Netlink& netlink, uint16_t type, uint32_t priority) {
  fib_rule_hdr body{};
  body.family = AF_INET;
  body.table = RT_TABLE_LOCAL;
  body.action = FR_ACT_TO_TBL;
  NetlinkMessage message(type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, &body, sizeof body);
  message.u32(FRA_PRIORITY, priority);
  return message.exchange(netlink);
}

// Lets eth0 carry 127.0.0.1 as an address: otherwise the reply is dropped as a martian.
int allow_loopback_addresses(Netlink& netlink, int index) {
  const ifinfomsg body = link_message(index, 0);
  NetlinkMessage message(RTM_SETLINK, 0, &body, sizeof body);
  const size_t families = message.begin(IFLA_AF_SPEC);
  const size_t family = message.begin(AF_INET);
  const size_t settings = message.begin(IFLA_INET_CONF);
  message.u32(IPV4_DEVCONF_ROUTE_LOCALNET, 1);
  message.end(settings);
  message.end(family);
  message.end(families);
  return message.exchange(netlink);
}

int lead_loopback_ports(Netlink& netlink, int index, const LinkPlan& plan) {
  if (int status = allow_loopback_addresses(netlink, index)) return status;
  if (int status = add_route(netlink, index, AF_INET, kLoopback4, 32, kGateway4, 4, kLoopbackTable, kGuest4))
    return status;
  for (size_t i = 0; i < plan.loopback_ranges; ++i)
    if (int status = add_loopback_rule(netlink, plan.loopback[i])) return status;
  if (int status = change_local_rule(netlink, RTM_NEWRULE, kLocalPriority)) return status;
  return change_local_rule(netlink, RTM_DELRULE, 0);
}

struct Step {
  LinkResult* result;
  // Notes where it failed. `status` is 0 or -errno.
  bool failed(const char* name, int status) const {
    if (status == 0) return false;
    result->step = name;
    return true;
  }
};

int create(Netlink& netlink, LinkResult* result) {
  const Step step{result};
  int status = set_up(netlink, kLoopbackIndex);
  if (step.failed("set lo up", status)) return status;
  status = create_veth(netlink);
  if (step.failed("create the veth pair eth0", status)) return status;
  status = set_no_autoconfiguration(netlink, kPeerIndex);
  if (step.failed("turn off IPv6 autoconfiguration", status)) return status;
  status = turn_off_offloads();
  if (step.failed("turn off eth0's offloads", status)) return status;
  // Before eth0 is up: a packet socket that is bound to an interface that is down loses its first frame.
  status = set_up(netlink, kPeerIndex);
  if (step.failed("set eth0's other end up", status)) return status;
  status = open_peer(&result->frames);
  step.failed("open a packet socket", status);
  return status;
}

}  // namespace

int configure_link(Netlink& netlink, int index, const LinkPlan& plan, LinkResult* result) {
  const Step step{result};
  int status = set_no_autoconfiguration(netlink, index);
  if (step.failed("turn off IPv6 autoconfiguration", status)) return status;
  status = set_up(netlink, index);
  if (step.failed("set eth0 up", status)) return status;
  status = add_address(netlink, index, AF_INET, kGuest4, sizeof kGuest4, kPrefix4);
  if (step.failed("give eth0 its IPv4 address", status)) return status;
  status =
      add_route(netlink, index, AF_INET, nullptr, 0, kGateway4, sizeof kGateway4, RT_TABLE_MAIN, nullptr);
  if (step.failed("add the IPv4 default route", status)) return status;
  status = add_address(netlink, index, AF_INET6, kGuest6, sizeof kGuest6, kPrefix6);
  const bool without_ipv6 = status == -EAFNOSUPPORT || status == -EOPNOTSUPP || status == -EACCES;
  if (!without_ipv6) {
    if (step.failed("give eth0 its IPv6 address", status)) return status;
    status =
        add_route(netlink, index, AF_INET6, nullptr, 0, kGateway6, sizeof kGateway6, RT_TABLE_MAIN, nullptr);
    if (step.failed("add the IPv6 default route", status)) return status;
    // The stack answers neighbour solicitations for the gateway only.
    status =
        add_route(netlink, index, AF_INET6, kDns6, 128, kGateway6, sizeof kGateway6, RT_TABLE_MAIN, nullptr);
    if (step.failed("add the route to the DNS server", status)) return status;
  }
  if (plan.loopback_ranges == 0) return 0;
  status = lead_loopback_ports(netlink, index, plan);
  step.failed("lead 127.0.0.1 ports to the host", status);
  return status;
}

int bring_up_loopback() {
  const int socket = open_netlink();
  if (socket < 0) return socket;
  HostNetlink netlink(socket);
  const int status = set_up(netlink, kLoopbackIndex);
  ::close(socket);
  return status;
}

int make_link(const LinkPlan& plan, LinkResult* result) {
  *result = LinkResult{};
  const int socket = open_netlink();
  if (socket < 0) {
    result->step = "open a route netlink socket";
    return socket;
  }
  HostNetlink netlink(socket);
  int status = create(netlink, result);
  if (status == 0) status = configure_link(netlink, kLinkIndex, plan, result);
  ::close(socket);
  if (status != 0 && result->frames >= 0) {
    ::close(result->frames);
    result->frames = -1;
  }
  return status;
}

}  // namespace sandstone::net
