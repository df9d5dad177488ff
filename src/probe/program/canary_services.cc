#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "probe/program/canary.h"

namespace sandstone::probe_program {
namespace {

const sockaddr* generic(const void* address) {
  return static_cast<const sockaddr*>(address);
}

sockaddr_in loopback(unsigned short port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

unsigned short port_of(int fd) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin6_port);  // at the same place in sockaddr_in
}

int bound(int family, int type, const void* address, socklen_t size) {
  const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (::bind(fd, generic(address), size) != 0 || (type == SOCK_STREAM && ::listen(fd, 16) != 0)) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

CanaryServices::CanaryServices(const CanaryPlace& place) : place_(place) {
  listen_on_tcp();
  listen_on_unix();
  const sockaddr_in any_port = loopback(0);
  udp_ = bound(AF_INET, SOCK_DGRAM, &any_port, sizeof any_port);
  if (udp_ >= 0) tell("udp-port", std::to_string(port_of(udp_)));
  icmp_ = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);  // as root only
  // Talks to itself, so that there is something to overhear.
  traffic_ = bound(AF_INET, SOCK_DGRAM, &any_port, sizeof any_port);
  if (traffic_ >= 0) {
    const sockaddr_in self = loopback(port_of(traffic_));
    if (::connect(traffic_, generic(&self), sizeof self) != 0)
      tell("note", "no loopback traffic to overhear");
  }
}

void CanaryServices::listen_on_tcp() {
  const sockaddr_in any_port = loopback(0);
  if (const int fd = bound(AF_INET, SOCK_STREAM, &any_port, sizeof any_port); fd >= 0) {
    listeners_.push_back(fd);
    tell("tcp-port", std::to_string(port_of(fd)));
  }
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_addr = in6addr_loopback;
  if (const int fd = bound(AF_INET6, SOCK_STREAM, &address6, sizeof address6); fd >= 0) {
    listeners_.push_back(fd);
    tell("tcp6-port", std::to_string(port_of(fd)));
  }
  // A port that is free now, for the workload to listen on.
  if (const int fd = bound(AF_INET, SOCK_STREAM, &any_port, sizeof any_port); fd >= 0) {
    listen_port_ = port_of(fd);
    ::close(fd);
    tell("listen-port", std::to_string(listen_port_));
  }
}

void CanaryServices::listen_on_unix() {
  for (const std::string& path : {place_.base + "/run/socket", place_.base + "/shared/socket"}) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int fd = bound(AF_UNIX, SOCK_STREAM, &address, sizeof address);
    if (fd < 0) continue;
    ::chmod(path.c_str(), 0666);
    listeners_.push_back(fd);
  }
  tell("unix-path", place_.base + "/run/socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "sandstone-probe-" + place_.nonce;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const int fd = bound(AF_UNIX, SOCK_STREAM, &address,
                       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size()));
  if (fd >= 0) listeners_.push_back(fd);
  tell("abstract", name);
}

CanaryServices::~CanaryServices() {
  reset();
}

void CanaryServices::reset() {
  for (const int peer : peers_) ::close(peer);
  peers_.clear();
}

std::vector<int> CanaryServices::descriptors() const {
  std::vector<int> all = listeners_;
  for (const int fd : {udp_, icmp_, traffic_})
    if (fd >= 0) all.push_back(fd);
  return all;
}

void CanaryServices::serve(int fd, Seen& seen) {
  char data[2048];
  if (std::find(listeners_.begin(), listeners_.end(), fd) != listeners_.end()) {
    const int peer = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0) return;
    ::send(peer, place_.secret.data(), place_.secret.size(), MSG_NOSIGNAL);
    // Left open: closing with unread data would reset the connection and take the answer along.
    peers_.push_back(peer);
    return;
  }
  sockaddr_in from{};
  socklen_t size = sizeof from;
  const ssize_t got = ::recvfrom(fd, data, sizeof data, 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (got <= 0) return;
  if (fd == udp_)
    ::sendto(udp_, place_.secret.data(), place_.secret.size(), MSG_NOSIGNAL, generic(&from), size);
  if (fd == icmp_ && std::string(data, static_cast<size_t>(got)).find(place_.nonce) != std::string::npos)
    seen.insert("icmp-raw");
}

void CanaryServices::tick() {
  ::send(traffic_, place_.secret.data(), place_.secret.size(), MSG_NOSIGNAL);
  const int visit = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (visit < 0) return;
  const timeval patience{0, 50'000};
  ::setsockopt(visit, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const sockaddr_in address = loopback(listen_port_);
  if (::connect(visit, generic(&address), sizeof address) == 0) {
    ::send(visit, place_.secret.data(), place_.secret.size(), MSG_NOSIGNAL);
    peers_.push_back(visit);
    return;
  }
  ::close(visit);
}

}  // namespace sandstone::probe_program
