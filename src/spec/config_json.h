// JSON from a file that a person wrote, read strictly: no key twice, no depth or size without bound, and
// every error with its line and column. The order of keys is kept, because the order of mounts matters.
#pragma once

#include <sandstone/result.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sandstone {

using Json = nlohmann::ordered_json;

inline constexpr size_t kLargestJson = 1 << 20;
inline constexpr size_t kDeepestJson = 16;
inline constexpr size_t kMostEntries = 4096;  // of one object or array

// `file` is the name that errors give as their place.
Result<Json> parse_json(std::string_view text, const std::string& file);

// One more step of a JSON pointer (RFC 6901).
std::string pointer_step(std::string_view key);

}  // namespace sandstone
