#include "net/netlink.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sandstone::net {

int64_t HostNetlink::send(const void* data, size_t size) {
  const ssize_t sent = ::send(socket_, data, size, 0);  // a netlink socket without a peer talks to the kernel
  return sent < 0 ? -errno : sent;
}

int64_t HostNetlink::receive(void* data, size_t size) {
  const ssize_t got = ::recv(socket_, data, size, 0);
  return got < 0 ? -errno : got;
}

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags, const void* body, size_t size) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  header.nlmsg_seq = 1;
  raw(&header, sizeof header);
  raw(body, size);
}

void NetlinkMessage::raw(const void* data, size_t size) {
  const size_t padded = NLMSG_ALIGN(size);
  if (padded > room()) {
    overflow_ = true;
    return;
  }
  std::memcpy(buffer_ + used_, data, size);
  std::memset(buffer_ + used_ + size, 0, padded - size);
  used_ += padded;
}

void NetlinkMessage::attribute(uint16_t type, const void* data, size_t size) {
  rtattr header{static_cast<uint16_t>(RTA_LENGTH(size)), type};
  raw(&header, sizeof header);
  raw(data, size);
}

void NetlinkMessage::text(uint16_t type, const char* value) {
  attribute(type, value, std::strlen(value) + 1);
}

size_t NetlinkMessage::begin(uint16_t type) {
  const size_t position = used_;
  rtattr header{sizeof header, type};
  raw(&header, sizeof header);
  return position;
}

void NetlinkMessage::end(size_t position) {
  if (overflow_) return;
  const auto length = static_cast<uint16_t>(used_ - position);
  std::memcpy(buffer_ + position, &length, sizeof length);
}

int NetlinkMessage::exchange(Netlink& socket, rtmsg* route) {
  if (overflow_) return -EMSGSIZE;
  const auto length = static_cast<uint32_t>(used_);
  std::memcpy(buffer_, &length, sizeof length);  // nlmsg_len is the header's first field
  if (const int64_t sent = socket.send(buffer_, used_); sent < 0) return static_cast<int>(sent);
  alignas(NLMSG_ALIGNTO) uint8_t reply[8192];
  for (;;) {
    const int64_t got = socket.receive(reply, sizeof reply);
    if (got == -EINTR) continue;
    if (got < 0) return static_cast<int>(got);
    nlmsghdr header;
    nlmsgerr status;
    if (static_cast<size_t>(got) < sizeof header) return -EPROTO;
    std::memcpy(&header, reply, sizeof header);
    if (header.nlmsg_type == RTM_NEWROUTE && route != nullptr &&
        static_cast<size_t>(got) >= sizeof header + sizeof *route)
      std::memcpy(route, reply + sizeof header, sizeof *route);
    if (header.nlmsg_type != NLMSG_ERROR) continue;
    if (static_cast<size_t>(got) < sizeof header + sizeof status.error) return -EPROTO;
    std::memcpy(&status.error, reply + sizeof header, sizeof status.error);
    return status.error;  // the kernel gives 0 or a negative errno
  }
}

}  // namespace sandstone::net
