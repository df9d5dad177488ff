#include "base/names_file.h"

namespace sandstone {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> find_fields(std::string_view content, size_t at, std::string_view value) {
  for (const std::string_view line : split(content, '\n')) {
    auto fields = split(line, ':');
    if (at < fields.size() && fields[at] == value) return fields;
  }
  return {};
}

}  // namespace sandstone
