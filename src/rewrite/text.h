// The text under analysis, with what is known about it as a whole.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rewrite/instruction.h"

namespace sandstone::rewrite {

// Each place decoded once: wrappers of system calls stand close together, and so their windows overlap.
class Decoded {
 public:
  explicit Decoded(std::span<const std::byte> bytes) : bytes_(bytes), parts_(bytes.size() / kPart + 1) {}
  [[nodiscard]] const Instruction& at(uint32_t offset);

 private:
  static constexpr uint32_t kPart = 256;
  struct Part {
    std::array<Instruction, kPart> instructions;
    std::array<bool, kPart> known{};
  };
  std::span<const std::byte> bytes_;
  std::vector<std::unique_ptr<Part>> parts_;
};

struct Text {
  std::span<const std::byte> bytes;
  int64_t null = 0;  // what a call of a weak function that is not there goes to: -(address of text)
  std::vector<uint32_t> starts;   // sorted
  std::vector<uint32_t> targets;  // sorted: starts, landings, and what targets.h finds

  [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(bytes.size()); }
  [[nodiscard]] bool is_start(uint32_t offset) const {
    return std::binary_search(starts.begin(), starts.end(), offset);
  }
  // Whether something may jump to one of [first, end).
  [[nodiscard]] bool targeted(uint32_t first, uint32_t end) const {
    const auto at = std::lower_bound(targets.begin(), targets.end(), first);
    return at != targets.end() && *at < end;
  }
};

// The offsets of all `0f 05` in `text`, whether they are instructions or not.
[[nodiscard]] std::vector<uint32_t> find_candidates(std::span<const std::byte> text);

// Where the text's own jumps, calls and rip-relative leas with 32 bits of distance lead, as far as that is
// within `reach` of a candidate. Every byte counts as a possible first byte of one, so that no wrong idea of
// where instructions start can hide one: too many are found, by a handful.
[[nodiscard]] std::vector<uint32_t> find_far_targets(std::span<const std::byte> text,
                                                     std::span<const uint32_t> candidates, uint32_t reach);

}  // namespace sandstone::rewrite
