#include "engine/relay.h"

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
  if (ready.fd == to_.get() && ready.revents != 0) {
    // A terminal that was hung up may have no room for ever.
    const bool room = (ready.revents & POLLOUT) != 0;
    if (!room || (ready.revents & (POLLERR | POLLNVAL)) != 0 || !flush()) return close();
    if (finishing_) carry_rest();
  } else if (ready.fd == from_.get() && ready.revents != 0 && !pending()) {
    if (!fill()) return close();
    // Most often there is room: this saves a turn of the loop.
    pollfd room{to_.get(), POLLOUT, 0};
    if (::poll(&room, 1, 0) == 1 && !flush()) close();
  }
}

void Relay::finish() {
  if (!open()) return;
  finishing_ = true;
  carry_rest();
}

void Relay::carry_rest() {
  while (open()) {
    if (pending()) {
      pollfd room{to_.get(), POLLOUT, 0};
      if (::poll(&room, 1, 0) != 1) return;  // the supervisor's loop waits for it
      if ((room.revents & POLLOUT) == 0 || !flush()) return close();
      if (pending()) return;
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
  while (pending()) {
    const long put = to_.write(buffer_.get() + begin_, end_ - begin_);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno == EAGAIN;
    begin_ += static_cast<size_t>(put);
    carried_ += static_cast<uint64_t>(put);
    if (!pending()) return true;
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
