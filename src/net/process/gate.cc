#include "net/process/gate.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace sandstone::net {
namespace {

Guard* g_guard = nullptr;
std::function<void(Fd)> g_accept_dns;

constexpr uint16_t kDnsPort = 53;

// Replaces the stack's socket by one end of a pair. The stack goes on to read and write it like any
// connection.
int connect_to_dns(int fd) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -1;
  Fd stack_end(ends[0]);
  Fd server_end(ends[1]);
  if (::dup3(stack_end.get(), fd, O_CLOEXEC) < 0) return -1;
  g_accept_dns(std::move(server_end));
  return 0;
}

int gated_connect(int fd, const sockaddr* address, socklen_t size) {
  uint16_t port = 0;
  const auto to = Address::from_socket(address, size, &port);
  if (g_guard == nullptr || !to) {
    errno = EACCES;
    return -1;
  }
  if (is_dns_address(*to) && port == kDnsPort) return connect_to_dns(fd);
  if (!g_guard->socket_may_reach(*to, port, Transport::tcp, Clock::now())) {
    errno = EHOSTUNREACH;  // the stack tells the workload so; never ECONNREFUSED, see below
    return -1;
  }
  const int status = static_cast<int>(::syscall(SYS_connect, fd, address, size));
  // libslirp 4.7 frees a packet twice when connect(2) itself says this (and not a poll later, as it mostly
  // does). A refusal that comes later takes another path there: its next write finds out.
  if (status < 0 && errno == ECONNREFUSED) errno = EINPROGRESS;
  return status;
}

bool may_send_to(int fd, const sockaddr* address, socklen_t size) {
  uint16_t port = 0;
  const auto to = Address::from_socket(address, size, &port);
  int protocol = 0;
  socklen_t length = sizeof protocol;
  if (g_guard == nullptr || !to || ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) != 0)
    return false;
  if (protocol == IPPROTO_UDP) return g_guard->socket_may_reach(*to, port, Transport::udp, Clock::now());
  return protocol == IPPROTO_ICMP && g_guard->socket_may_reach(*to, 0, Transport::icmp, Clock::now());
}

}  // namespace

int connect_past_gate(int fd, const sockaddr* address, unsigned size) {
  return static_cast<int>(::syscall(SYS_connect, fd, address, size));
}

void open_gate(Guard& guard, std::function<void(Fd)> accept_dns) {
  g_guard = &guard;
  g_accept_dns = std::move(accept_dns);
}

Result<void> check_gate() {
  if (::dlsym(RTLD_DEFAULT, "connect") == reinterpret_cast<void*>(&::connect) &&
      ::dlsym(RTLD_DEFAULT, "sendto") == reinterpret_cast<void*>(&::sendto))
    return {};
  return Error{"network", "the gate before the network stack's sockets is not in force",
               "build sandstone-net anew"};
}

}  // namespace sandstone::net

extern "C" {

__attribute__((visibility("default"))) int connect(int fd, const sockaddr* address, socklen_t size) {
  return sandstone::net::gated_connect(fd, address, size);
}

// The stack asks for a queue of one, which makes a second client that comes before the next turn of our loop
// wait for a second.
__attribute__((visibility("default"))) int listen(int fd, int) {
  return static_cast<int>(::syscall(SYS_listen, fd, SOMAXCONN));
}

__attribute__((visibility("default"))) ssize_t sendto(int fd, const void* data, size_t size, int flags,
                                                      const sockaddr* address, socklen_t address_size) {
  if (address != nullptr && !sandstone::net::may_send_to(fd, address, address_size)) {
    errno = EACCES;  // the stack sends the workload "unreachable"
    return -1;
  }
  return ::syscall(SYS_sendto, fd, data, size, flags, address, address_size);
}

}  // extern "C"
