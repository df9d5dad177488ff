#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>

#include "observe/arguments.h"
#include "observe/names.h"

namespace sandstone::observe {
namespace {

#define N SANDSTONE_NAME
constexpr Name kInternet[] = {N(IPPROTO_IP),      N(IPPROTO_ICMP),   N(IPPROTO_TCP), N(IPPROTO_UDP),
                              N(IPPROTO_IPV6),    N(IPPROTO_ICMPV6), N(IPPROTO_RAW), N(IPPROTO_SCTP),
                              N(IPPROTO_UDPLITE), N(IPPROTO_MPTCP)};
constexpr Name kNetlink[] = {N(NETLINK_ROUTE),          N(NETLINK_SOCK_DIAG), N(NETLINK_NETFILTER),
                             N(NETLINK_KOBJECT_UEVENT), N(NETLINK_GENERIC),   N(NETLINK_AUDIT),
                             N(NETLINK_SELINUX),        N(NETLINK_CONNECTOR), N(NETLINK_CRYPTO)};
constexpr Name kSocketOptions[] = {
    N(SO_DEBUG),         N(SO_REUSEADDR),    N(SO_TYPE),      N(SO_ERROR),      N(SO_DONTROUTE),
    N(SO_BROADCAST),     N(SO_SNDBUF),       N(SO_RCVBUF),    N(SO_KEEPALIVE),  N(SO_OOBINLINE),
    N(SO_PRIORITY),      N(SO_LINGER),       N(SO_REUSEPORT), N(SO_PASSCRED),   N(SO_PEERCRED),
    N(SO_RCVLOWAT),      N(SO_SNDLOWAT),     N(SO_RCVTIMEO),  N(SO_SNDTIMEO),   N(SO_BINDTODEVICE),
    N(SO_ATTACH_FILTER), N(SO_PEERNAME),     N(SO_TIMESTAMP), N(SO_ACCEPTCONN), N(SO_PEERSEC),
    N(SO_SNDBUFFORCE),   N(SO_RCVBUFFORCE),  N(SO_MARK),      N(SO_PROTOCOL),   N(SO_DOMAIN),
    N(SO_PEERGROUPS),    N(SO_INCOMING_CPU), N(SO_ZEROCOPY)};
constexpr Name kTcpOptions[] = {
    N(TCP_NODELAY),      N(TCP_MAXSEG),       N(TCP_CORK),     N(TCP_KEEPIDLE),
    N(TCP_KEEPINTVL),    N(TCP_KEEPCNT),      N(TCP_SYNCNT),   N(TCP_LINGER2),
    N(TCP_DEFER_ACCEPT), N(TCP_WINDOW_CLAMP), N(TCP_INFO),     N(TCP_QUICKACK),
    N(TCP_CONGESTION),   N(TCP_USER_TIMEOUT), N(TCP_FASTOPEN), N(TCP_FASTOPEN_CONNECT)};
constexpr Name kIpOptions[] = {N(IP_TOS),
                               N(IP_TTL),
                               N(IP_HDRINCL),
                               N(IP_OPTIONS),
                               N(IP_RECVOPTS),
                               N(IP_PKTINFO),
                               N(IP_MTU_DISCOVER),
                               N(IP_RECVERR),
                               N(IP_RECVTTL),
                               N(IP_MTU),
                               N(IP_FREEBIND),
                               N(IP_TRANSPARENT),
                               N(IP_MULTICAST_IF),
                               N(IP_MULTICAST_TTL),
                               N(IP_MULTICAST_LOOP),
                               N(IP_ADD_MEMBERSHIP),
                               N(IP_DROP_MEMBERSHIP),
                               N(IP_BIND_ADDRESS_NO_PORT)};
constexpr Name kIpv6Options[] = {N(IPV6_UNICAST_HOPS),   N(IPV6_MULTICAST_IF), N(IPV6_MULTICAST_HOPS),
                                 N(IPV6_MULTICAST_LOOP), N(IPV6_JOIN_GROUP),   N(IPV6_LEAVE_GROUP),
                                 N(IPV6_MTU_DISCOVER),   N(IPV6_MTU),          N(IPV6_RECVERR),
                                 N(IPV6_V6ONLY),         N(IPV6_RECVPKTINFO),  N(IPV6_TCLASS)};
#undef N

std::string internet_text(const Piece& piece) {
  char text[INET_ADDRSTRLEN] = {};
  const auto address = piece.get<uint32_t>(4);
  ::inet_ntop(AF_INET, &address, text, sizeof text);
  return fmt::format("sin_port=htons({}), sin_addr=inet_addr(\"{}\")", ntohs(piece.get<uint16_t>(2)), text);
}

std::string internet6_text(const Piece& piece) {
  char text[INET6_ADDRSTRLEN] = {};
  const auto address = piece.get<in6_addr>(8);
  ::inet_ntop(AF_INET6, &address, text, sizeof text);
  return fmt::format(
      "sin6_port=htons({}), sin6_flowinfo=htonl({}), inet_pton(AF_INET6, \"{}\", &sin6_addr), "
      "sin6_scope_id={}",
      ntohs(piece.get<uint16_t>(2)), ntohl(piece.get<uint32_t>(4)), text, piece.get<uint32_t>(24));
}

// A path ends at its zero byte; an abstract name, which begins with one, at the end of the address.
std::string unix_text(const Piece& piece) {
  const auto name = piece.bytes.subspan(2);
  if (name[0] == 0) return "sun_path=@" + quote(name.subspan(1), piece.cut);
  size_t end = 0;
  while (end < name.size() && name[end] != 0) ++end;
  return "sun_path=" + quote(name.first(end), piece.cut && end == name.size());
}

}  // namespace

std::string sockaddr_text(const Piece& piece) {
  const auto family = piece.get<uint16_t>(0);
  const size_t size = piece.bytes.size();
  std::string body;
  if (family == AF_INET && size >= 8) body = internet_text(piece);
  if (family == AF_INET6 && size >= 24) body = internet6_text(piece);
  if (family == AF_UNIX && size > 2) body = unix_text(piece);
  if (family == AF_NETLINK && size >= 12)
    body = fmt::format("nl_pid={}, nl_groups={:08x}", piece.get<int32_t>(4), piece.get<uint32_t>(8));
  if (body.empty() && size > 2) body = "sa_data=" + quote(piece.bytes.subspan(2), piece.cut);
  return fmt::format("{{sa_family={}{}{}}}", address_family(family), body.empty() ? "" : ", ", body);
}

std::string vectors_text(const Pieces& pieces, unsigned arg, uint64_t count, uint64_t total) {
  const auto vectors = pieces.find(arg, part::vectors);
  if (!vectors) return count == 0 ? "[]" : "...";
  std::string out = "[";
  const size_t known = vectors->bytes.size() / 16;
  for (size_t i = 0; i < known; ++i) {
    const auto base = vectors->get<uint64_t>(16 * i);
    const auto length = vectors->get<uint64_t>(16 * i + 8);
    const uint64_t valid = std::min(length, total);
    total -= valid;
    const auto data = pieces.find(arg, part::data + static_cast<unsigned>(i));
    const std::string text = base == 0 ? "NULL"
                             : data    ? quote(data->bytes, data->bytes.size() < valid)
                                       : quote({}, valid > 0);
    out += fmt::format("{}{{iov_base={}, iov_len={}}}", i > 0 ? ", " : "", text, length);
  }
  return out + (known < count ? ", ...]" : "]");
}

std::string message_text(const Pieces& pieces, unsigned arg, uint64_t total) {
  const auto header = pieces.find(arg);
  if (!header || header->bytes.size() < 56) return {};
  constexpr Name kFlags[] = {{MSG_OOB, "MSG_OOB"},           {MSG_CTRUNC, "MSG_CTRUNC"},
                             {MSG_TRUNC, "MSG_TRUNC"},       {MSG_EOR, "MSG_EOR"},
                             {MSG_ERRQUEUE, "MSG_ERRQUEUE"}, {MSG_CMSG_CLOEXEC, "MSG_CMSG_CLOEXEC"}};
  const auto name = pieces.find(arg, part::name);
  const auto count = header->get<uint64_t>(24);
  std::string out = fmt::format("{{msg_name={}, msg_namelen={}, msg_iov={}, msg_iovlen={}",
                                name ? sockaddr_text(*name) : pointer_text(header->get<uint64_t>(0)),
                                header->get<uint32_t>(8), vectors_text(pieces, arg, count, total), count);
  if (const auto control = header->get<uint64_t>(40); control > 0)
    out += fmt::format(", msg_control={}", pointer_text(header->get<uint64_t>(32)));
  return out + fmt::format(", msg_controllen={}, msg_flags={}}}", header->get<uint64_t>(40),
                           set_of(kFlags, header->get<uint32_t>(48)));
}

std::string protocol_name(uint64_t family, uint64_t protocol) {
  const auto word = static_cast<uint32_t>(protocol);
  switch (static_cast<uint32_t>(family)) {
    case AF_INET:
    case AF_INET6:
      return one_of(kInternet, word);
    case AF_NETLINK:
      return one_of(kNetlink, word);
    default:
      return fmt::format("{}", static_cast<int32_t>(word));
  }
}

std::string option_name(uint64_t level, uint64_t option) {
  const auto word = static_cast<uint32_t>(option);
  switch (static_cast<uint32_t>(level)) {
    case SOL_SOCKET:
      return one_of(kSocketOptions, word);
    case IPPROTO_TCP:
      return one_of(kTcpOptions, word);
    case IPPROTO_IP:
      return one_of(kIpOptions, word);
    case IPPROTO_IPV6:
      return one_of(kIpv6Options, word);
    default:
      return fmt::format("{:#x}", word);
  }
}

}  // namespace sandstone::observe
