// Window: the instructions around one place of the text.
//
// Text may have data in it, and its symbols may be stripped, so where its instructions start is found out:
// decoding from wrong places falls into step with the right one within a few instructions. A window decodes
// from fifteen offsets in a row (an instruction has at most fifteen bytes), well before the place and again
// closer to it, and an offset is certain only if no instruction of any of them goes across it. Known function
// starts overrule all.
#pragma once

#include <cstdint>
#include <vector>

#include "rewrite/instruction.h"
#include "rewrite/text.h"

namespace sandstone::rewrite {

class Window {
 public:
  // Sees all short jumps to whatever is within `radius` bytes of `place`.
  Window(const Text& text, Decoded& decoded, uint32_t place, uint32_t radius);

  // Whether some way of decoding has an instruction at `offset`.
  [[nodiscard]] bool seen(uint32_t offset) const { return slot(offset) != nullptr; }
  // The instruction at `offset`, if all ways of decoding agree that there is one; else null.
  [[nodiscard]] const Instruction* at(uint32_t offset) const;
  // The instruction that ends at `offset` and begins where at() has one; null likewise. Gives its offset.
  [[nodiscard]] const Instruction* before(uint32_t offset, uint32_t& begins) const;
  // Whether the straight line of code through `offset` looks like a program's, not like data that happens to
  // decode.
  [[nodiscard]] bool plausible(uint32_t offset) const;
  // Whether something may jump to one of [first, end).
  [[nodiscard]] bool targeted(uint32_t first, uint32_t end) const;

  [[nodiscard]] uint32_t end() const { return first_ + static_cast<uint32_t>(slots_.size()); }

 private:
  struct Slot {
    Instruction instruction;
    bool pending = false;
    bool certain = false;
    bool target = false;
  };
  [[nodiscard]] const Slot* slot(uint32_t offset) const;
  void decode_all(Decoded& decoded, uint32_t place);
  [[nodiscard]] bool ordinary(uint32_t offset, const Instruction& instruction) const;

  const Text& text_;
  uint32_t first_;
  std::vector<Slot> slots_;
};

}  // namespace sandstone::rewrite
