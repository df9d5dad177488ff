#include "kernel/identity.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "base/names_file.h"

namespace sandstone::kernel {
namespace {

constexpr size_t kLargestFile = 1 << 20;
constexpr size_t kMostGroups = 1024;

// Not blocking, and no more than an ordinary file has: it may be anything. What cannot be read says nothing.
std::string contents(Task& init, const char* path) {
  std::string text;
  const int64_t fd = init.call(SYS_open, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return text;
  struct stat status{};
  if (init.call(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode)) {
    char part[4096];
    int64_t got = 0;
    while (text.size() < kLargestFile && (got = init.call(SYS_read, fd, part, sizeof part)) > 0)
      text.append(part, static_cast<size_t>(got));
  }
  init.call(SYS_close, fd);
  return text;
}

// 0xffffffff means "no change" to the kernel's calls.
std::optional<uint32_t> id(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0xffffffffU) return std::nullopt;
  return value;
}

}  // namespace

Result<Identity> look_up(Task& init, const std::string& user) {
  const auto refuse = [&](const char* what) {
    return Error{fmt::format("user '{}'", user), what, "-u with numbers says who it is"};
  };
  const auto words = split(user, ':');
  if (words.size() > 2) return refuse("is no NAME[:GROUP]");
  const std::string passwd = contents(init, "/etc/passwd");
  const std::string group = contents(init, "/etc/group");
  Identity identity;
  const auto number = id(words[0]);
  const auto entry = find_fields(passwd, number ? 2 : 0, words[0]);
  const bool is_listed = entry.size() >= 6 && id(entry[2]) && id(entry[3]);
  if (!is_listed && !number) return refuse("is not in the image's /etc/passwd");
  if (number) identity.uid = *number;
  if (is_listed) {
    identity.uid = *id(entry[2]);
    identity.gid = *id(entry[3]);
    identity.name = entry[0];
    identity.home = entry[5];
  }
  if (words.size() == 2) {
    const auto fields = find_fields(group, 0, words[1]);
    const auto gid = id(words[1]) ? id(words[1]) : fields.size() >= 3 ? id(fields[2]) : std::nullopt;
    if (!gid) return refuse("has a group that is not in the image's /etc/group");
    identity.gid = *gid;
    return identity;
  }
  for (const std::string_view line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (!is_listed || fields.size() < 4 || !id(fields[2]) || identity.groups.size() >= kMostGroups) continue;
    const auto members = split(fields[3], ',');
    if (std::find(members.begin(), members.end(), identity.name) != members.end())
      identity.groups.push_back(*id(fields[2]));
  }
  return identity;
}

void set_variables(const Options& options, const Identity& identity) {
  for (const std::string& variable : options.variables) {
    const size_t equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(),
             variable.substr(std::min(equals, variable.size() - 1) + 1).c_str(), 1);
  }
  for (const std::string& name : options.user_sets) {
    const std::string& value = name == "HOME" ? identity.home : identity.name;
    if (!value.empty()) ::setenv(name.c_str(), value.c_str(), 1);
  }
}

}  // namespace sandstone::kernel
