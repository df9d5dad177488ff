// Trampolines: the code that patched sites jump to, as it is written.
//
//   open a trampoline, move() or call() into it, then keep() it; drop() forgets all since open().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rewrite/instruction.h"
#include "rewrite/rewrite.h"

namespace sandstone::rewrite {

class Trampolines {
 public:
  explicit Trampolines(const Request& request);

  // Starts a trampoline; gives where it will be from the start of text.
  int64_t open();
  // The instruction at `offset` of text, so that it does here what it did there. False: it cannot.
  [[nodiscard]] bool move(uint32_t offset, const Instruction& instruction);
  // In place of the `syscall` at `site`: enters the dispatcher, which comes back to `site` + 2.
  [[nodiscard]] bool call(uint32_t site, Form form);
  // The same, but the dispatcher comes back to what is moved here next.
  [[nodiscard]] bool call_and_stay(uint32_t site);
  // Goes on in the text.
  [[nodiscard]] bool leave(uint32_t offset);
  // False: there is no room for it. Then it is dropped.
  [[nodiscard]] bool keep();
  void drop();

  [[nodiscard]] std::vector<std::byte> take_bytes() { return std::move(bytes_); }
  [[nodiscard]] std::vector<Moved> take_moved() { return std::move(moved_); }

 private:
  [[nodiscard]] int64_t here() const { return distance_ + static_cast<int64_t>(bytes_.size()); }
  void stands_for(uint32_t original);
  [[nodiscard]] bool enter(Form form);  // jmp *entry(%rip)
  void emit(std::initializer_list<uint8_t> bytes);
  // 4 bytes that end an instruction: how far `target` (from the start of text) is from its end.
  [[nodiscard]] bool emit_distance(int64_t target);

  std::span<const std::byte> text_;
  int64_t distance_;
  size_t capacity_;
  std::vector<std::byte> bytes_;
  std::vector<Moved> moved_;
  size_t kept_bytes_;
  size_t kept_moved_ = 0;
};

// The distance field of an instruction that ends at `end` and means `target`; false if 32 bits do not hold
// it.
[[nodiscard]] bool encode_distance(std::byte* field, int64_t end, int64_t target);

}  // namespace sandstone::rewrite
