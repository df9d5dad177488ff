#include "jail/prepare.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "base/fd.h"

extern char** environ;

namespace sandstone::jail {
namespace {

// A root caller's sandbox is nobody on the host: root outside would need only one mistake of ours.
constexpr User kNobody{65534, 65534};

// Whether our own user namespace knows `id`. Root of a rootless container may map one id only, its own: such a root
// is an ordinary user to the host, and is treated as one.
bool is_mapped(const char* map, unsigned long id) {
  auto text = read_file(map);
  if (!text) return false;
  // Not by a stream: the locale that it brings along is a fifth of all instructions of a start.
  const char* at = text->c_str();
  for (;;) {
    char* end = nullptr;
    const unsigned long first = std::strtoul(at, &end, 10);
    if (end == at) return false;
    std::strtoul(end, &end, 10);  // what it is outside
    const unsigned long count = std::strtoul(end, &end, 10);
    if (id >= first && id - first < count) return true;
    at = end;
  }
}

bool is_root() {
  return ::geteuid() == 0 && is_mapped("/proc/self/uid_map", kNobody.uid) && is_mapped("/proc/self/gid_map", kNobody.gid);
}

void choose_ids(walls::Setup& setup) {
  setup.caller_is_root = is_root();
  setup.inside = setup.spec.user.value_or(User{});
  setup.outside = setup.caller_is_root ? kNobody : User{::geteuid(), ::getegid()};
  setup.home = setup.inside.uid == 0 ? "/root" : "/home/sandbox";
}

void finish_environment(walls::Setup& setup) {
  auto& environment = setup.environment;
  if (!setup.has("environment")) {
    environment.clear();
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  }
  for (const auto& [name, value] : setup.spec.environment) {
    const std::string prefix = name + "=";
    std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(prefix); });
    environment.push_back(prefix + value);
  }
}

// The folder of --save becomes an overlay's: its two parts are made here, with the workload's owner.
Result<void> prepare_save(const walls::Setup& setup) {
  const std::string& folder = setup.spec.save_directory;
  if (folder.empty()) return {};
  for (const std::string& path : {folder, folder + "/upper", folder + "/work"}) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return system_error("--save", fmt::format("cannot make '{}'", path), errno);
    if (path == folder) continue;
    // A symlink here, left by whoever could write to the folder, would lead the overlay's upper layer anywhere.
    const Fd part(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!part.valid()) return system_error("--save", fmt::format("'{}'", path), errno, "give an empty folder");
    if (setup.caller_is_root && ::fchown(part.get(), setup.outside.uid, setup.outside.gid) != 0)
      return system_error("--save", fmt::format("cannot give '{}' to the workload", path), errno);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare(const RunSpec& spec) {
  auto prepared = std::make_unique<Prepared>();
  walls::Setup& setup = prepared->setup;
  setup.spec = spec;
  setup.hostname = spec.hostname.value_or("sandstone");
  choose_ids(setup);

  auto wanted = walls::make_walls(spec.walls ? *spec.walls : walls::walls_of(spec.tier));
  if (!wanted) return wanted.error();
  for (auto& wall : *wanted) {
    if (!wall->needed(spec)) continue;
    walls::Support support;
    if (spec.best_effort || !wall->fails_the_clone()) support = wall->support();
    if (support.available) {
      setup.walls.emplace_back(wall->name());
      prepared->walls.push_back(std::move(wall));
    } else if (spec.best_effort) {
      prepared->missing.push_back({wall->name(), support.reason, support.remedy});
    } else {
      return walls::unavailable(*wall, support);
    }
  }
  setup.terminal_inside = spec.terminal && setup.has("root");
  if (auto saved = prepare_save(setup); !saved) return saved.error();
  for (auto& wall : prepared->walls)
    if (auto built = wall->build(setup); !built) return built.error();
  finish_environment(setup);
  return prepared;
}

}  // namespace sandstone::jail
