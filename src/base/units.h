// Sizes and durations as people write them, and as they read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandstone {

// "64m", "1.5g", "4096", "2KiB": powers of 1024, as docker reads them. Refuses signs, blanks and overflow.
std::optional<uint64_t> parse_size(std::string_view text);

// "1s", "500ms", "2m", "1h", "10" (seconds), as timeout(1) reads them, and "ms".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

std::string format_size(uint64_t bytes);                          // "64 MiB"
std::string format_duration(std::chrono::milliseconds duration);  // "1.5 s"

}  // namespace sandstone
