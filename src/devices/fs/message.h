// A FUSE request and its reply, in memory that the guest can change at any time: what is looked at is copied
// out once, and only the copy is looked at.
#pragma once

#include <linux/fuse.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace sandstone::fs {

// Bytes that lie in several pieces.
class Chain {
 public:
  explicit Chain(std::span<const iovec> parts);

  [[nodiscard]] size_t size() const { return size_; }
  // Both move fewer bytes than `size` where the chain ends.
  size_t copy_out(size_t offset, void* to, size_t size) const;
  size_t copy_in(size_t offset, const void* from, size_t size) const;
  // The pieces of [offset, offset + size), as many as `out` holds; returns how many.
  size_t slice(size_t offset, size_t size, std::span<iovec> out) const;

 private:
  std::span<const iovec> parts_;
  size_t size_ = 0;
};

class Request {
 public:
  static constexpr size_t kMaxBody = (64U << 10) + 4096;  // the largest: SETXATTR's value and name
  static constexpr size_t kMaxName = 255;
  static constexpr size_t kMaxTarget = 4095;

  explicit Request(const Chain& chain) : chain_(chain) {}

  // Copies the header out; false if it is cut off or its lengths lie.
  bool read_header();
  // Copies the body out, or only its first `fixed` bytes if the rest is file data; false if it is too short
  // or long.
  bool read_body(size_t fixed, bool data_follows);

  [[nodiscard]] const fuse_in_header& header() const { return header_; }
  [[nodiscard]] uint64_t node() const { return header_.nodeid; }

  // The next argument; read_body() has checked that the first one is there, and another one that is not reads
  // as 0.
  template <typename T>
  T take() {
    T value{};
    const auto bytes = take_bytes(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  // A name of one path step, NUL-terminated, in our own memory. An errno: EINVAL if it is empty,
  // unterminated, "." or
  // ".." or has a slash; ENAMETOOLONG.
  int take_name(const char*& name);
  int take_text(const char*& text, size_t longest);  // the same for any text that is not empty
  std::span<const char> take_bytes(size_t size);     // empty if there are fewer
  [[nodiscard]] size_t left() const { return body_.size() - cursor_; }

  [[nodiscard]] const Chain& chain() const { return chain_; }
  [[nodiscard]] size_t data_offset() const { return data_offset_; }  // of the file data, in chain()
  [[nodiscard]] size_t data_size() const { return data_size_; }

 private:
  const Chain& chain_;
  fuse_in_header header_{};
  size_t body_size_ = 0;
  std::array<char, 4096 + 512> small_;  // uninitialised: body_ says how much of it is there
  std::unique_ptr<char[]> large_;
  std::span<const char> body_;
  size_t cursor_ = 0;
  size_t data_offset_ = 0;
  size_t data_size_ = 0;
};

class Reply {
 public:
  explicit Reply(const Chain& chain) : chain_(chain) {}

  [[nodiscard]] bool can_answer() const { return chain_.size() >= sizeof(fuse_out_header); }
  [[nodiscard]] size_t room() const {
    return chain_.size() - sizeof(fuse_out_header) - size_;
  }  // if can_answer()
  template <typename T>
  void put(const T& value) {
    put(&value, sizeof value);
  }
  void put(const void* bytes, size_t size);
  // For file data that goes straight there.
  [[nodiscard]] const Chain& chain() const { return chain_; }
  [[nodiscard]] size_t offset() const { return sizeof(fuse_out_header) + size_; }
  void filled(size_t size) { size_ += size; }

  size_t finish(uint64_t unique, int error);  // returns the bytes of the whole reply

 private:
  const Chain& chain_;
  size_t size_ = 0;
};

}  // namespace sandstone::fs
