#include "base/text.h"

#include <cstdint>

namespace sandstone {
namespace {

// Length of the well-formed UTF-8 sequence at text[0], or 0. Refuses overlong forms, surrogates, the C1 control
// block, and the line, paragraph and direction marks that reorder what a person reads.
size_t printable_sequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  uint32_t code = lead & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
  if (code < 0xa0) return 0;
  if ((code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069) || code == 0xfeff)
    return 0;
  return length;
}

}  // namespace

std::string escape_for_terminal(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<uint8_t>(text[i]);
    size_t take = 0;
    if (byte == '\\') {
      out += "\\\\";
      ++i;
      continue;
    }
    if (byte >= 0x20 && byte < 0x7f) take = 1;
    if (byte >= 0x80) take = printable_sequence(text.substr(i));
    if (take == 0) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
      ++i;
      continue;
    }
    out.append(text, i, take);
    i += take;
  }
  return out;
}

}  // namespace sandstone
