// The ladder: which walls there are, in the order in which they are raised, and the tier that each belongs to.

#include <fmt/format.h>

#include <algorithm>

#include "walls/factories.h"
#include "walls/wall.h"

namespace sandstone::walls {
namespace {

struct Rung {
  const char* name;
  Tier from;  // in force from this tier on
  std::unique_ptr<Wall> (*make)();
};

// Order matters. The ids change after the caller's paths were opened, and /proc/self was written to, and before anything is
// created; Landlock comes
// after the last mount, which it would forbid; capabilities go after everything that needs them; the filter is last
// but for the limits, of which one on descriptors or memory could keep another wall from being raised.
constexpr Rung kLadder[] = {
    {"environment", Tier::ns, make_environment_wall},
    {"descriptors", Tier::ns, make_descriptors_wall},
    {"session", Tier::ns, make_session_wall},
    {"control-group", Tier::none, make_control_group_wall},
    {"net", Tier::ns, make_net_wall},
    {"mount", Tier::ns, make_mount_wall},
    {"time", Tier::ns, make_time_wall},
    {"user", Tier::ns, make_user_wall},
    {"pid", Tier::ns, make_pid_wall},
    {"ipc", Tier::ns, make_ipc_wall},
    {"uts", Tier::ns, make_uts_wall},
    {"cgroup", Tier::ns, make_cgroup_wall},
    {"root", Tier::ns, make_root_wall},
    {"proc-mask", Tier::ns, make_proc_mask_wall},
    {"landlock", Tier::landlock, make_landlock_wall},
    {"capabilities", Tier::full, make_capabilities_wall},
    {"no-new-privs", Tier::full, make_no_new_privs_wall},
    {"seccomp", Tier::full, make_seccomp_wall},
    {"rlimits", Tier::none, make_rlimits_wall},
};

}  // namespace

std::vector<std::string> walls_of(Tier tier) {
  std::vector<std::string> names;
  for (const Rung& rung : kLadder)
    if (rung.from <= tier) names.emplace_back(rung.name);
  return names;
}

std::vector<std::string> all_walls() {
  return walls_of(Tier::full);
}

Result<std::vector<std::unique_ptr<Wall>>> make_walls(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    const bool known =
        std::any_of(std::begin(kLadder), std::end(kLadder), [&](const Rung& r) { return name == r.name; });
    if (!known)
      return Error{"--walls", fmt::format("'{}' is not a wall", name), "sandstone doctor lists them"};
  }
  std::vector<std::unique_ptr<Wall>> walls;
  for (const Rung& rung : kLadder)
    if (std::find(names.begin(), names.end(), rung.name) != names.end()) walls.push_back(rung.make());
  return walls;
}

}  // namespace sandstone::walls
