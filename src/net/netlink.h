// Route netlink messages built on the stack: usable between clone and exec.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>

namespace sandstone::net {

// A route netlink socket, of the kernel that this process runs on or of another. Both give a size or -errno.
class Netlink {
 public:
  virtual int64_t send(const void* data, size_t size) = 0;
  virtual int64_t receive(void* data, size_t size) = 0;

 protected:
  ~Netlink() = default;
};

// The host's, by a descriptor that stays the caller's.
class HostNetlink final : public Netlink {
 public:
  explicit HostNetlink(int socket) : socket_(socket) {}
  int64_t send(const void* data, size_t size) override;
  int64_t receive(void* data, size_t size) override;

 private:
  int socket_;
};

// One request, built front to back. Too small a buffer makes the message invalid, which exchange() refuses to
// send.
class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags, const void* body, size_t size);

  void attribute(uint16_t type, const void* data, size_t size);
  void u32(uint16_t type, uint32_t value) { attribute(type, &value, sizeof value); }
  void text(uint16_t type, const char* value);

  // A nested attribute; end(begin(type)) gives an empty one.
  size_t begin(uint16_t type);
  void end(size_t position);

  void raw(const void* data, size_t size);

  // Sends the request and waits for the kernel's acknowledgement: 0 or -errno. With `route`, the header of
  // the route that a RTM_GETROUTE found is kept.
  int exchange(Netlink& socket, rtmsg* route = nullptr);

 private:
  [[nodiscard]] size_t room() const { return sizeof buffer_ - used_; }

  alignas(NLMSG_ALIGNTO) uint8_t buffer_[1024];
  size_t used_ = 0;
  bool overflow_ = false;
};

}  // namespace sandstone::net
