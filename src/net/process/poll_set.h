// PollSet: what one turn of the loop waits for.
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace sandstone::net {

class PollSet {
 public:
  void clear() {
    entries_.clear();
    timeout_ms_ = -1;
  }
  // The index under which ready() finds it.
  int add(int fd, short events) {
    entries_.push_back({fd, events, 0});
    return static_cast<int>(entries_.size()) - 1;
  }
  void wake_after(int64_t milliseconds) {
    const int bounded = static_cast<int>(std::clamp<int64_t>(milliseconds, 0, 60'000));
    timeout_ms_ = timeout_ms_ < 0 ? bounded : std::min(timeout_ms_, bounded);
  }
  [[nodiscard]] short ready(int index) const {
    return index < 0 || static_cast<size_t>(index) >= entries_.size()
               ? short{0}
               : entries_[static_cast<size_t>(index)].revents;
  }
  int wait() { return ::poll(entries_.data(), entries_.size(), timeout_ms_); }

 private:
  std::vector<pollfd> entries_;
  int timeout_ms_ = -1;
};

}  // namespace sandstone::net
