#include "net/process/dns_tcp.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace sandstone::net {

void DnsTcp::accept(Fd connection) {
  if (connections_.size() >= kMaxConnections) return;  // closes it
  Connection& added = connections_[next_id_++];
  added.fd = std::move(connection);
  added.last_use = Clock::now();
}

void DnsTcp::prepare(PollSet& set) {
  for (auto& [id, connection] : connections_) {
    short events = 0;
    // A client that does not read its replies is not read from either.
    if (!connection.ended && connection.waiting < kMaxWaiting && connection.out.size() < kDnsMaxReply)
      events |= POLLIN;
    if (!connection.out.empty()) events |= POLLOUT;
    connection.index = set.add(connection.fd.get(), events);
  }
  if (!connections_.empty()) set.wake_after(1000);
}

void DnsTcp::turn(const PollSet& set) {
  const auto now = Clock::now();
  for (auto it = connections_.begin(); it != connections_.end();) {
    auto& [id, connection] = *it;
    const short ready = set.ready(connection.index);
    bool alive = now - connection.last_use < kIdle;
    if (alive && (ready & (POLLIN | POLLHUP | POLLERR)) != 0 && !connection.ended) {
      alive = read(connection);
      if (alive) take_queries(id, connection);
    }
    if (alive && !connection.out.empty()) alive = write(connection);
    if (connection.ended && connection.waiting == 0 && connection.out.empty()) alive = false;
    it = alive ? std::next(it) : connections_.erase(it);
  }
}

bool DnsTcp::read(Connection& connection) {
  uint8_t block[4096];
  const ssize_t got = ::recv(connection.fd.get(), block, sizeof block, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) connection.ended = true;
  connection.last_use = Clock::now();
  connection.in.insert(connection.in.end(), block, block + got);
  return true;
}

void DnsTcp::take_queries(uint64_t id, Connection& connection) {
  size_t at = 0;
  while (connection.in.size() - at >= 2 && connection.waiting < kMaxWaiting) {
    const size_t length = static_cast<size_t>(connection.in[at] << 8 | connection.in[at + 1]);
    if (length < 12 || length > kDnsMaxQuery) {  // no query looks like this: nothing to wait for
      connection.ended = true;
      connection.in.clear();
      return;
    }
    if (connection.in.size() - at - 2 < length) break;
    const std::vector<uint8_t> message(connection.in.begin() + static_cast<ptrdiff_t>(at + 2),
                                       connection.in.begin() + static_cast<ptrdiff_t>(at + 2 + length));
    at += 2 + length;
    ++connection.waiting;
    server_.handle(message, Transport::tcp, Clock::now(),
                   [this, id](const std::vector<uint8_t>& answer) { reply(id, answer); });
  }
  connection.in.erase(connection.in.begin(), connection.in.begin() + static_cast<ptrdiff_t>(at));
}

void DnsTcp::reply(uint64_t id, const std::vector<uint8_t>& message) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (connection.waiting > 0) --connection.waiting;
  connection.out.push_back(static_cast<uint8_t>(message.size() >> 8));
  connection.out.push_back(static_cast<uint8_t>(message.size()));
  connection.out.insert(connection.out.end(), message.begin(), message.end());
}

bool DnsTcp::write(Connection& connection) {
  const ssize_t put = ::send(connection.fd.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  connection.out.erase(connection.out.begin(), connection.out.begin() + put);
  return true;
}

}  // namespace sandstone::net
