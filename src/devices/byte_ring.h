// ByteRing: a bounded first-in, first-out of bytes, allocated once. Not locked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace sandstone::devices {

class ByteRing {
 public:
  explicit ByteRing(size_t capacity) : capacity_(capacity), bytes_(std::make_unique<std::byte[]>(capacity)) {}

  [[nodiscard]] size_t size() const { return used_; }
  [[nodiscard]] size_t room() const { return capacity_ - used_; }

  // As many of `from` as there is room for; returns how many.
  size_t put(std::span<const std::byte> from) {
    const size_t count = std::min(from.size(), room());
    const size_t at = (head_ + used_) % capacity_;
    const size_t first = std::min(count, capacity_ - at);
    if (first > 0) std::memcpy(&bytes_[at], from.data(), first);
    if (first < count) std::memcpy(&bytes_[0], from.data() + first, count - first);
    used_ += count;
    return count;
  }

  // Takes up to `count` bytes, which `use(span)` gets in one or two parts; returns how many.
  template <typename Use>
  size_t take(size_t count, Use&& use) {
    count = std::min(count, used_);
    const size_t first = std::min(count, capacity_ - head_);
    if (first > 0) use(std::span<const std::byte>(&bytes_[head_], first));
    if (first < count) use(std::span<const std::byte>(&bytes_[0], count - first));
    head_ = (head_ + count) % capacity_;
    used_ -= count;
    return count;
  }

  void clear() { used_ = 0; }

 private:
  const size_t capacity_;
  std::unique_ptr<std::byte[]> bytes_;
  size_t head_ = 0;
  size_t used_ = 0;
};

}  // namespace sandstone::devices
