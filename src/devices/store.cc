#include "devices/store.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace sandstone::devices {
namespace {

constexpr size_t kPieces = 256;  // in one system call; IOV_MAX is 1024

template <typename Call>
int transfer(Call call, int file, uint64_t offset, uint64_t length, PieceCursor& cursor) {
  std::array<iovec, kPieces> pieces;
  while (length > 0) {
    const size_t count = cursor.next(length, pieces);
    const ssize_t done = call(file, pieces.data(), static_cast<int>(count), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    if (done == 0) return EIO;  // somebody has cut the file off
    cursor.advance(static_cast<uint64_t>(done));
    offset += static_cast<uint64_t>(done);
    length -= static_cast<uint64_t>(done);
  }
  return 0;
}

}  // namespace

uint64_t total_bytes(std::span<const iovec> pieces) {
  uint64_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

size_t PieceCursor::next(uint64_t limit, std::span<iovec> out) const {
  size_t count = 0;
  size_t skip = skip_;
  for (const iovec& piece : pieces_) {
    if (limit == 0 || count == out.size()) break;
    const auto length = static_cast<size_t>(std::min<uint64_t>(piece.iov_len - skip, limit));
    out[count++] = {static_cast<std::byte*>(piece.iov_base) + skip, length};
    limit -= length;
    skip = 0;
  }
  return count;
}

void PieceCursor::advance(uint64_t bytes) {
  while (bytes > 0 && !pieces_.empty()) {
    const uint64_t left = pieces_.front().iov_len - skip_;
    if (bytes < left) {
      skip_ += bytes;
      return;
    }
    bytes -= left;
    skip_ = 0;
    pieces_ = pieces_.subspan(1);
  }
}

int read_at(int file, uint64_t offset, uint64_t length, PieceCursor& to) {
  return transfer(::preadv, file, offset, length, to);
}

int write_at(int file, uint64_t offset, uint64_t length, PieceCursor& from) {
  return transfer(::pwritev, file, offset, length, from);
}

int write_zeros_at(int file, uint64_t offset, uint64_t length) {
  alignas(4096) static const std::array<std::byte, 65536> zeros{};
  std::array<iovec, 16> pieces;
  pieces.fill({const_cast<std::byte*>(zeros.data()), zeros.size()});
  while (length > 0) {
    const uint64_t part = std::min<uint64_t>(length, pieces.size() * zeros.size());
    PieceCursor cursor(pieces);
    if (const int error = write_at(file, offset, part, cursor)) return error;
    offset += part;
    length -= part;
  }
  return 0;
}

}  // namespace sandstone::devices
