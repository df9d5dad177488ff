#include <fmt/format.h>

#include "observe/arguments.h"

namespace sandstone::observe {

std::string quote(std::span<const uint8_t> bytes, bool cut) {
  std::string out = "\"";
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint8_t byte = bytes[i];
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        if (byte >= ' ' && byte < 0x7f) {
          out += static_cast<char>(byte);
        } else {
          // As short as it can be, unless a digit follows, which would become part of it.
          const bool digit_follows = i + 1 < bytes.size() && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
          out += digit_follows ? fmt::format("\\{:03o}", byte) : fmt::format("\\{:o}", byte);
        }
    }
  }
  return out + (cut ? "\"..." : "\"");
}

std::string pointer_text(uint64_t value) {
  return value == 0 ? "NULL" : fmt::format("{:#x}", value);
}

std::string hex_text(uint64_t value) {
  return value == 0 ? "0" : fmt::format("{:#x}", value);
}

}  // namespace sandstone::observe
