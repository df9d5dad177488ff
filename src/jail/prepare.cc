#include "jail/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/units.h"
#include "jail/ids.h"
#include "jail/rootfs.h"
#include "walls/rlimits.h"

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

// The limits that walls do not hold: with --best-effort the outcome tells, as for a wall.
void settle_limits(Prepared& prepared) {
  walls::Setup& setup = prepared.setup;
  const Limits& limits = setup.spec.limits;
  setup.private_bytes = limits.disk_bytes.value_or(kDefaultTmpfsBytes);
  // A tmpfs with a size of its own is a part of --disk, so that the total is what was asked for.
  for (const Mount& mount : setup.spec.mounts)
    if (limits.disk_bytes && mount.kind == Mount::Kind::tmpfs) setup.private_bytes -= mount.size_bytes;
  if (limits.pids && walls::rlimits_count_processes(setup.spec)) {
    setup.counts_processes = setup.has("user");
    setup.keeps_slot = setup.counts_processes && setup.has("pid") && setup.has("root");
    if (!setup.counts_processes && setup.spec.best_effort)
      prepared.missing.push_back(
          {"rlimits", "without the wall user, --pids-limit would count all of the caller's processes", {}});
  }
  if (limits.memory_bytes && !setup.has("control-group")) {
    setup.private_bytes = std::min(setup.private_bytes, *limits.memory_bytes);
    for (Missing& missing : prepared.missing)
      if (missing.wall == "control-group")
        missing.reason +=
            fmt::format("; -m limits the data of each process, and the private files, to {} instead",
                        format_size(*limits.memory_bytes));
  }
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare(const RunSpec& spec, const Missing* lost) {
  auto prepared = std::make_unique<Prepared>();
  walls::Setup& setup = prepared->setup;
  setup.spec = spec;
  setup.hostname = spec.hostname.value_or("sandstone");

  auto wanted = walls::make_walls(spec.walls ? *spec.walls : walls::walls_of(spec.tier));
  if (!wanted) return wanted.error();
  for (auto& wall : *wanted) {
    if (!wall->needed(spec)) continue;
    walls::Support support;
    if (spec.best_effort || !wall->fails_the_clone()) support = wall->support_for(spec);
    if (lost != nullptr && lost->wall == wall->name()) support = {false, {}, lost->reason, lost->remedy};
    if (support.available) {
      setup.walls.emplace_back(wall->name());
      prepared->walls.push_back(std::move(wall));
    } else if (spec.best_effort) {
      prepared->missing.push_back({wall->name(), support.reason, support.remedy});
    } else {
      return walls::unavailable(*wall, support);
    }
  }
  settle_limits(*prepared);
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
