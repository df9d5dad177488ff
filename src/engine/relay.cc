#include "engine/relay.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sandstone::engine {

void Relay::add_to(std::vector<pollfd>& polled) const {
  if (!open()) return;
  // A reader that has gone shows as POLLERR on the way out, even while there is nothing to write.
  polled.push_back({to_.get(), static_cast<short>(pending() ? POLLOUT : 0), 0});
  if (!pending()) polled.push_back({from_.get(), POLLIN, 0});
}

void Relay::on_ready(const pollfd& ready) {
  if (!open()) return;
  if (ready.fd == to_.get() && (ready.revents & (POLLOUT | POLLERR | POLLNVAL)) != 0) {
    if ((ready.revents & (POLLERR | POLLNVAL)) != 0 || !flush(false)) return close();
  } else if (ready.fd == from_.get() && ready.revents != 0 && !pending()) {
    if (!fill()) return close();
    // Most often there is room: this saves a turn of the loop.
    pollfd room{to_.get(), POLLOUT, 0};
    if (::poll(&room, 1, 0) == 1 && !flush(false)) close();
  }
}

void Relay::drain() {
  while (open()) {
    if (pending() && !flush(true)) return close();
    pollfd left{from_.get(), POLLIN, 0};
    if (::poll(&left, 1, 0) != 1 || (left.revents & POLLIN) == 0 || !fill()) return close();
  }
}

bool Relay::fill() {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  ssize_t got = 0;
  do got = ::read(from_.get(), buffer_.get(), kBuffer);
  while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;  // EIO is how a pty says that its other side was closed
  begin_ = 0;
  end_ = static_cast<size_t>(got);
  return true;
}

bool Relay::flush(bool may_block) {
  // poll(2) promises room for PIPE_BUF bytes, so as much never blocks; files never do.
  struct stat info {};
  const bool is_file = ::fstat(to_.get(), &info) == 0 && S_ISREG(info.st_mode);
  do {
    const size_t size = is_file || may_block ? end_ - begin_ : std::min<size_t>(end_ - begin_, PIPE_BUF);
    const ssize_t put = ::write(to_.get(), buffer_.get() + begin_, size);
    if (put < 0 && (errno == EINTR || (errno == EAGAIN && may_block))) continue;
    if (put < 0 && errno == EAGAIN) return true;
    if (put < 0) return false;
    begin_ += static_cast<size_t>(put);
    carried_ += static_cast<uint64_t>(put);
    if (may_block || is_file || !pending()) continue;
    pollfd room{to_.get(), POLLOUT, 0};
    if (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return true;
  } while (pending());
  return true;
}

void Relay::close() {
  from_.reset();
  to_.reset();
  begin_ = end_ = 0;
}

}  // namespace sandstone::engine
