// Turns a program's text into a copy whose `syscall` instructions call a dispatcher in user space.
//
//   rewrite::Result patched = rewrite::rewrite({.text = segment,
//                                               .trampolines = 64 << 20,
//                                               .capacity = 1 << 20,
//                                               .entry = dispatcher,
//                                               .starts = starts,
//                                               .landings = landings});
//
// Map patched.text where the text was and patched.trampolines at the distance that was asked for; nothing
// else depends on where the text is. Nothing here maps or runs anything.
//
// The dispatcher is entered by a jump, as the kernel would be: number in rax, arguments in rdi, rsi, rdx,
// r10, r8 and r9, and the address to go on at in rcx. It may change rax, rcx, r11 and the arithmetic flags
// only (which every compiler takes an asm to change), finds a red zone below rsp, and ends with `jmp *%rcx`.
// Two bytes before rcx is an instruction that makes the same call again: a `syscall` (which the host sees),
// or for Form::rel8 the jump that led here. So a call is restarted, as by the kernel, with rip = rcx - 2.
//
// A site is patched only if every way into the overwritten bytes that can be found says that it is safe, and
// if what is around it looks like code; all others are left as they are, and trap. How that is found out:
// text.h, window.h, elf.h. Not seen are jumps to addresses that a program computes otherwise, and programs
// that read their own code: one that copies a `syscall` elsewhere to run it there, as gVisor's stub does,
// copies a jump that goes astray.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sandstone::rewrite {

// Offsets are from the first byte of text.
struct Request {
  std::span<const std::byte> text;  // an executable segment, at most 1 GiB of it
  uint64_t address = 0;             // where its file says that it is; 0 if unknown
  int64_t trampolines = 0;          // where the trampolines will be: within +-1 GiB, outside the text
  size_t capacity = 0;              // bytes that there are for them, at most 256 MiB
  uint64_t entry = 0;               // absolute address that every trampoline jumps to,
  uint64_t entry_step = 0;  // this many bytes further for each form, for a dispatcher that counts them
  std::span<const uint64_t> starts;    // where functions are known to start: instructions start there, too
  std::span<const uint64_t> landings;  // where something may jump to: jump tables, landing pads, pointers
};

// What a site becomes; `text` below is what is overwritten.
enum class Form : uint8_t {
  imm7,  // the `mov $number,%eax` (5 bytes) right before; the `syscall` stays, for whoever jumps to it
  pre,   // the first 5 bytes of other instructions before; the `syscall` stays
  post,  // the `syscall` and what follows, 5 bytes
  rel8,  // the `syscall` itself, by a jump to an island (5 bytes of padding nearby) that jumps on
  none,  // nothing: it traps
};
inline constexpr size_t kForms = 5;

struct Site {
  uint32_t offset = 0;  // of the `syscall` instruction
  Form form = Form::none;
  uint32_t patched = 0;     // first overwritten byte: 5 from there, 2 for rel8
  uint32_t island = 0;      // rel8: 5 more bytes that are overwritten
  uint32_t trampoline = 0;  // from the start of the trampolines
};

// An instruction that is now elsewhere. Both are offsets from the start of text.
struct Moved {
  int32_t now = 0;
  int32_t original = 0;
};

struct Result {
  std::vector<std::byte> text;
  std::vector<std::byte> trampolines;  // none if nothing was patched: text is as it was
  std::vector<Site> sites;             // by offset; every instruction that may be a `syscall`, patched or not
  std::vector<Moved> moved;            // by `now`: every instruction of the trampolines and islands
  std::vector<Moved> displaced;        // by `original`: the instructions whose original bytes are overwritten

  // For a signal frame or an unwinder: where the program would be, if it were not patched, when it is at
  // `now`. None if that is no instruction of ours.
  [[nodiscard]] std::optional<int32_t> original(int32_t now) const;
  // For a return from a signal: where to go on so as to go on at `original`.
  [[nodiscard]] int32_t resume(int32_t original) const;
};

[[nodiscard]] Result rewrite(const Request& request);

// Whether `text` seems to have a `syscall`. Takes a tenth of what rewrite() takes, with all that that has to
// know of a file, and most big programs have none: they call the C library. Seldom wrong, either way.
[[nodiscard]] bool has_calls(std::span<const std::byte> text);

}  // namespace sandstone::rewrite
