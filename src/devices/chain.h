// Chain: one request of the driver, as pieces of guest memory that have been checked to lie inside it.
//
// What lies in them may still change at any time. Reuse one Chain for all requests of a queue: it allocates
// only until it has met the longest.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sandstone::devices {

class Chain {
 public:
  // What is left of each side: read(), write() and take_last() consume.
  [[nodiscard]] std::span<const iovec> readable() const {
    return std::span(pieces_).subspan(first_readable_, readable_end_ - first_readable_);
  }
  [[nodiscard]] std::span<const iovec> writable() const {
    return std::span(pieces_).subspan(first_writable_, writable_end_ - first_writable_);
  }
  [[nodiscard]] uint64_t readable_bytes() const { return readable_bytes_; }
  [[nodiscard]] uint64_t writable_bytes() const { return writable_bytes_; }

  // Copies the next bytes that the driver wrote into `to`; returns how many, which is fewer only at the end.
  size_t read(std::span<std::byte> to);
  // Copies `from` to the next bytes that the driver may read back; returns how many fitted.
  size_t write(std::span<const std::byte> from);
  // The last writable byte, taken off the writable side; null if there is none.
  std::byte* take_last();

  [[nodiscard]] uint16_t head() const { return head_; }

  // For the Virtqueue that fills it: all readable pieces come before the writable ones.
  void begin(uint16_t head);
  void add(std::byte* data, uint32_t length, bool device_writes);

 private:
  std::vector<iovec> pieces_;
  size_t first_readable_ = 0;
  size_t readable_end_ = 0;
  size_t first_writable_ = 0;
  size_t writable_end_ = 0;
  uint64_t readable_bytes_ = 0;
  uint64_t writable_bytes_ = 0;
  uint16_t head_ = 0;
};

}  // namespace sandstone::devices
