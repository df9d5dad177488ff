#include "base/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <vector>

namespace sandstone {

Result<std::string> find_program(const std::string& name, const std::string& libexec, std::string where) {
  std::vector<std::string> candidates;
  char self[4096];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
  if (length > 0 && static_cast<size_t>(length) < sizeof self) {
    const std::string path(self, static_cast<size_t>(length));
    const std::string folder = path.substr(0, path.rfind('/'));
    candidates.push_back(folder + "/" + name);
    candidates.push_back(folder.substr(0, folder.rfind('/')) + "/libexec/sandstone/" + name);
  }
  candidates.push_back(libexec + "/" + name);
  for (const std::string& candidate : candidates)
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  return Error{std::move(where),
               fmt::format("{} is not found (looked at {})", name, fmt::join(candidates, ", ")),
               "install it beside the sandstone program or in its libexec folder"};
}

}  // namespace sandstone
