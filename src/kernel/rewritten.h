// A part of a file, rewritten as the guests will map it.
#pragma once

#include <future>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "rewrite/rewrite.h"

namespace sandstone::kernel {

// What a file is read into: not cleared before, as megabytes of it take their time.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(size_t size) : bytes_(new std::byte[size]), size_(size) {}

  [[nodiscard]] std::span<std::byte> all() { return {bytes_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> all() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;  // NOLINT: a vector would clear it
  size_t size_ = 0;
};

struct Part {
  uint64_t offset, length;  // whole pages of the file
  int64_t distance;         // of the trampolines, from its start

  bool operator==(const Part&) const = default;
};

inline constexpr uint64_t kMostTrampolines = 16 << 20;  // bytes

struct Rewritten {
  uint64_t skip = 0;     // where in the part the text begins
  rewrite::Result made;  // no trampolines: there was nothing to patch
};

// Where call sites go on (runtime::Header), and how much further those of the next form do.
struct Entry {
  uint64_t address = 0, step = 0;
};

Rewritten rewrite_part(std::span<const std::byte> file, const Part& part, Entry entry);

// Rewrites what a dynamic program maps first, the loader and the C library of this process's root, on a
// thread of its own: the library kernel boots meanwhile. The thread confines itself to domain_filter() before
// it decodes, as the root may be a stranger's.
class Ahead {
 public:
  Ahead() = default;  // knows nothing
  explicit Ahead(Entry entry);

  // Waits for the thread's end. Once, before anything else.
  void finish();
  struct Known {
    Bytes file;
    Part part{};
    Rewritten rewritten;
  };
  // For the part of a file of that size, or null. Whether it is the same file its content tells.
  [[nodiscard]] const Known* find(uint64_t size, const Part& part) const;

 private:
  static std::vector<Known> rewrite_likely(Entry entry);

  std::future<std::vector<Known>> coming_;
  std::vector<Known> known_;
  std::thread thread_;
};

}  // namespace sandstone::kernel
