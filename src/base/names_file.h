// Files such as passwd(5) and group(5): a line for each entry, its fields between colons.
#pragma once

#include <string_view>
#include <vector>

namespace sandstone {

// The fields of the first line whose field number `at` is `value`; nothing if there is none.
std::vector<std::string_view> find_fields(std::string_view content, size_t at, std::string_view value);

std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace sandstone
