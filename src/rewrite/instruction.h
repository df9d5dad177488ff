// One x86-64 instruction, as far as moving it elsewhere is concerned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sandstone::rewrite {

enum class Flow : uint8_t {
  next,       // goes on with the instruction after it
  jump,       // relative jump
  condition,  // relative jump under a condition, which has a form with 32 bits of distance
  near_only,  // a relative jump that has none: loop, jrcxz; or one that we do not move: xbegin
  call,       // any call
  ret,        // near return
  stop,       // never goes on with the instruction after it: indirect jump, ud2, hlt
  syscall,
  other,  // may do anything: other gates into the kernel, endbr64
};

struct Instruction {
  uint8_t length = 0;  // 0: no instruction
  Flow flow = Flow::next;
  bool padding = false;  // a nop of any length, or int3
  bool odd = false;      // no compiler makes it of a program for user mode: a sign that these bytes are data
  bool relative = false;
  int32_t distance = 0;  // of a relative jump or call, from its end

  // Where a relative jump or call goes, from its first byte; 0 for all others.
  [[nodiscard]] int64_t target() const { return relative ? int64_t{length} + distance : 0; }
};

// The instruction at the start of `bytes`.
[[nodiscard]] Instruction decode(std::span<const std::byte> bytes);

// What an instruction of Flow::next does, decoded further.
struct Details {
  bool movable = false;  // may run elsewhere
  bool memory = false;   // reads or writes memory, so may fault
  bool writes_rax = false;
  std::optional<uint32_t> number;  // what it sets eax to, where that is plain from it alone
  uint8_t rip_offset = 0;          // where its distance from rip is, 4 bytes; 0: it has none
  int32_t rip_distance = 0;
};
[[nodiscard]] Details examine(std::span<const std::byte> bytes);

}  // namespace sandstone::rewrite
