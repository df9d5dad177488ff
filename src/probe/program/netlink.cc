// Netlink: the kernel's own services behind a socket.
#include <ifaddrs.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "probe/program/attempt.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "network";

Verdict list_interfaces(const Parameters& p) {
  if (!p.has("interface")) return not_applicable("the host has no interface but its loopback");
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return refused("RTM_GETLINK");
  bool found = false;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next)
    found |= p.text("interface") == entry->ifa_name;
  ::freeifaddrs(list);
  return found ? gained("sees the host's interfaces and addresses")
               : without_effect("sees other interfaces than the host's");
}

template <typename Body>
struct Request {
  nlmsghdr header{};
  Body body{};
};

template <typename Body>
const Body* body_of(const nlmsghdr* header) {
  return reinterpret_cast<const Body*>(reinterpret_cast<const char*>(header) + NLMSG_HDRLEN);
}

Verdict list_sockets(const Parameters& p) {
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!socket.valid()) return refused("socket(NETLINK_SOCK_DIAG)");
  Request<inet_diag_req_v2> request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = AF_INET;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0U;
  if (::send(socket.get(), &request, sizeof request, 0) < 0) return refused("send");
  alignas(nlmsghdr) char answer[32768];
  while (readable(socket.get())) {
    const ssize_t got = ::recv(socket.get(), answer, sizeof answer, 0);
    if (got < 0) return refused("recv");
    auto left = static_cast<unsigned>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE)
        return without_effect("the canary's socket is not among those listed");
      if (header->nlmsg_type == NLMSG_ERROR)
        return refused("SOCK_DIAG_BY_FAMILY", -body_of<nlmsgerr>(header)->error);
      const auto* entry = body_of<inet_diag_msg>(header);
      if (ntohs(entry->id.idiag_sport) == p.number("tcp-port")) return allowed("sees the host's sockets");
    }
  }
  return without_effect("no answer");
}

Verdict packet_filter(const Parameters&) {
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket.valid()) return refused("socket(NETLINK_NETFILTER)");
  Request<nfgenmsg> request;
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  if (::send(socket.get(), &request, sizeof request, 0) < 0) return refused("send");
  alignas(nlmsghdr) char answer[4096];
  if (!readable(socket.get())) return without_effect("no answer");
  const ssize_t got = ::recv(socket.get(), answer, sizeof answer, 0);
  if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return refused("recv");
  auto* header = reinterpret_cast<nlmsghdr*>(answer);
  if (header->nlmsg_type == NLMSG_ERROR) return refused("NFT_MSG_GETGEN", -body_of<nlmsgerr>(header)->error);
  return gained("the packet filter takes orders");
}

Verdict kernel_events(const Parameters&) {
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
  if (!socket.valid()) return refused("socket(NETLINK_KOBJECT_UEVENT)");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return refused("bind");
  return gained("hears of devices that come and go");
}

Verdict audit(const Parameters&) {
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
  if (!socket.valid()) return refused("socket(NETLINK_AUDIT)");
  return gained("has a socket to the audit system");
}

constexpr Operation kOperations[] = {
    {"netlink-interfaces", kArea, "lists the host's network interfaces and addresses", list_interfaces},
    {"netlink-sockets", kArea, "lists the host's open sockets (sock_diag)", list_sockets},
    {"netlink-nftables", kArea,
     "gives orders to the packet filter: a part of the kernel with a history of holes", packet_filter},
    {"netlink-uevent", kArea, "listens to the kernel's device events", kernel_events},
    {"netlink-audit", kArea, "has a socket to the kernel's audit system", audit},
};

}  // namespace

std::span<const Operation> netlink_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
