// What a version of a file of the crash test's holds.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace sandstone {

inline std::string crash_content(uint64_t version) {
  std::minstd_rand random(static_cast<uint32_t>(version * 2654435761U));
  std::string content = "version " + std::to_string(version) + "\n";
  const size_t size = random() % 4 == 0 ? random() % 200'000 : random() % 6'000;
  while (content.size() < size) {
    const uint32_t word = static_cast<uint32_t>(random());
    content.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return content;
}

// The version that the content says it is; 0 if it says none.
inline uint64_t crash_version(const std::string& content) {
  return content.starts_with("version ") ? std::strtoull(content.c_str() + 8, nullptr, 10) : 0;
}

}  // namespace sandstone
