#include "net/process/network_process.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "net/process/gate.h"

namespace sandstone::net {

std::optional<Packet> receive(int control) {
  std::vector<char> buffer(kMaxMessage);
  alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof(int))];
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary;
  message.msg_controllen = sizeof ancillary;
  ssize_t got;
  do {
    got = ::recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0 || (message.msg_flags & MSG_TRUNC) != 0) return std::nullopt;
  Packet packet{std::string(buffer.data(), static_cast<size_t>(got)), Fd()};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    packet.descriptor = Fd(fd);
  }
  return packet;
}

void send(int control, const std::string& text) {
  // A supervisor that does not read its denials loses some: it must not be able to stop the network by that,
  // nor the workload to stop us.
  ::send(control, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

NetworkProcess::NetworkProcess(Policy policy, HostRoutes routes, std::unique_ptr<AresResolver> resolver,
                               int control)
    : control_(control),
      policy_(std::move(policy)),
      routes_(std::move(routes)),
      resolver_(std::move(resolver)),
      denials_([control](const NetDenial& denial) { send(control, encode(denial)); }),
      guard_(policy_, denials_),
      dns_(policy_, denials_, *resolver_),
      dns_tcp_(dns_),
      stack_(guard_, dns_) {
  policy_.set_own_address([this](const Address& address) { return routes_.own(address); });
  open_gate(guard_, [this](Fd connection) { dns_tcp_.accept(std::move(connection)); });
}

Result<std::unique_ptr<NetworkProcess>> NetworkProcess::open(const PolicyMessage& message, int control) {
  if (auto gate = check_gate(); !gate) return gate.error();
  auto policy = Policy::parse(message.allow);
  if (!policy) return policy.error();
  auto routes = HostRoutes::open();
  if (!routes) return routes.error();
  auto resolver = AresResolver::open();
  if (!resolver) return resolver.error();
  std::unique_ptr<NetworkProcess> process(
      new NetworkProcess(*std::move(policy), *std::move(routes), *std::move(resolver), control));
  for (const PortForward& forward : message.forwards)
    if (auto bound = process->stack_.forward(forward); !bound) return bound.error();
  return process;
}

bool NetworkProcess::serve_control() {
  auto packet = receive(control_);
  if (!packet) return false;
  if (packet->descriptor.valid()) stack_.attach(std::move(packet->descriptor));
  return true;
}

void NetworkProcess::run() {
  PollSet set;
  for (;;) {
    set.clear();
    const int control_index = set.add(control_, POLLIN);
    resolver_->prepare(set);
    dns_tcp_.prepare(set);
    stack_.prepare(set);
    if (denials_.pending()) set.wake_after(1000);
    const int ready = set.wait();
    if (ready < 0 && errno != EINTR) break;
    if (ready > 0 && set.ready(control_index) != 0 && !serve_control()) break;
    serve(set, ready < 0);
  }
  stack_.drain();
  denials_.flush();
}

void NetworkProcess::serve(PollSet& set, bool poll_failed) {
  if (!poll_failed) {
    resolver_->turn(set);
    dns_tcp_.turn(set);
  }
  stack_.turn(set, poll_failed);
  denials_.tick(Clock::now());
}

}  // namespace sandstone::net
