#include "rewrite/text.h"

#include <emmintrin.h>

#include <bit>
#include <cstring>

namespace sandstone::rewrite {
namespace {

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

// Which of the sixteen bytes at `text` far_length() knows; bit n for byte n.
unsigned openings(const std::byte* text) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const auto is = [bytes](uint8_t opcode) {
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(static_cast<char>(opcode)));
  };
  // e8 and e9 differ in a bit that is set in one of them.
  const __m128i calls_and_jumps =
      _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(1)), _mm_set1_epi8(static_cast<char>(0xe9)));
  const __m128i any = _mm_or_si128(_mm_or_si128(calls_and_jumps, is(0x0f)), _mm_or_si128(is(0x8d), is(0xc7)));
  return static_cast<unsigned>(_mm_movemask_epi8(any));
}

}  // namespace

const Instruction& Decoded::at(uint32_t offset) {
  std::unique_ptr<Part>& part = parts_[offset / kPart];
  if (part == nullptr) part = std::make_unique<Part>();
  const uint32_t i = offset % kPart;
  if (!part->known[i]) {
    part->instructions[i] = decode(bytes_.subspan(offset));
    part->known[i] = true;
  }
  return part->instructions[i];
}

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
  const auto look_at = [&](size_t i) {
    const uint32_t length = far_length(static_cast<uint8_t>(text[i]), static_cast<uint8_t>(text[i + 1]));
    if (length == 0 || i + length > text.size()) return;
    int32_t distance;
    std::memcpy(&distance, text.data() + i + length - sizeof distance, sizeof distance);
    const int64_t target = static_cast<int64_t>(i + length) + distance;
    if (target < 0 || target >= static_cast<int64_t>(text.size())) return;
    if (wanted[static_cast<size_t>(target) >> kBlock]) targets.push_back(static_cast<uint32_t>(target));
  };
  // Sixteen bytes at a time, as most open nothing.
  size_t i = 0;
  for (; i + sizeof(__m128i) < text.size(); i += sizeof(__m128i))
    for (unsigned open = openings(text.data() + i); open != 0; open &= open - 1)
      look_at(i + static_cast<unsigned>(std::countr_zero(open)));
  for (; i + 1 < text.size(); ++i) look_at(i);
  return targets;
}

}  // namespace sandstone::rewrite
