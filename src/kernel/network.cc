#include "kernel/network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "devices/net.h"
#include "libkernel/quiet_thread.h"
#include "net/addresses.h"
#include "net/link.h"

namespace sandstone::kernel {
namespace {

// Waits for the network's process, which never waits for us.
void send_frame(int to, std::span<const std::byte> frame) {
  while (::send(to, frame.data(), frame.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void receive_frames(int from, devices::Net& card) {
  const auto frame = std::make_unique<std::array<std::byte, devices::Net::kMaxFrame>>();
  for (;;) {
    const ssize_t got = ::read(from, frame->data(), frame->size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;  // the network's process has ended
    card.deliver(std::span(*frame).first(static_cast<size_t>(got)));
  }
}

// Of the library kernel's.
class GuestNetlink final : public net::Netlink {
 public:
  explicit GuestNetlink(Task& task)
      : task_(task), socket_(task.call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}
  GuestNetlink(const GuestNetlink&) = delete;
  GuestNetlink& operator=(const GuestNetlink&) = delete;
  ~GuestNetlink() { task_.call(SYS_close, socket_); }
  int64_t send(const void* data, size_t size) override {
    return task_.call(SYS_sendto, socket_, data, size, 0, nullptr, 0);
  }
  int64_t receive(void* data, size_t size) override {
    return task_.call(SYS_recvfrom, socket_, data, size, 0, nullptr, nullptr);
  }

 private:
  Task& task_;
  int64_t socket_;
};

// Nobody has to ask who has it, so that also the frames of a guest's last moment leave in time.
void add_neighbour(Task& task, int64_t socket, const uint8_t (&address)[4]) {
  arpreq request{};
  auto& inet = reinterpret_cast<sockaddr_in&>(request.arp_pa);
  inet.sin_family = AF_INET;
  std::memcpy(&inet.sin_addr, address, sizeof address);
  request.arp_ha.sa_family = ARPHRD_ETHER;
  const uint8_t mac[6] = {0x52,       0x55,       address[0],
                          address[1], address[2], address[3]};  // as libslirp makes them
  std::memcpy(request.arp_ha.sa_data, mac, sizeof mac);
  request.arp_flags = ATF_PERM | ATF_COM;
  std::memcpy(request.arp_dev, net::kInterface, sizeof net::kInterface);
  task.call(SYS_ioctl, socket, SIOCSARP, &request);
}

int64_t index_of_card(Task& task) {
  const int64_t socket = task.call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::memcpy(request.ifr_name, net::kInterface, sizeof net::kInterface);
  const int64_t found = task.call(SYS_ioctl, socket, SIOCGIFINDEX, &request);
  task.call(SYS_close, socket);
  return found < 0 ? found : request.ifr_ifindex;
}

}  // namespace

std::unique_ptr<devices::Device> make_card(Fd frames) {
  const int fd = frames.release();  // until this process ends
  devices::Net::Mac mac;
  std::memcpy(mac.data(), net::kGuestMac, mac.size());
  auto card = std::make_unique<devices::Net>(
      mac, net::kMtu, [fd](std::span<const std::byte> frame) { send_frame(fd, frame); });
  libkernel::quiet_thread([fd, &card = *card] { receive_frames(fd, card); }).detach();
  return card;
}

Result<void> configure_card(Task& init, const Options& options) {
  const auto failed = [](const char* step, int64_t status) {
    return system_error("--network", fmt::format("cannot {}", step), static_cast<int>(-status));
  };
  const int64_t index = index_of_card(init);
  if (index < 0) return failed("find eth0", index);
  net::LinkPlan plan;
  for (const auto& [first, last] : options.loopback_ports)
    if (plan.loopback_ranges < net::LinkPlan::kMaxLoopbackRanges)
      plan.loopback[plan.loopback_ranges++] = {first, last};
  GuestNetlink netlink(init);
  net::LinkResult result;
  if (const int status = net::configure_link(netlink, static_cast<int>(index), plan, &result); status < 0)
    return failed(result.step, status);
  const int64_t socket = init.call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  add_neighbour(init, socket, net::kGateway4);
  add_neighbour(init, socket, net::kDns4);
  init.call(SYS_close, socket);
  // Here they mean nothing, as in a jail's network.
  if (const int64_t file =
          init.call(SYS_open, "/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);
      file >= 0) {
    init.call(SYS_write, file, "0", 1);
    init.call(SYS_close, file);
  }
  return {};
}

}  // namespace sandstone::kernel
