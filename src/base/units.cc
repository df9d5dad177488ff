#include "base/units.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace sandstone {
namespace {

struct Number {
  double value;
  std::string_view unit;
};

std::optional<Number> split(std::string_view text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  return Number{value, text.substr(static_cast<size_t>(end - text.data()))};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto number = split(text);
  if (!number) return std::nullopt;
  constexpr std::string_view kPrefixes = "bkmgtp";
  std::string unit = lower(number->unit);
  if (unit.empty()) unit = "b";
  const size_t power = kPrefixes.find(unit[0]);
  if (power == std::string_view::npos) return std::nullopt;
  if (unit.size() > 1 && (power == 0 || (unit.substr(1) != "b" && unit.substr(1) != "ib")))
    return std::nullopt;
  const double bytes = std::ldexp(number->value, static_cast<int>(10 * power));
  if (bytes >= std::ldexp(1.0, 63)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto number = split(text);
  if (!number) return std::nullopt;
  const std::string unit = lower(number->unit);
  double scale = 0;
  if (unit.empty() || unit == "s") scale = 1e3;
  if (unit == "ms") scale = 1;
  if (unit == "m") scale = 60e3;
  if (unit == "h") scale = 3600e3;
  if (unit == "d") scale = 86400e3;
  const double value = number->value * scale;
  if (scale == 0 || value > 1e15) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(std::ceil(value)));
}

std::string format_size(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t power = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && power < 6) {
    value /= 1024;
    ++power;
  }
  return value == std::floor(value) ? fmt::format("{:.0f} {}", value, kUnits[power])
                                    : fmt::format("{:.1f} {}", value, kUnits[power]);
}

std::string format_duration(std::chrono::milliseconds duration) {
  const auto ms = duration.count();
  return ms % 1000 == 0 ? fmt::format("{} s", ms / 1000)
                        : fmt::format("{:.3g} s", static_cast<double>(ms) / 1e3);
}

}  // namespace sandstone
