#include "jail/prepare.h"

#include <fmt/format.h>

#include <string_view>

#include "jail/ids.h"
#include "jail/rootfs.h"

extern char** environ;

namespace sandstone::jail {
namespace {

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

}  // namespace

Result<std::unique_ptr<Prepared>> prepare(const RunSpec& spec) {
  auto prepared = std::make_unique<Prepared>();
  walls::Setup& setup = prepared->setup;
  setup.spec = spec;
  setup.hostname = spec.hostname.value_or("sandstone");

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
  choose_ids(setup);
  setup.terminal_inside = spec.terminal && setup.has("root");
  if (auto checked = prepare_rootfs(setup, prepared->missing); !checked) return checked.error();
  if (auto saved = prepare_save(setup); !saved) return saved.error();
  for (auto& wall : prepared->walls)
    if (auto built = wall->build(setup); !built) return built.error();
  finish_environment(setup);
  return prepared;
}

}  // namespace sandstone::jail
