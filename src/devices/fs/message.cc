#include "devices/fs/message.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string_view>

namespace sandstone::fs {

Chain::Chain(std::span<const iovec> parts) : parts_(parts) {
  for (const iovec& part : parts)
    if (__builtin_add_overflow(size_, part.iov_len, &size_)) size_ = std::numeric_limits<size_t>::max();
}

size_t Chain::slice(size_t offset, size_t size, std::span<iovec> out) const {
  size_t count = 0;
  for (const iovec& part : parts_) {
    if (size == 0 || count == out.size()) break;
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    const size_t length = std::min(size, part.iov_len - offset);
    out[count++] = {static_cast<char*>(part.iov_base) + offset, length};
    size -= length;
    offset = 0;
  }
  return count;
}

namespace {

// Calls `move(piece, length, done)` for each piece of [offset, offset + size); returns the bytes in all.
template <typename Move>
size_t for_each_piece(std::span<const iovec> parts, size_t offset, size_t size, Move move) {
  size_t done = 0;
  for (const iovec& part : parts) {
    if (done == size) break;
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    const size_t length = std::min(size - done, part.iov_len - offset);
    move(static_cast<char*>(part.iov_base) + offset, length, done);
    done += length;
    offset = 0;
  }
  // Without this the compiler may look into the guest's memory again instead of into the copy.
  asm volatile("" ::: "memory");
  return done;
}

}  // namespace

size_t Chain::copy_out(size_t offset, void* to, size_t size) const {
  return for_each_piece(parts_, offset, size, [to](const char* piece, size_t length, size_t done) {
    std::memcpy(static_cast<char*>(to) + done, piece, length);
  });
}

size_t Chain::copy_in(size_t offset, const void* from, size_t size) const {
  return for_each_piece(parts_, offset, size, [from](char* piece, size_t length, size_t done) {
    std::memcpy(piece, static_cast<const char*>(from) + done, length);
  });
}

bool Request::read_header() {
  if (chain_.copy_out(0, &header_, sizeof header_) != sizeof header_) return false;
  if (header_.len < sizeof header_ || header_.len > chain_.size()) return false;
  body_size_ = header_.len - sizeof header_;
  // Extensions stand behind the arguments. None was negotiated, so none is looked at.
  const size_t extensions = size_t{header_.total_extlen} * 8;
  if (extensions > body_size_) return false;
  body_size_ -= extensions;
  return true;
}

bool Request::read_body(size_t fixed, bool data_follows) {
  if (body_size_ < fixed) return false;
  const size_t size = data_follows ? fixed : body_size_;
  if (size > kMaxBody) return false;
  char* to = small_.data();
  if (size > small_.size()) to = (large_ = std::make_unique_for_overwrite<char[]>(size)).get();
  chain_.copy_out(sizeof header_, to, size);
  body_ = {to, size};
  data_offset_ = sizeof header_ + size;
  data_size_ = body_size_ - size;
  return true;
}

std::span<const char> Request::take_bytes(size_t size) {
  if (size > left()) return {};
  const auto bytes = body_.subspan(cursor_, size);
  cursor_ += size;
  return bytes;
}

int Request::take_text(const char*& text, size_t longest) {
  const auto rest = body_.subspan(cursor_);
  const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), 0, rest.size());
  if (end == nullptr || end == rest.data()) return EINVAL;
  const size_t length = static_cast<size_t>(static_cast<const char*>(end) - rest.data());
  if (length > longest) return ENAMETOOLONG;
  text = rest.data();
  cursor_ += length + 1;
  return 0;
}

int Request::take_name(const char*& name) {
  if (const int error = take_text(name, kMaxName)) return error;
  const std::string_view view = name;
  if (view == "." || view == ".." || view.find('/') != view.npos) return EINVAL;
  return 0;
}

void Reply::put(const void* bytes, size_t size) {
  size_ += chain_.copy_in(offset(), bytes, size);
}

size_t Reply::finish(uint64_t unique, int error) {
  if (!can_answer()) return 0;
  if (error != 0) size_ = 0;
  const size_t size = sizeof(fuse_out_header) + size_;
  const fuse_out_header header{static_cast<uint32_t>(size), -error, unique};
  chain_.copy_in(0, &header, sizeof header);
  return size;
}

}  // namespace sandstone::fs
