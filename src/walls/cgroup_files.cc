#include "walls/cgroup_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sandstone::walls {
namespace {

// Takes the text up to `end` off the front of `text`, and `end` with it.
std::string_view take(std::string_view& text, char end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

// mountinfo writes space, tab, newline and backslash as \ and three octal digits.
std::string unescape(std::string_view text) {
  std::string result;
  const auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      result += static_cast<char>(value);
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::vector<std::string_view> parts(std::string_view path) {
  std::vector<std::string_view> result;
  while (!path.empty())
    if (const auto part = take(path, '/'); !part.empty()) result.push_back(part);
  return result;
}

}  // namespace

std::optional<std::string> own_group(std::string_view proc_self_cgroup) {
  while (!proc_self_cgroup.empty()) {
    const std::string_view line = take(proc_self_cgroup, '\n');
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  }
  return std::nullopt;
}

std::vector<GroupMount> group_mounts(std::string_view mountinfo) {
  std::vector<GroupMount> mounts;
  while (!mountinfo.empty()) {
    std::string_view line = take(mountinfo, '\n');
    std::vector<std::string_view> fields;
    while (!line.empty()) fields.push_back(take(line, ' '));
    // proc(5): six fields, then any number of optional ones, a "-", and the type of the filesystem.
    if (fields.size() < 8) continue;
    const auto dash = std::find(fields.begin() + 6, fields.end(), "-");
    if (fields.end() - dash < 2 || dash[1] != "cgroup2") continue;
    GroupMount mount{unescape(fields[4]), unescape(fields[3])};
    if (mount.point.starts_with('/') && mount.root.starts_with('/')) mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::vector<GroupFolder> group_folders(const std::vector<GroupMount>& mounts, const std::string& own) {
  std::vector<GroupFolder> folders;
  const auto own_parts = parts(own);
  for (const GroupMount& mount : mounts) {
    const auto root_parts = parts(mount.root);
    if (root_parts.size() > own_parts.size()) continue;
    if (!std::equal(root_parts.begin(), root_parts.end(), own_parts.begin())) continue;
    // A ".." in what is left would climb out of the mount: the group lies where this mount does not show it.
    const auto rest = own_parts.begin() + static_cast<std::ptrdiff_t>(root_parts.size());
    if (std::find(rest, own_parts.end(), "..") != own_parts.end()) continue;
    for (auto end = own_parts.end();; --end) {
      std::string path = mount.point;
      for (auto part = rest; part != end; ++part)
        path += fmt::format("{}{}", path.ends_with('/') ? "" : "/", *part);
      folders.push_back({std::move(path), end == own_parts.end()});
      if (end == rest) break;
    }
  }
  return folders;
}

bool has_word(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    while (!line.empty())
      if (take(line, ' ') == word) return true;
  }
  return false;
}

uint64_t counter(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    if (take(line, ' ') != key) continue;
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    return error == std::errc() && end == line.data() + line.size() ? value : 0;
  }
  return 0;
}

std::string cpu_max(double cpus) {
  // The kernel's own period. Its least quota is 1 ms, which is the 0.01 CPUs that RunSpec::check() asks for.
  constexpr uint64_t kPeriod = 100'000;
  return fmt::format("{} {}", std::max<uint64_t>(1000, static_cast<uint64_t>(std::llround(cpus * kPeriod))),
                     kPeriod);
}

}  // namespace sandstone::walls
