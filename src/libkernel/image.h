// The library kernel's image in this process: the memory file, mapped at its one address, with the image in
// it.
#pragma once

#include <lib_abi.h>
#include <sandstone/result.h>

#include <string>

#include "base/fd.h"

namespace sandstone::libkernel {

class Image {
 public:
  enum class Pages {
    small,
    huge
  };  // huge: 24 MiB and more are taken at once, and many processes can share it cheaply

  // Maps `memory` bytes (a multiple of the page size) and copies the image file `path` into them. Fails if
  // something of this process is in the way, as there can be one at a time.
  static Result<Image> load(const std::string& path, uint64_t memory);

  // The same in two steps, between which the process may fork. `window`: as many bytes more, in a file of their
  // own that nobody holds open, for pages that guests are to have in their memory where they may not have the
  // rest (arch/lib/kernel/window.c).
  static Result<Image> map(uint64_t memory, uint64_t window);
  // From `file`, an open image, called `name` in errors; it stays the caller's.
  Result<void> fill(int file, const std::string& name, Pages pages);
  // In a process that has mapped what another has filled: makes text executable.
  Result<void> seal_text() const;

  Image(Image&& other) noexcept;
  Image& operator=(Image&&) = delete;
  ~Image();  // unmaps; nobody may be inside

  [[nodiscard]] lib_header& header() const { return *header_; }
  [[nodiscard]] std::byte* memory() const;  // physical address 0
  [[nodiscard]] uint64_t memory_size() const { return size_; }
  [[nodiscard]] uint64_t window_size() const { return window_; }  // it follows
  [[nodiscard]] int descriptor() const { return memfd_.get(); }   // of the memory file

 private:
  Image(Fd memfd, uint64_t size);
  Fd memfd_;
  uint64_t size_ = 0;
  uint64_t window_ = 0;
  lib_header* header_ = nullptr;
};

}  // namespace sandstone::libkernel
