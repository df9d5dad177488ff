#include "rewrite/text.h"

#include <array>
#include <cstring>

namespace sandstone::rewrite {
namespace {

// Whether an instruction with a 32-bit distance may start with this byte, prefixes aside.
constexpr std::array<bool, 256> kOpens = [] {
  std::array<bool, 256> opens{};
  opens[0xe8] = opens[0xe9] = opens[0x0f] = opens[0x8d] = opens[0xc7] = true;
  return opens;
}();

// Bytes from the opcode to the end of such an instruction; 0 if it is none.
uint32_t far_length(uint8_t opcode, uint8_t next) {
  switch (opcode) {
    case 0xe8:  // call
    case 0xe9:  // jmp
      return 5;
    case 0x0f:  // jcc
      return (next & 0xf0) == 0x80 ? 6 : 0;
    case 0x8d:  // lea from rip: an address that an indirect jump may be made with
      return (next & 0xc7) == 0x05 ? 6 : 0;
    case 0xc7:  // xbegin
      return next == 0xf8 ? 6 : 0;
    default:
      return 0;
  }
}

}  // namespace

std::vector<uint32_t> find_candidates(std::span<const std::byte> text) {
  std::vector<uint32_t> found;
  const auto* begin = reinterpret_cast<const char*>(text.data());
  const char* end = begin + text.size();
  for (const char* at = begin; end - at >= 2;) {
    at = static_cast<const char*>(std::memchr(at, 0x0f, static_cast<size_t>(end - at - 1)));
    if (at == nullptr) break;
    if (at[1] == 0x05) found.push_back(static_cast<uint32_t>(at - begin));
    ++at;
  }
  return found;
}

std::vector<uint32_t> find_far_targets(std::span<const std::byte> text, std::span<const uint32_t> candidates,
                                       uint32_t reach) {
  constexpr unsigned kBlock = 6;  // log2 of the bytes that one flag stands for
  std::vector<char> wanted((text.size() >> kBlock) + 1);
  for (const uint32_t candidate : candidates) {
    const size_t first = (candidate > reach ? candidate - reach : 0) >> kBlock;
    const size_t last = std::min((size_t{candidate} + reach) >> kBlock, wanted.size() - 1);
    for (size_t block = first; block <= last; ++block) wanted[block] = 1;
  }

  std::vector<uint32_t> targets;
  for (size_t i = 0; i + 5 <= text.size(); ++i) {
    const auto opcode = static_cast<uint8_t>(text[i]);
    if (!kOpens[opcode]) continue;
    const uint32_t length = far_length(opcode, static_cast<uint8_t>(text[i + 1]));
    if (length == 0 || i + length > text.size()) continue;
    int32_t distance;
    std::memcpy(&distance, text.data() + i + length - sizeof distance, sizeof distance);
    const int64_t target = static_cast<int64_t>(i + length) + distance;
    if (target < 0 || target >= static_cast<int64_t>(text.size())) continue;
    if (wanted[static_cast<size_t>(target) >> kBlock]) targets.push_back(static_cast<uint32_t>(target));
  }
  return targets;
}

}  // namespace sandstone::rewrite
