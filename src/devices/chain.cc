#include "devices/chain.h"

#include <algorithm>
#include <cstring>

#include "devices/guest_memory.h"

namespace sandstone::devices {
namespace {

// Takes up to `size` bytes off the front of pieces[first, end), handing each run to `use(memory, done,
// length)`.
template <typename Use>
size_t consume(std::vector<iovec>& pieces, size_t& first, size_t end, uint64_t& left, size_t size,
               Use&& use) {
  size_t done = 0;
  while (done < size && first < end) {
    iovec& piece = pieces[first];
    const size_t length = std::min(piece.iov_len, size - done);
    use(static_cast<std::byte*>(piece.iov_base), done, length);
    done += length;
    piece.iov_base = static_cast<std::byte*>(piece.iov_base) + length;
    piece.iov_len -= length;
    if (piece.iov_len == 0) ++first;
  }
  left -= done;
  return done;
}

}  // namespace

void Chain::begin(uint16_t head) {
  pieces_.clear();
  first_readable_ = readable_end_ = first_writable_ = writable_end_ = 0;
  readable_bytes_ = writable_bytes_ = 0;
  head_ = head;
}

void Chain::add(std::byte* data, uint32_t length, bool device_writes) {
  if (length == 0) return;
  (device_writes ? writable_bytes_ : readable_bytes_) += length;
  // Pages in a row become one piece: fewer of them for preadv(2) to walk.
  const bool same_side = !pieces_.empty() && device_writes == (writable_end_ > first_writable_);
  if (same_side && static_cast<std::byte*>(pieces_.back().iov_base) + pieces_.back().iov_len == data) {
    pieces_.back().iov_len += length;
    return;
  }
  pieces_.push_back({data, length});
  if (!device_writes) {
    readable_end_ = first_writable_ = pieces_.size();
  }
  writable_end_ = pieces_.size();
}

size_t Chain::read(std::span<std::byte> to) {
  return consume(
      pieces_, first_readable_, readable_end_, readable_bytes_, to.size(),
      [&](std::byte* from, size_t done, size_t length) { copy_in(to.data() + done, from, length); });
}

size_t Chain::write(std::span<const std::byte> from) {
  return consume(
      pieces_, first_writable_, writable_end_, writable_bytes_, from.size(),
      [&](std::byte* to, size_t done, size_t length) { std::memcpy(to, from.data() + done, length); });
}

std::byte* Chain::take_last() {
  if (first_writable_ == writable_end_) return nullptr;
  iovec& piece = pieces_[writable_end_ - 1];
  --piece.iov_len;
  --writable_bytes_;
  std::byte* last = static_cast<std::byte*>(piece.iov_base) + piece.iov_len;
  if (piece.iov_len == 0) --writable_end_;
  return last;
}

}  // namespace sandstone::devices
