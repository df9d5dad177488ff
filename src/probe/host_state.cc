#include "probe/host_state.h"

#include <dirent.h>
#include <unistd.h>

#include <memory>
#include <sstream>
#include <vector>

#include "base/fd.h"

namespace sandstone::probe {
namespace {

constexpr size_t kMost = 1 << 20;

std::string content(const char* path) {
  auto text = read_file(path, kMost);
  return text ? *text : std::string();
}

// Those of the probe's own making: others may come and go on a host that works.
std::string mounts() {
  std::istringstream lines(content("/proc/self/mountinfo"));
  std::string found;
  for (std::string line; std::getline(lines, line);)
    if (line.find("/sandstone-scratch-") != std::string::npos) found += line.substr(0, line.find(' ')) + "\n";
  return found;
}

std::string interfaces() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/sys/class/net"), &::closedir);
  std::set<std::string> names;
  while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr)
    if (std::string(entry->d_name).starts_with("sandprobe")) names.insert(entry->d_name);
  std::string found;
  for (const std::string& name : names) found += name + "\n";
  return found;
}

struct Part {
  const char* name;
  std::string (*look)();
  std::vector<const char*> changed_by;
};

const std::vector<Part>& parts() {
  static const std::vector<Part> kParts = {
      {"mounts",
       mounts,
       {"mount-tmpfs", "mount-proc", "mount-sysfs", "mount-bind", "mount-overlay", "move-mount",
        "mount-setattr"}},
      {"interfaces", interfaces, {"dev-tun"}},
      {"loopback", [] { return content("/sys/class/net/lo/flags"); }, {"configure-interface"}},
      {"host name",
       [] {
         char name[256] = {};
         ::gethostname(name, sizeof name - 1);
         return std::string(name);
       },
       {"set-host-name"}},
      {"core pattern", [] { return content("/proc/sys/kernel/core_pattern"); }, {"core-pattern"}},
      {"modprobe", [] { return content("/proc/sys/kernel/modprobe"); }, {"modprobe-path"}},
      {"swap", [] { return content("/proc/swaps"); }, {"swapon"}},
      {"modules",
       [] { return content("/proc/sys/kernel/modules_disabled"); },
       {"init-module", "finit-module", "delete-module"}},
  };
  return kParts;
}

}  // namespace

HostState HostState::look() {
  HostState state;
  for (const Part& part : parts()) state.parts_[part.name] = part.look();
  return state;
}

std::set<std::string> HostState::differences(const HostState& later) const {
  std::set<std::string> operations;
  for (const Part& part : parts())
    if (parts_.at(part.name) != later.parts_.at(part.name))
      operations.insert(part.changed_by.begin(), part.changed_by.end());
  return operations;
}

}  // namespace sandstone::probe
