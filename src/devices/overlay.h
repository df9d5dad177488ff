// OverlayStore: an image that looks changed and is not. Changed blocks lie at the same offset of a sparse
// file; a bitmap says which they are.
#pragma once

#include <sandstone/result.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/fd.h"
#include "devices/store.h"

namespace sandstone::devices {

class OverlayStore final : public Store {
 public:
  static constexpr uint64_t kBlock = 4096;

  // `changes` is an empty file, open for both; `base` is `size` bytes long and stays as it is. `name` is for
  // errors.
  static Result<std::unique_ptr<Store>> create(Fd base, uint64_t size, Fd changes, const std::string& name);

  [[nodiscard]] uint64_t size() const override { return size_; }
  [[nodiscard]] bool writable() const override { return true; }
  int read(uint64_t offset, std::span<const iovec> to) override;
  int write(uint64_t offset, std::span<const iovec> from) override;
  int discard(uint64_t offset, uint64_t length) override;
  int zero(uint64_t offset, uint64_t length, bool may_unmap) override;
  int flush() override { return 0; }  // nobody reads it after us

 private:
  struct Free {
    void operator()(uint64_t* bits) const { std::free(bits); }
  };
  using Bits = std::unique_ptr<uint64_t[], Free>;

  OverlayStore(Fd base, uint64_t size, Fd changes, Bits changed)
      : base_(std::move(base)), changes_(std::move(changes)), size_(size), changed_(std::move(changed)) {}

  [[nodiscard]] bool is_changed(uint64_t block) const {
    return (changed_[block / 64] >> (block % 64) & 1) != 0;
  }
  // The first block in [block, end) that differs from `changed`, or `end`.
  [[nodiscard]] uint64_t end_of_run(uint64_t block, uint64_t end, bool changed) const;
  void mark(uint64_t first, uint64_t end);
  int copy_up(uint64_t from, uint64_t to);
  int keep_edges(uint64_t offset, uint64_t end);
  int zero_blocks(uint64_t first, uint64_t end);

  Fd base_;
  Fd changes_;
  uint64_t size_;
  Bits changed_;
};

}  // namespace sandstone::devices
