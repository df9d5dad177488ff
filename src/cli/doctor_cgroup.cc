#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/fd.h"
#include "cli/doctor.h"
#include "cli/doctor_experiments.h"

namespace sandstone::cli {
namespace {

struct Controller {
  const char* name;
  const char* flag;
  const char* without;  // what there is without it
};

constexpr Controller kControllers[] = {
    {"memory", "-m", "RLIMIT_AS, a limit of each process"},
    {"cpu", "--cpus", "nothing"},
    {"pids", "--pids-limit", "RLIMIT_NPROC, a limit of the user's processes in the sandbox"},
};

// The words of a line of a file below /proc or /sys that starts with `prefix`.
std::string after_prefix(const std::string& text, std::string_view prefix) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (std::string_view(text).substr(at).starts_with(prefix))
      return text.substr(at + prefix.size(), end - at - prefix.size());
    at = end + 1;
  }
  return {};
}

// Where cgroup v2 is mounted: on a hybrid host it is not /sys/fs/cgroup.
std::optional<std::string> cgroup2_mount() {
  auto mounts = read_file("/proc/self/mounts");
  if (!mounts) return std::nullopt;
  for (size_t at = 0; at < mounts->size();) {
    const size_t end = std::min(mounts->find('\n', at), mounts->size());
    const std::string line = mounts->substr(at, end - at);
    at = end + 1;
    const size_t first = line.find(' ');
    const size_t second = line.find(' ', first + 1);
    if (first != std::string::npos && second != std::string::npos &&
        line.compare(second + 1, 8, "cgroup2 ") == 0)
      return line.substr(first + 1, second - first - 1);
  }
  return std::nullopt;
}

bool has_word(const std::string& text, std::string_view word) {
  const std::string padded = " " + text + " ";
  return padded.find(fmt::format(" {} ", word)) != std::string::npos;
}

std::string controllers_of(const std::string& folder) {
  auto text = read_file(folder + "/cgroup.controllers");
  if (!text) return {};
  std::replace(text->begin(), text->end(), '\n', ' ');
  return *text;
}

// A group can be made there, and its processes can be moved into it: cgroups(7), delegation.
bool may_make_groups(const std::string& folder) {
  const std::string trial = fmt::format("{}/sandstone-doctor-{}", folder, ::getpid());
  if (::mkdir(trial.c_str(), 0755) != 0) return false;
  ::rmdir(trial.c_str());
  return ::access((folder + "/cgroup.procs").c_str(), W_OK) == 0 &&
         ::access((folder + "/cgroup.subtree_control").c_str(), W_OK) == 0;
}

bool has_user_manager() {
  return ::access(fmt::format("/run/user/{}/systemd/private", ::geteuid()).c_str(), W_OK) == 0;
}

}  // namespace

void examine_cgroup(std::vector<Finding>& findings) {
  const auto mount = cgroup2_mount();
  auto own = read_file("/proc/self/cgroup");
  const std::string path = own ? after_prefix(*own, "0::") : std::string();
  std::string usable;
  std::string remedy = "boot with systemd.unified_cgroup_hierarchy=1";
  std::string why = "cgroup v2 is not mounted";
  bool by_manager = false;
  if (mount) {
    const std::string folder = *mount + (path == "/" ? "" : path);
    usable = controllers_of(::geteuid() == 0 ? *mount : folder);
    why = "cgroup v2 does not have the controller";
    remedy = "boot with systemd.unified_cgroup_hierarchy=1, so that cgroup v1 does not hold it";
    if (!may_make_groups(::geteuid() == 0 ? *mount : folder)) {
      by_manager = has_user_manager();
      if (!by_manager) usable.clear();
      why = "no part of cgroup v2 is delegated to this user";
      remedy = "a session under systemd's user manager, or systemd-run -p Delegate=yes";
    }
  }
  for (const auto& controller : kControllers) {
    if (has_word(usable, controller.name)) {
      findings.push_back({controller.flag,
                          Area::limits,
                          Level::yes,
                          by_manager ? "cgroup v2, through systemd's user manager" : "cgroup v2",
                          {}});
      continue;
    }
    const bool nothing = std::string_view(controller.without) == "nothing";
    findings.push_back({controller.flag, Area::limits, nothing ? Level::no : Level::partly,
                        nothing ? why : fmt::format("{}: {} instead", why, controller.without), remedy});
  }
}

}  // namespace sandstone::cli
