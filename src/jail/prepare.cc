#include "jail/prepare.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

extern char** environ;

namespace sandstone::jail {
namespace {

// A root caller's sandbox is nobody on the host: root outside would need only one mistake of ours.
constexpr User kNobody{65534, 65534};

void choose_ids(walls::Setup& setup) {
  setup.caller_is_root = ::geteuid() == 0;
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
    if (path != folder && setup.caller_is_root && ::chown(path.c_str(), setup.outside.uid, setup.outside.gid) != 0)
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
    const walls::Support support = wall->support();
    if (support.available) {
      setup.walls.emplace_back(wall->name());
      prepared->walls.push_back(std::move(wall));
    } else if (spec.best_effort) {
      prepared->missing.push_back({wall->name(), support.reason, support.remedy});
    } else {
      return Error{fmt::format("wall {}", wall->name()), support.reason,
                   support.remedy.empty() ? "--best-effort goes on without" : support.remedy + "; --best-effort goes on without"};
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
