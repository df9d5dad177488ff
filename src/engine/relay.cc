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
    if ((ready.revents & (POLLERR | POLLNVAL)) != 0 || !flush()) return close();
  } else if (ready.fd == from_.get() && ready.revents != 0 && !pending()) {
    if (!fill()) return close();
    // Most often there is room: this saves a turn of the loop.
    pollfd room{to_.get(), POLLOUT, 0};
    if (::poll(&room, 1, 0) == 1 && !flush()) close();
  }
}

void Relay::drain(std::optional<std::chrono::milliseconds> patience) {
  while (open()) {
    if (pending()) {
      pollfd room{to_.get(), POLLOUT, 0};
      const int ready = ::poll(&room, 1, patience ? static_cast<int>(patience->count()) : -1);
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0 || !flush()) return close();
      continue;
    }
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
  if (budget_ != nullptr) {
    budget_->exceeded = budget_->exceeded || end_ > budget_->left;
    end_ = std::min<uint64_t>(end_, budget_->left);
    budget_->left -= end_;
  }
  return true;
}

bool Relay::flush() {
  // poll(2) promises room for PIPE_BUF bytes, so as much never blocks; files never do.
  struct stat info {};
  const bool is_file = ::fstat(to_.get(), &info) == 0 && S_ISREG(info.st_mode);
  while (pending()) {
    const size_t size = is_file ? end_ - begin_ : std::min<size_t>(end_ - begin_, PIPE_BUF);
    const ssize_t put = ::write(to_.get(), buffer_.get() + begin_, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno == EAGAIN;
    begin_ += static_cast<size_t>(put);
    carried_ += static_cast<uint64_t>(put);
    if (is_file || !pending()) continue;
    pollfd room{to_.get(), POLLOUT, 0};
    if (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return true;
  }
  return true;
}

void Relay::close() {
  from_.reset();
  to_.reset();
  begin_ = end_ = 0;
}

}  // namespace sandstone::engine
